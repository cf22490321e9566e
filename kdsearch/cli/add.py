"""``kdsearch add``: put a configuration of one's own into the search."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Settings, Storage, StudyName, connect, load_stored, parse_settings


def add(
    study: StudyName,
    set_: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="Search seeds to run it with.")] = 2,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Queue runs of a configuration that you choose.

    Parameters that are not set have the task's defaults. The configuration takes part in the search and counts in its
    budget. After the winner is chosen it is context only, in a table of its own. With --set vary=order (or
    initialisation, or nothing) it takes no part: the report then says what the spread comes from.
    """
    from kdsearch.report.sections.added import TITLE
    from kdsearch.search.manual import add_configuration

    ledger = connect(storage)
    loaded, record = load_stored(ledger, study, preset)
    given = parse_settings(set_, loaded.study)
    loaded.study.check(given, inside=True)
    params = loaded.study.explicit(given)
    name = add_configuration(ledger, loaded.study, record.id, params, seeds)
    late = ""
    if record.winner_id is not None:
        late = f" The winner is chosen already: these runs cannot change it; the report shows them under '{TITLE}'."
    print(f"{record.name}: {name} has {seeds} search seeds queued or done; launch the study to train them.{late}")
