"""A table as data: raw numbers with their meaning. Digits, signs and layout are the formats' business."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from kdsearch.report.answered import Answer
from kdsearch.report.digits import places
from kdsearch.statistics import Difference, Probability, Summary
from kdsearch.statistics.differences import FEWEST_FLIPS

Kind = Literal["text", "count", "number", "estimate", "difference", "interval", "probability", "p", "parameter"]
"""How a column is written: ``estimate`` is mean ± sd with the interval of the mean, ``difference`` a signed value with
its interval, ``interval`` a value with its interval, ``probability`` the same in two decimals, ``parameter`` a setting
(number, text or switch)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its spread and interval; what is not known is ``nan``. ``n`` counts runs or pairs.

    The interval is that of the column's ``confidence`` unless it has one of its own.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    sd: float = math.nan
    n: int = 0
    confidence: float | None = None

    @classmethod
    def of(cls, summary: Summary) -> Estimate | None:
        """Return the mean of a summary; ``None`` where nothing was summarized.

        A few values that are all equal do not tell how far others lie apart: their mean has no interval.
        """
        if summary.n == 0:
            return None
        if summary.sd == 0 and summary.n < FEWEST_FLIPS:
            return cls(summary.mean, sd=0.0, n=summary.n)
        return cls(summary.mean, summary.low, summary.high, summary.sd, summary.n)

    @classmethod
    def between(cls, difference: Difference) -> Estimate:
        """Return the difference of two means."""
        return cls(difference.mean, difference.low, difference.high, difference.sd, difference.n)

    @classmethod
    def chance(cls, probability: Probability) -> Estimate:
        """Return how often one beats the other."""
        return cls(probability.value, probability.low, probability.high, n=probability.n)


Cell = str | int | float | bool | Estimate | None


@dataclass(frozen=True)
class Column:
    """One column.

    ``machine`` columns appear in CSV and JSON only, where width costs nothing. ``spare`` columns may be left out,
    aloud, by a terminal too narrow for all, the last first. ``confidence``: of the intervals in it.
    """

    key: str
    title: str
    kind: Kind = "text"
    machine: bool = False
    spare: bool = False
    confidence: float = 0.95


@dataclass(frozen=True)
class Row:
    """One row: a label, a short remark beside it (``2/8 diverged``), one cell a column.

    ``context`` rows are set apart: shown for orientation, no part of what the table states.
    """

    label: str
    cells: tuple[Cell, ...]
    remark: str = ""
    context: bool = False


@dataclass(frozen=True)
class Table:
    """A titled table. ``caption`` says data, protocol, metric, and what sd and n are over; no format leaves it out.

    ``digits``: decimals of its values where these do not tell them, as differences of larger numbers.
    """

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    stub: str = "configuration"
    digits: int | None = None

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the columns."""
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"row {row.label!r} of table {self.key!r} has {len(row.cells)} cells, not {len(self.columns)}"
                )

    def column(self, key: str) -> list[Cell]:
        """Return the cells of one column; raise ``KeyError`` when there is none of that key."""
        keys = [column.key for column in self.columns]
        if key not in keys:
            raise KeyError(f"table {self.key!r} has the columns {keys}, not {key!r}")
        return [row.cells[keys.index(key)] for row in self.rows]


@dataclass(frozen=True)
class Report:
    """All that ``kdsearch report`` says of a study: its answer, sentences on top, tables, closing lines.

    ``answer``: ``None`` while there is none, as before the study ends.
    """

    title: str
    study: str
    description: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    closing: tuple[str, ...] = field(default=())
    answer: Answer | None = None

    def table(self, key: str) -> Table:
        """Return the table of that key; raise ``KeyError`` when the report has none."""
        for table in self.tables:
            if table.key == key:
                return table
        raise KeyError(f"the report has the tables {[table.key for table in self.tables]}, not {key!r}")


def decimals(table: Table) -> int:
    """Return how many decimals the values of a table need: usually 4, 2 for percent, else by their spreads."""
    if table.digits is not None:
        return table.digits
    cells = [
        (column, cell)
        for column in table.columns
        if column.kind != "probability"
        for cell in table.column(column.key)
        if isinstance(cell, Estimate)
    ]
    spreads = [cell.value if column.key == "sd" else cell.sd for column, cell in cells]
    return places(spreads, [cell.value for _, cell in cells])
