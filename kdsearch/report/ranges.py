"""Intervals that reach beyond what a metric can be: they are cut there, and the table says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kdsearch.report.captions import listed
from kdsearch.report.selection import Selection, present
from kdsearch.report.tables import Cell, Column, Estimate, Table
from kdsearch.statistics import Difference

MOST_NAMED = 3
"""So many rows are named in a sentence."""

SHARES = ("map", "accuracy", "average precision")
"""Words of the names of metrics that lie between 0 and 1."""


def metric_range(selection: Selection) -> tuple[float, float] | None:
    """Return the least and the largest value that the metric can have; ``None`` where it is not known.

    A user's function may call anything by any name. A value outside of the range says that it is another one.
    """
    if selection.is_function or not any(word in selection.study.metric.lower() for word in SHARES):
        return None
    runs = selection.runs
    values = present([selection.objective(run) for run in runs]) + present([selection.result(run) for run in runs])
    return (0.0, 1.0) if all(0 <= value <= 1 for value in values) else None


def cut(bounds: tuple[float, float] | None, estimate: Estimate, *, wide: bool = False) -> Estimate:
    """Return the estimate with its interval cut at the metric's range; ``wide``: at that of a difference of two."""
    if bounds is None:
        return estimate
    low, high = (bounds[0] - bounds[1], bounds[1] - bounds[0]) if wide else bounds
    # Comparisons with nan are false, so that an interval that is not known stays so.
    return replace(
        estimate,
        low=low if estimate.low < low else estimate.low,
        high=high if estimate.high > high else estimate.high,
    )


def cut_difference(selection: Selection, difference: Difference) -> Difference:
    """Return a difference of two means with its interval cut."""
    shown = cut(metric_range(selection), Estimate.between(difference), wide=True)
    return replace(difference, low=shown.low, high=shown.high)


def cut_table(selection: Selection, table: Table) -> Table:
    """Return the table with the intervals of the metric's means and differences cut, and a note where any was."""
    bounds = metric_range(selection)
    if bounds is None:
        return table
    rows = tuple(
        replace(
            row,
            cells=tuple(_cell(bounds, cell, column) for cell, column in zip(row.cells, table.columns, strict=True)),
        )
        for row in table.rows
    )
    if rows == table.rows:
        return table
    low, high = bounds
    which = named([row.label for row, before in zip(rows, table.rows, strict=True) if row != before])
    note = (
        f"{selection.study.metric} lies between {low:g} and {high:g}: intervals that reach beyond, as those of few or "
        f"of widely spread runs do, are cut there, here of {which}."
    )
    return replace(table, rows=rows, notes=(*table.notes, note))


def named(labels: Sequence[str]) -> str:
    """Name the rows whose intervals were cut, or say that they are several."""
    return listed(labels) if len(labels) <= MOST_NAMED else "several rows"


def _cell(bounds: tuple[float, float], cell: Cell, column: Column) -> Cell:
    if not isinstance(cell, Estimate) or column.kind not in ("estimate", "difference") or column.key in ("sd", "share"):
        return cell
    return cut(bounds, cell, wide=column.kind == "difference")
