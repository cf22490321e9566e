"""``kdsearch add`` and ``kdsearch extend``: more runs for a study than its file asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from kdsearch.cli.common import (
    Data,
    Preset,
    Settings,
    Storage,
    StudyName,
    connect,
    load_stored,
    open_named,
    parse_settings,
)
from kdsearch.cli.output import say
from kdsearch.errors import KdsearchError


def add(
    study: StudyName,
    set_: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of search seeds to train it with.")] = 2,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Queue runs of a configuration of your choice.

    Parameters that are not set keep the task's defaults. The configuration takes part in the search and counts in its
    budget. After the winner is chosen it is context only, in a table of its own. With --set vary=order (or
    initialisation, or nothing) it takes no part in the search: the report then shows where the spread comes from.
    """
    from kdsearch.cli.totals import MOST_ADDED
    from kdsearch.report.sections.post_hoc import TITLE
    from kdsearch.search.manual import add_configuration

    if seeds > MOST_ADDED:
        raise KdsearchError(
            f"got --seeds {seeds:,}; at most {MOST_ADDED:,} are queued at once, since each is a run of its own"
        )
    ledger = connect(storage)
    loaded, record = load_stored(ledger, study, preset)
    given = parse_settings(set_, loaded.study)
    loaded.study.check(given, inside=True)
    name = add_configuration(ledger, loaded.study, record.id, loaded.study.explicit(given), seeds)
    late = ""
    if record.winner_id is not None:
        late = f" The winner is already chosen and stays the winner; the report shows these runs under '{TITLE}'."
    say(f"{record.name}: {name} has {seeds} search seeds, queued or done. Launch the study to train them.{late}")


def extend(
    study: StudyName,
    runs: Annotated[int | None, typer.Option("--runs", min=2, help="Search runs in total.")] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="Hours of search in total.")] = None,
    gpu_hours: Annotated[float | None, typer.Option("--gpu-hours", help="GPU-hours of search in total.")] = None,
    confirm_seeds: Annotated[
        int | None,
        typer.Option(
            "--confirm-seeds", "--confirm", min=2, help="Fresh seeds of each compared configuration in total."
        ),
    ] = None,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Enlarge the budget of a study.

    The change is logged. Launch the study again to use it. An extension that was too large can be taken back, in whole
    or in part, as far as none of it has been run.
    """
    from kdsearch.cli.totals import fresh_seeds, search_limits, take_back
    from kdsearch.search.budget import describe

    ledger, record = open_named(study, preset, storage)
    totals = {"runs": runs, "hours": hours, "gpu_hours": gpu_hours}
    asked: dict[str, Any] = {name: total for name, total in totals.items() if total is not None}
    if not asked and confirm_seeds is None:
        raise KdsearchError("say how much: --runs, --hours, --gpu-hours or --confirm-seeds (totals, not additions)")
    changes: dict[str, Any] = {}
    said, events = [], []
    if confirm_seeds is not None:
        now = record.settings.confirm.seeds
        smaller = fresh_seeds(ledger, record, confirm_seeds)
        when = " after confirm runs were ordered" if record.winner_id is not None else ""
        changes["confirm"] = record.settings.confirm_with(confirm_seeds)
        events.append(f"confirm seeds {'lowered' if smaller else 'extended'} from {now} to {confirm_seeds}{when}")
        said.append(f"{'lowered' if smaller else 'extended'} to {confirm_seeds} fresh seeds")
    if asked:
        smaller = search_limits(ledger, record, asked)
        budget = describe(replace(record.settings.budget, **asked))
        changes["budget"] = record.settings.budget_with(asked)
        events.append(f"budget {'lowered' if smaller else 'extended'} to {budget}")
        said.append(f"{'lowered' if smaller else 'extended'} to {budget}")
    ledger.change_settings(record.id, changes, "; ".join(events))
    if confirm_seeds is not None:
        take_back(ledger, record, confirm_seeds)
    say(f"{record.name} is {' and '.join(said)}. Launch it again to run them.")
