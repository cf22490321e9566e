"""``kdsearch extend``: more search runs, or more fresh seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Data
from kdsearch.cli.common import Preset
from kdsearch.cli.common import Storage
from kdsearch.cli.common import StudyName
from kdsearch.cli.common import connect
from kdsearch.cli.common import find
from kdsearch.errors import KdsearchError


def extend(
    study: StudyName,
    runs: Annotated[int | None, typer.Option("--runs", min=2, help="Search runs in total.")] = None,
    confirm_seeds: Annotated[
        int | None, typer.Option("--confirm-seeds", min=2, help="Fresh seeds of each compared configuration in total.")
    ] = None,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Enlarge the budget of a study; logged, and launching it again goes on."""
    ledger = connect(storage)
    record = find(ledger, study, preset)
    if runs is None and confirm_seeds is None:
        raise KdsearchError("say how much: --runs N or --confirm-seeds N (totals, not additions)")
    if runs is not None:
        _grow(record.settings["budget"]["runs"], runs, "search runs")
        if record.winner_id is not None:
            raise KdsearchError(
                f"the winner of {record.name} is chosen and stays the winner, so its search cannot go on. "
                "Give a longer search another name in the study file; --confirm-seeds can still grow."
            )
        ledger.change_settings(record.id, {"budget": {"runs": runs}}, f"search runs extended to {runs}")
    if confirm_seeds is not None:
        confirm = record.settings["confirm"]
        _grow(confirm["seeds"], confirm_seeds, "confirm seeds")
        when = " after confirm runs were ordered" if record.winner_id is not None else ""
        ledger.change_settings(
            record.id,
            {"confirm": {**confirm, "seeds": confirm_seeds}},
            f"confirm seeds extended from {confirm['seeds']} to {confirm_seeds}{when}",
        )
    print(f"{record.name} is extended; launch it again to go on.")


def _grow(now: int, asked: int, what: str) -> None:
    if asked <= now:
        raise KdsearchError(f"the study has {now} {what}; extend takes a larger total, got {asked}")
