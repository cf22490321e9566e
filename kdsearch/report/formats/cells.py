"""Cells as people read them, shared by the terminal, Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kdsearch.report.digits import MOST, exponent
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table, decimals

NOTHING = "-"
EXPONENT_FROM, TINY, HUGE = 6, 1e-3, 1e9
"""Numbers below ``TINY`` that need more decimals than ``EXPONENT_FROM``, and those from ``HUGE`` on."""


def human_columns(table: Table) -> Iterator[tuple[int, Column]]:
    """Yield position and column of what people are shown."""
    return ((index, column) for index, column in enumerate(table.columns) if not column.machine)


def fixed(value: float, digits: int, *, signed: bool = False) -> str:
    """Write a number to ``digits`` decimals, below 0 to tens and more; no ``-0.0000``, and ``-`` where there is none.

    What is tiny or huge at that place has an exponent, and its digits end at the same place: ``1.234e-06``.
    """
    if not math.isfinite(value):
        return NOTHING
    sign = "+" if signed else ""
    rounded = round(value, digits) + 0.0  # + 0.0 turns the negative zero into zero
    if (digits > EXPONENT_FROM and abs(rounded) < TINY) or abs(rounded) >= HUGE:
        return f"{rounded:{sign}.{max(0, digits + exponent(abs(rounded)))}e}" if rounded else f"{rounded:{sign}.0f}"
    return f"{rounded:{sign}.{min(max(0, digits), MOST)}f}"


def cell_lines(cell: Cell, column: Column, digits: int) -> tuple[str, str]:
    """Return value and interval of a cell; the second is empty for cells that have no interval."""
    if cell is None:
        return NOTHING, ""
    if isinstance(cell, Estimate):
        return _estimate_lines(cell, column, digits)
    if isinstance(cell, bool | str):
        return str(cell), ""
    if column.kind == "p":
        return p_value(float(cell)), ""
    if column.kind == "parameter":
        return f"{cell:.4g}", ""
    if column.kind == "count" or isinstance(cell, int):
        return f"{cell:.0f}" if math.isfinite(cell) else NOTHING, ""
    return fixed(cell, digits), ""


def _estimate_lines(cell: Estimate, column: Column, digits: int) -> tuple[str, str]:
    signed = column.kind == "difference"
    if column.kind == "probability":
        digits = 2
    value = fixed(cell.value, digits, signed=signed)
    if column.kind == "estimate" and math.isfinite(cell.sd):
        value += f" ± {fixed(cell.sd, digits)}"
    if math.isfinite(cell.low):
        low, high = fixed(cell.low, digits, signed=signed), fixed(cell.high, digits, signed=signed)
        own = "" if cell.confidence is None else f" {100 * cell.confidence:.3g} %"
        return value, f"[{low}, {high}]{own}"
    return value, "n = 1: no interval" if cell.n == 1 else ""


def has_interval(table: Table, index: int) -> bool:
    """Say whether a column holds anything to write beside its value."""
    column = table.columns[index]
    return any(cell_lines(row.cells[index], column, 4)[1] for row in table.rows)


def p_value(p: float) -> str:
    """Write a p value with three decimals at most."""
    if math.isnan(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def label(row: Row) -> str:
    """Return a row's label with its remark in brackets."""
    return f"{row.label} ({row.remark})" if row.remark else row.label


def flat(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of text with intervals in columns of their own, for formats without a width limit."""
    digits = decimals(table)
    headings = [table.stub]
    wide = {index: has_interval(table, index) for index, _ in human_columns(table)}
    for index, column in human_columns(table):
        suffix = " (mean ± sd)" if column.kind == "estimate" else ""
        interval = [f"{100 * column.confidence:.3g} % interval"] if wide[index] else []
        headings += [column.title + suffix, *interval]
    rows = []
    for row in table.rows:
        texts = [label(row)]
        for index, column in human_columns(table):
            lines = cell_lines(row.cells[index], column, digits)
            texts += list(lines) if wide[index] else [lines[0]]
        rows.append(texts)
    return headings, rows
