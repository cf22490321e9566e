"""A table as data: raw numbers with their meaning. Digits, signs and layout are the formats' business."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from statistics import median
from typing import Literal

from kdsearch.statistics import Difference
from kdsearch.statistics import Probability
from kdsearch.statistics import Summary

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
        """Return the mean of a summary; ``None`` where nothing was summarized."""
        if summary.n == 0:
            return None
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
    """A titled table. ``caption`` says data, protocol, metric, and what sd and n are over; no format leaves it out."""

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    stub: str = "configuration"

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
    """All that ``kdsearch report`` says of a study: sentences on top, tables, closing lines."""

    title: str
    study: str
    description: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    closing: tuple[str, ...] = field(default=())

    def table(self, key: str) -> Table:
        """Return the table of that key; raise ``KeyError`` when the report has none."""
        for table in self.tables:
            if table.key == key:
                return table
        raise KeyError(f"the report has the tables {[table.key for table in self.tables]}, not {key!r}")


def decimals(table: Table) -> int:
    """Return how many decimals the values of a table need: usually 4, 2 for percent, more where spreads are tiny."""
    estimates = [cell for row in table.rows for cell in row.cells if isinstance(cell, Estimate)]
    values = [abs(estimate.value) for estimate in estimates if math.isfinite(estimate.value)]
    digits = 2 if max(values, default=0.0) >= 10 else 4
    spreads = [estimate.sd for estimate in estimates if estimate.sd > 1e-9]
    if spreads:  # two significant digits of the usual spread, but no more than six decimals
        digits = max(digits, min(6, 1 - _exponent(spreads)))
    return digits


def _exponent(spreads: Sequence[float]) -> int:
    return math.floor(math.log10(median(spreads)))
