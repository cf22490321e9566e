"""Cells as people read them, shared by the terminal, Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.report.wording import NOTHING, fixed, interval, p_value, percent
from kdsearch.study.set_text import shown


def human_columns(table: Table) -> Iterator[tuple[int, Column]]:
    """Yield position and column of what people are shown."""
    return ((index, column) for index, column in enumerate(table.columns) if not column.machine)


def cell_lines(cell: Cell, column: Column, digits: int) -> tuple[str, str]:
    """Return value and interval of a cell; the second is empty for cells that have no interval."""
    if cell is None:
        return NOTHING, ""
    if isinstance(cell, Estimate):
        return _estimate_lines(cell, column, digits)
    if column.kind == "parameter" and isinstance(cell, str):
        return (cell if cell == str(None) else shown(cell)), ""
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
        own = "" if cell.confidence is None else f" {percent(cell.confidence)}"
        return value, f"{interval(cell.low, cell.high, digits, signed=signed)}{own}"
    return value, "n = 1: no interval" if cell.n == 1 else ""


def label(row: Row) -> str:
    """Return a row's label with its note in brackets."""
    return f"{row.label} ({row.note})" if row.note else row.label


def flat(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of text with intervals in columns of their own, for formats without a width limit."""
    digits = table.decimals
    headings = [table.row_header]
    wide = {
        index: any(cell_lines(row.cells[index], column, digits)[1] for row in table.rows)
        for index, column in human_columns(table)
    }
    for index, column in human_columns(table):
        suffix = " (mean ± sd)" if column.kind == "estimate" else ""
        bounds = [f"{percent(column.confidence)} interval"] if wide[index] else []
        headings += [column.title + suffix, *bounds]
    rows = []
    for row in table.rows:
        texts = [label(row)]
        for index, column in human_columns(table):
            lines = cell_lines(row.cells[index], column, digits)
            texts += list(lines) if wide[index] else [lines[0]]
        rows.append(texts)
    return headings, rows
