"""``kdsearch list``: the studies of a ledger."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from kdsearch.cli.common import Storage, connect, folded
from kdsearch.cli.output import say
from kdsearch.texts import LONGEST_LINE, one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kdsearch.ledger.records import StudyRecord

_BESIDE = 70
"""Columns that phase, time and description need at least, in addition to a name."""


def list_studies(storage: Storage = None) -> None:
    """List the studies of the ledger."""
    from kdsearch.ledger.data_line import data_line

    ledger = connect(storage)
    rows = [replace(row, description=data_line(row)) for row in ledger.studies()]
    if not rows:
        say(f"No studies in {ledger.database.rendered_url()}. To start one: kdsearch launch STUDY_FILE")
        return
    # Other programs read one line per study: there is no width to fit.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines_of(rows, width):
        say(line)


def lines_of(rows: Sequence[StudyRecord], width: int | None) -> Iterator[str]:
    """A table with one row per study; where names leave descriptions too little width, each has a line of its own.

    Nothing is cut. ``None``: as wide as it needs.
    """
    names = max(len(row.name) for row in rows) + 2
    wide = width is None or names + _BESIDE <= width
    if wide:
        yield f"{'study':<{names}}{'phase':<20}{'created (UTC)':<18}data"
    for row in rows:
        phase = f"{row.phase}, stopped" if row.stop_requested and row.phase != "finished" else row.phase
        data = one_line(shortened(row.description, LONGEST_LINE))
        created = f"{row.created_at:%Y-%m-%d %H:%M}"
        if wide:
            yield folded(f"{row.name:<{names}}{phase:<20}{created:<18}{data}", width, indent=names + 38)
        else:
            yield f"{row.name}\n" + folded(f"    {phase}, created {created} UTC; {data}", width, indent=4)
