"""``kdsearch list``: the studies of a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.cli.common import Storage, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from kdsearch.ledger.records import StudyRecord

_BESIDE = 70
"""Columns that phase, time and words of data need at least beside a name."""


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


def table_of(rows: Sequence[StudyRecord], width: int) -> RenderableType:
    """One row a study; where names leave the words of data too little width, these stand below. Nothing is cut."""
    if max(len(row.name) for row in rows) + _BESIDE > width:
        return _below(rows)
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("study", no_wrap=True)
    for title in ("phase", "created (UTC)", "data"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(row.name, _phase(row), f"{row.created_at:%Y-%m-%d %H:%M}", row.description)
    return table


def _below(rows: Sequence[StudyRecord]) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = []
    for row in rows:
        words = f"{_phase(row)}, created {row.created_at:%Y-%m-%d %H:%M} UTC; {row.description}"
        parts += [Text(row.name, overflow="fold"), Padding(Text(words, overflow="fold"), (0, 0, 0, 4))]
    return Group(*parts)


def _phase(row: StudyRecord) -> str:
    return f"{row.phase}, stopped" if row.stop_requested and row.phase != "finished" else row.phase
