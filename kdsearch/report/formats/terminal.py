"""Tables for a terminal: intervals under their values, so that a row fits 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from io import StringIO

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from kdsearch.report.formats.cells import cell_lines, human_columns
from kdsearch.report.tables import Answer, Column, Report, Row, Table

GAP = 2
_LONG = 16
STYLES = {"better": "green", "worse": "red", "equivalent": "cyan"}


def renderable(report: Report) -> RenderableType:
    """Return the report for ``rich.console.Console.print``."""
    parts: list[RenderableType] = [Text(report.title, style="bold")]
    if report.answer is not None:
        parts += [*answer_parts(report.answer, report.answer.lines), Text()]
    parts += [Text(note) for note in report.notes]
    for table in report.tables:
        parts += [Text(), TableView(table)]
    if report.closing:
        parts += [Text(), *(Text(line, style="dim") for line in report.closing)]
    if report.answer is not None:
        parts += [Text(), *answer_parts(report.answer, report.answer.short)]
    return Group(*parts)


def answer_parts(answer: Answer, lines: Sequence[str]) -> list[RenderableType]:
    """Lines of an answer: the verdict stands out, and a command is not broken, so that it can be copied."""
    parts: list[RenderableType] = []
    for line in lines:
        command = line in answer.commands
        style = "bold" if line == answer.sentence else ""
        parts.append(Text(line, style, no_wrap=command, overflow="ignore" if command else None))
    return parts


class TableView:
    """One table with title, caption and notes, fitted to the width it is printed at."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        table = self.table
        yield Text(table.title, style="bold")
        yield Text(table.caption, style="italic")
        notes = list(table.notes)
        if table.rows:
            columns, left_out = _fitting(table, options.max_width - 1)
            if left_out:
                notes.append(
                    f"Left out, this terminal being narrow: {', '.join(left_out)}. Other formats have all columns."
                )
            grid = _grid(table, columns)
            yield Padding(grid, (0, 0, 0, 1))
        for note in notes:
            yield Padding(Text(note), (0, 0, 0, 1))


def _fitting(table: Table, width: int) -> tuple[list[tuple[int, Column]], list[str]]:
    """Return the columns that fit, and the titles of optional ones that do not."""
    columns = list(human_columns(table))
    left_out: list[str] = []
    for column in [pair for pair in reversed(columns) if pair[1].optional]:
        needed = _longest_word(table) + sum(GAP + _width(table, *pair) for pair in columns)
        if needed <= width:
            break
        columns.remove(column)
        left_out.insert(0, column[1].title)
    return columns, left_out


def _grid(table: Table, columns: list[tuple[int, Column]]) -> RichTable:
    digits = table.decimals
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0), show_edge=False)
    grid.add_column(table.row_header, min_width=_longest_word(table))
    for index, column in columns:
        words = column.kind in ("text", "parameter")
        width = min(24, _width(table, index, column)) if column.kind == "text" else _width(table, index, column)
        # Where all do not fit, rich narrows whatever may wrap, below its least width too: numbers may not.
        grid.add_column(
            _heading(table, index, column),
            justify="left" if words else "right",
            min_width=width,
            no_wrap=not words,
            overflow="fold",
        )
    for position, row in enumerate(table.rows):
        if row.context and position and not table.rows[position - 1].context:
            grid.add_section()
        name = Text(row.label)
        if row.note:
            name.append(f"\n{row.note}", style="yellow")
        cells = [_cell(row, index, column, digits) for index, column in columns]
        grid.add_row(name, *cells, style="dim" if row.context else None)
    return grid


def _content(table: Table, index: int, column: Column) -> int:
    """Return the width that the cells of a column need; words may wrap in a column of text."""
    digits = table.decimals
    lines = [line for row in table.rows for line in _cell(row, index, column, digits).plain.split("\n")]
    if column.kind == "text":
        lines = [word for line in lines for word in line.split()]
    return max((cell_len(line) for line in lines), default=0)


def _heading(table: Table, index: int, column: Column) -> str:
    return textwrap.fill(column.title, max(_content(table, index, column), 8), break_long_words=False)


def _width(table: Table, index: int, column: Column) -> int:
    heading = max(cell_len(line) for line in _heading(table, index, column).split("\n"))
    return max(heading, _content(table, index, column))


def _cell(row: Row, index: int, column: Column, digits: int) -> Text:
    value, interval = cell_lines(row.cells[index], column, digits)
    if column.kind == "parameter" and len(value) > _LONG:
        value = value.replace("+", "\n+")  # a set, such as that of the streams that vary: one line a member
    text = Text(value, style=STYLES.get(value, ""))
    if interval:
        text.append(f"\n{interval}", style="dim")
    return text


def _longest_word(table: Table) -> int:
    words = [word for row in table.rows for word in f"{row.label} {table.row_header}".split()]
    return min(24, max(len(word) for word in words))


def render(report: Report, width: int = 100) -> str:
    """Return the report as plain text of at most ``width`` columns."""
    return render_text(renderable(report), width)


def render_text(what: RenderableType, width: int = 100) -> str:
    """Return anything rich can print as plain text without trailing blanks."""
    out = StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(what, crop=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
