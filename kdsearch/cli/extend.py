"""``kdsearch extend``: more search runs, or more fresh seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, find
from kdsearch.errors import KdsearchError
from kdsearch.search.budget import describe


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

    The change is logged. Launching the study again goes on.
    """
    ledger = connect(storage)
    record = find(ledger, study, preset)
    asked: dict[str, Any] = {
        name: value for name, value in (("runs", runs), ("hours", hours), ("gpu_hours", gpu_hours)) if value is not None
    }
    if not asked and confirm_seeds is None:
        raise KdsearchError("say how much: --runs, --hours, --gpu-hours or --confirm-seeds (totals, not additions)")
    if asked:
        budget = record.settings.budget
        for name, value in asked.items():
            now = getattr(budget, name)
            if now is None:
                raise KdsearchError(f"the budget of {record.name} is {describe(budget)}; it has no limit in {name}")
            _grow(now, value, name.replace("_", " "))
        if record.winner_id is not None:
            raise KdsearchError(
                f"the winner of {record.name} is chosen and stays the winner, so its search cannot go on. "
                "Give a longer search another name in the study file; --confirm-seeds can still grow."
            )
        grown = {"budget": record.settings.budget_with(asked)}
        ledger.change_settings(record.id, grown, f"budget extended to {describe(replace(budget, **asked))}")
    if confirm_seeds is not None:
        now = record.settings.confirm.seeds
        _grow(now, confirm_seeds, "confirm seeds")
        when = " after confirm runs were ordered" if record.winner_id is not None else ""
        ledger.change_settings(
            record.id,
            {"confirm": record.settings.confirm_with(confirm_seeds)},
            f"confirm seeds extended from {now} to {confirm_seeds}{when}",
        )
    grown_to = [describe(replace(record.settings.budget, **asked))] if asked else []
    grown_to += [f"{confirm_seeds} fresh seeds"] if confirm_seeds is not None else []
    print(f"{record.name} is extended to {' and '.join(grown_to)}; launch it again to go on.")


def _grow(now: float, asked: float, what: str) -> None:
    if asked <= now:
        raise KdsearchError(f"the study has {now:g} {what}; extend takes a larger total, got {asked:g}")
