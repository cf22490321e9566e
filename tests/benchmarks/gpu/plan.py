"""What is measured in which order, the most valuable first, and whether the next one still fits into the time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.benchmarks.gpu.cells import BEST, EAGER, FORMS, GRAPH, OTHER, Cell
from tests.benchmarks.gpu.checks import CHECKS

FIRST = 64
"""The width at which both forms of each student are measured."""
FULL_WIDTHS, TINY_WIDTHS = (1, 4, 16, FIRST, 256, 1024, 2048), (1, 2, 3)


@dataclass(frozen=True)
class CheckItem:
    """One of ``checks.CHECKS``."""

    name: str

    def __str__(self) -> str:
        return f"check {self.name}"


@dataclass(frozen=True)
class TableItem:
    """The table of ``table``."""

    def __str__(self) -> str:
        return "pose table"


@dataclass(frozen=True)
class LimitItem:
    """The fastest of some large float32 matrix products: what the device can do."""

    def __str__(self) -> str:
        return "matrix product"


Item = LimitItem | CheckItem | Cell | TableItem
Row = dict[str, Any]


def plan(students: Sequence[str], widths: Sequence[int] = FULL_WIDTHS) -> list[Item]:
    """All items in order; ``students``: names, the most valuable first; ``widths`` ascending, from 1."""
    return list(dict.fromkeys(_items(students, widths)))


def _items(students: Sequence[str], widths: Sequence[int]) -> Iterator[Item]:
    yield LimitItem()
    yield from (CheckItem(name) for name in CHECKS)
    several = [width for width in widths if width > 1]
    first = FIRST if FIRST in several else several[0]
    for name in students:
        yield from (Cell(name, 1, EAGER), Cell(name, 1, GRAPH))
        yield from (Cell(name, first, form) for form in FORMS)
        if name == students[0]:
            yield from (Cell(name, width, BEST) for width in (256, 1024) if width in several)
    # A quarter and four times the width that is known by now, then further away from it, the narrower one first.
    rest = sorted((width for width in several if width != first), key=lambda width: _apart(width, first))
    yield from (Cell(name, width, BEST) for width in rest for name in students)
    yield TableItem()
    for name in students:
        yield from (Cell(name, 1, EAGER, "bfloat16"), Cell(name, first, BEST, "bfloat16"))
    yield from (Cell(name, width, OTHER) for width in rest for name in students)


def resolve(cell: Cell, rows: Iterable[Mapping[str, Any]]) -> Cell:
    """The cell with one of ``FORMS`` in place of ``BEST`` and ``OTHER``.

    The best is the form with the most runs a second at the nearest width where any was measured in float32; where there
    is none, the last of ``FORMS``.
    """
    if cell.form not in (BEST, OTHER):
        return cell
    known = [
        row
        for row in rows
        if row["student"] == cell.student
        and row["state"] == "done"
        and row["form"] in FORMS
        and row["precision"] == "float32"
    ]
    form: str = FORMS[-1]
    if known:
        nearest = min(known, key=lambda row: _apart(row["width"], cell.width))["width"]
        form = max((r for r in known if r["width"] == nearest), key=lambda row: float(row["runs_a_second"]))["form"]
    if cell.form == OTHER:
        form = next(other for other in FORMS if other != form)
    return replace(cell, form=form)


class Clock:
    """The time that is left of ``minutes``, and how long an item will take by those that were made last."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes
        self.took: list[tuple[Item, float]] = []

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def fits(self, item: Item) -> bool:
        """Whether there is time for one more."""
        return self.expected(item) < self.left

    def expected(self, item: Item) -> float:
        """Seconds: of the last item of its kind.

        Of a cell those of the nearest width of its student, times the widths' ratio where that was narrower.
        """
        alike = [(other, seconds) for other, seconds in self.took if isinstance(other, type(item))]
        if isinstance(item, Cell):
            own = [
                (other, seconds)
                for other, seconds in alike
                if isinstance(other, Cell) and other.student == item.student
            ]
            if own:
                nearest, seconds = min(own, key=lambda pair: _apart(pair[0].width, item.width))
                return seconds * max(1.0, item.width / nearest.width)
        return alike[-1][1] if alike else 0.0


def _apart(one: int, other: int) -> float:
    """The ratio of two widths, at least 1."""
    return max(one / other, other / one)
