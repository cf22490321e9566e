"""A report as data: its answer and its tables, raw numbers with their meaning. The formats choose digits and layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kdsearch.report.wording import decimals, listed
from kdsearch.statistics import Difference, Summary
from kdsearch.statistics.differences import FEWEST_FLIPS
from kdsearch.study.set_text import shown
from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class Edge:
    """A searched number that stands at an end of its range. ``whose``: the winner, or the best without distillation."""

    whose: str
    parameter: str
    value: Scalar
    side: str
    bound: float

    @property
    def description(self) -> str:
        """``patience at its upper edge 10``, or ``near`` it where it does not lie on it."""
        place = "at" if self.value == self.bound else f"{self.value:.4g}, near"
        return f"{self.parameter} {place} its {self.side} edge {self.bound:.4g}"


@dataclass(frozen=True)
class Answer:
    """What a study found, in plain sentences.

    ``verdict``: one word, as in the comparison's table. ``comparison``: the numbers behind ``sentence``. ``remarks``:
    what is to be read with it. ``parameters``: the winner's searched numbers that are read by it. ``train`` and
    ``export``: commands, ``None`` where there is none that could run. ``alarmed``: whether the report begins on alarms.
    """

    sentence: str
    verdict: str
    winner: str
    parameters: Mapping[str, Scalar]
    average: str
    train: str | None = None
    export: str | None = None
    remarks: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    comparison: Mapping[str, Any] = field(default_factory=dict)
    alarmed: bool = False

    @property
    def numbers(self) -> str:
        """The winner's searched numbers in one line."""
        values = ", ".join(f"{name}={shown(value)}" for name, value in self.parameters.items())
        return f"Winner {self.winner}: {values}." if values else f"Winner {self.winner}: nothing is searched."

    @property
    def edge(self) -> str:
        """The numbers at an edge of the space, or nothing."""
        groups: dict[str, list[str]] = {}
        for edge in self.edges:
            groups.setdefault(edge.whose, []).append(edge.description)
        each = "; ".join(f"{whose}: {', '.join(words)}" for whose, words in groups.items())
        return f"At an edge of the space, {each}: widen the space if there is room beyond." if each else ""

    @property
    def commands(self) -> list[str]:
        """How to train the winner, and how to get weights that are kept."""
        train = [f"To train it: {self.train}"] if self.train else []
        return [*train, *([f"Its trained weights: {self.export}"] if self.export else [])]

    @property
    def lines(self) -> list[str]:
        """All of it, for the head of a report."""
        edge = [self.edge] if self.edge else []
        return [self.sentence, *self.remarks, self.numbers, *edge, *self.commands, self.average]

    @property
    def short(self) -> list[str]:
        """The end of a terminal's report: verdict, what is to be read with it, parameters, the command to train."""
        alarms = ["Alarms stand at the head."] if self.alarmed else []
        return [self.sentence, *self.remarks, *alarms, self.numbers, *self.commands[:1]]


Bounds = tuple[float, float]
"""The least and the largest value that a metric can have."""

MOST_NAMED = 3
"""So many rows are named in a sentence."""

Kind = Literal["text", "count", "number", "estimate", "difference", "interval", "probability", "p", "parameter"]
"""How a column is written: ``estimate`` is mean ± sd with the interval of the mean, ``difference`` a signed value with
its interval, ``interval`` a value with its interval, ``probability`` the same in two decimals, ``parameter`` a value
of a configuration (number, text or switch)."""


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

    def cut(self, bounds: Bounds | None, *, difference: bool = False) -> Estimate:
        """Return it with its interval cut at the metric's range, or at that of a difference of two of its values."""
        if bounds is None:
            return self
        low, high = (bounds[0] - bounds[1], bounds[1] - bounds[0]) if difference else bounds
        # Comparisons with nan are false, so that an interval that is not known stays so.
        return replace(self, low=low if self.low < low else self.low, high=high if self.high > high else self.high)


def cut_difference(bounds: Bounds | None, difference: Difference) -> Difference:
    """Return a difference of two means with its interval cut at what differences of the metric can be."""
    shown = Estimate.between(difference).cut(bounds, difference=True)
    return replace(difference, low=shown.low, high=shown.high)


Cell = str | int | float | bool | Estimate | None


@dataclass(frozen=True)
class Column:
    """One column.

    ``machine`` columns appear in CSV and JSON only, where width costs nothing. A terminal too narrow for all leaves out
    ``optional`` columns, the last first, and names them. ``confidence``: of the intervals in it.
    """

    key: str
    title: str
    kind: Kind = "text"
    machine: bool = False
    optional: bool = False
    confidence: float = 0.95


@dataclass(frozen=True)
class Row:
    """One row: a label, a short note beside it (``2/8 diverged``), one cell a column.

    ``context`` rows are set apart: shown for orientation, no part of what the table states.
    """

    label: str
    cells: tuple[Cell, ...]
    note: str = ""
    context: bool = False


@dataclass(frozen=True)
class Table:
    """A titled table. ``caption`` says data, protocol, metric, and what sd and n are over; no format leaves it out.

    ``row_header``: the heading of the rows' labels. ``digits``: decimals of its values where these do not tell them, as
    differences of larger numbers.
    """

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    row_header: str = "configuration"
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

    @property
    def decimals(self) -> int:
        """Decimals that the values need: usually 4, 2 for percent, else by their spreads."""
        if self.digits is not None:
            return self.digits
        cells = [
            (column, cell)
            for column in self.columns
            if column.kind != "probability"
            for cell in self.column(column.key)
            if isinstance(cell, Estimate)
        ]
        spreads = [cell.value if column.key == "sd" else cell.sd for column, cell in cells]
        return decimals(spreads, [cell.value for _, cell in cells])

    def cut(self, metric: str, bounds: Bounds | None) -> Table:
        """Return the table with the intervals of means and differences cut at the metric's range, and a note of it."""
        if bounds is None:
            return self
        rows = tuple(
            replace(row, cells=tuple(_cut(*pair, bounds) for pair in zip(row.cells, self.columns, strict=True)))
            for row in self.rows
        )
        if rows == self.rows:
            return self
        low, high = bounds
        which = named([row.label for row, before in zip(rows, self.rows, strict=True) if row != before])
        note = (
            f"{metric} lies between {low:g} and {high:g}: intervals that reach beyond, as those of few or of widely "
            f"spread runs do, are cut there, here of {which}."
        )
        return replace(self, rows=rows, notes=(*self.notes, note))


def named(labels: Sequence[str]) -> str:
    """Name the rows whose intervals were cut, or say that they are several."""
    return listed(labels) if len(labels) <= MOST_NAMED else "several rows"


def _cut(cell: Cell, column: Column, bounds: Bounds) -> Cell:
    if not isinstance(cell, Estimate) or column.kind not in ("estimate", "difference") or column.key in ("sd", "share"):
        return cell
    return cell.cut(bounds, difference=column.kind == "difference")


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
