"""``kdsearch list``: the studies of a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.cli.common import Storage
from kdsearch.cli.common import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from kdsearch.ledger.records import StudyRecord

_BESIDE = 34
"""Columns that phase, time and words of data need at least beside a name that stands on one line."""


def list_studies(storage: Storage = None) -> None:
    """List the studies of the ledger."""
    from rich.console import Console

    ledger = connect(storage)
    rows = ledger.studies()
    if not rows:
        print(f"no studies in {ledger.database.rendered_url()}; start one with: kdsearch launch STUDY_FILE")
        return
    console = Console(highlight=False)
    if not console.is_terminal:  # other programs read whole names: there is no width to fit
        console.width = max(console.width, max(len(row.name) for row in rows) + _BESIDE)
    console.print(table_of(rows, console.width))


def table_of(rows: Sequence[StudyRecord], width: int) -> Table:
    """One row a study. Nothing is cut: a name stands on one line where ``width`` allows it, and else goes on below."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("study", overflow="fold", no_wrap=max(len(row.name) for row in rows) + _BESIDE <= width)
    for title in ("phase", "created (UTC)", "data"):
        table.add_column(title, overflow="fold")
    for row in rows:
        phase = f"{row.phase}, stopped" if row.stop_requested and row.phase != "finished" else row.phase
        table.add_row(row.name, phase, f"{row.created_at:%Y-%m-%d %H:%M}", row.description)
    return table
