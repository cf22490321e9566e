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
from typing_extensions import override

from kdsearch.report.formats.cells import cell_lines, human_columns
from kdsearch.report.tables import Answer, Column, Report, Row, Table
from kdsearch.texts import one_line, plain, shortened

GAP = 2
LONGEST_CELL = 400
"""Characters of a name or a choice that are shown in a table."""

_PLAIN_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""``SIMPLE_HEAD`` in ASCII."""

_LONG = 16
STYLES = {"better": "green", "worse": "red", "equivalent": "cyan"}


def renderable(report: Report) -> RenderableType:
    """Return the report for ``rich.console.Console.print``."""
    parts: list[RenderableType] = [Line(report.title, "bold")]
    if report.answer is not None:
        parts += [*answer_parts(report.answer, report.answer.lines), Text()]
    parts += [Line(note) for note in report.notes]
    for table in report.tables:
        parts += [Text(), TableView(table)]
    if report.closing:
        parts += [Text(), *(Line(line, "dim") for line in report.closing)]
    if report.answer is not None:
        parts += [Text(), *answer_parts(report.answer, report.answer.short)]
    return Group(*parts)


def answer_parts(answer: Answer, lines: Sequence[str]) -> list[RenderableType]:
    """Lines of an answer: the verdict stands out, and a command is not broken, so that it can be copied."""
    return [Line(line, "bold" if line == answer.sentence else "", command=line in answer.commands) for line in lines]


class Line:
    """A sentence; a ``command`` is neither broken nor shortened."""

    def __init__(self, text: str, style: str = "", *, command: bool = False) -> None:
        self.text, self.style, self.command = text, style, command

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        text = plain(one_line(self.text if self.command else shortened(self.text)), options.encoding)
        yield Text(text, self.style, no_wrap=self.command, overflow="ignore" if self.command else None)


class TableView:
    """One table with title, caption and notes, fitted to the width it is printed at."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        table = self.table
        yield Line(table.title, "bold")
        yield Line(table.caption, "italic")
        notes = list(table.notes)
        if table.rows:
            writer = _Writer(table, options.encoding)
            columns, left_out = writer.fitting(options.max_width - 1)
            if left_out:
                notes.append(
                    f"Left out, this terminal being narrow: {', '.join(left_out)}. Other formats have all columns."
                )
            yield Padding(writer.grid(columns), (0, 0, 0, 1))
        for note in notes:
            yield Padding(Line(note), (0, 0, 0, 1))


class _Writer:
    """Writes the texts of one table in the characters of an encoding, and lays them out."""

    def __init__(self, table: Table, encoding: str) -> None:
        self._table, self._encoding, self._digits = table, encoding, table.decimals

    def fitting(self, width: int) -> tuple[list[tuple[int, Column]], list[str]]:
        """Return the columns that fit, and the titles of optional ones that do not."""
        columns = list(human_columns(self._table))
        left_out: list[str] = []
        for column in [pair for pair in reversed(columns) if pair[1].optional]:
            needed = self._longest_word() + sum(GAP + self._width(*pair) for pair in columns)
            if needed <= width:
                break
            columns.remove(column)
            left_out.insert(0, column[1].title)
        return columns, left_out

    def grid(self, columns: list[tuple[int, Column]]) -> RichTable:
        """Return the table of these columns."""
        table = self._table
        lines = box.SIMPLE_HEAD if self._encoding.lower().startswith("utf") else _PLAIN_HEAD
        grid = RichTable(box=lines, pad_edge=False, padding=(0, GAP - 1, 0, 0), show_edge=False)
        grid.add_column(Text(self._written(table.row_header)), min_width=self._longest_word())
        for index, column in columns:
            words = column.kind in ("text", "parameter")
            width = min(24, self._width(index, column)) if column.kind == "text" else self._width(index, column)
            # Where all do not fit, rich narrows whatever may wrap, below its least width too: numbers may not.
            grid.add_column(
                Text(self._heading(index, column)),
                justify="left" if words else "right",
                min_width=width,
                no_wrap=not words,
                overflow="fold",
            )
        for position, row in enumerate(table.rows):
            if row.context and position and not table.rows[position - 1].context:
                grid.add_section()
            name = Text(self._written(row.label))
            if row.note:
                name.append(f"\n{self._written(row.note)}", style="yellow")
            cells = [self._cell(row, index, column) for index, column in columns]
            grid.add_row(name, *cells, style="dim" if row.context else None)
        return grid

    def _written(self, text: str) -> str:
        return plain(one_line(shortened(text, LONGEST_CELL)), self._encoding)

    def _content(self, index: int, column: Column) -> int:
        """Return the width that the cells of a column need; words may wrap in a column of text."""
        lines = [line for row in self._table.rows for line in self._cell(row, index, column).plain.split("\n")]
        if column.kind == "text":
            lines = [word for line in lines for word in line.split()]
        return max((cell_len(line) for line in lines), default=0)

    def _heading(self, index: int, column: Column) -> str:
        width = max(self._content(index, column), 8)
        return textwrap.fill(self._written(column.title), width, break_long_words=False)

    def _width(self, index: int, column: Column) -> int:
        heading = max(cell_len(line) for line in self._heading(index, column).split("\n"))
        return max(heading, self._content(index, column))

    def _cell(self, row: Row, index: int, column: Column) -> Text:
        value, interval = map(self._written, cell_lines(row.cells[index], column, self._digits))
        if column.kind == "parameter" and len(value) > _LONG:
            value = value.replace("+", "\n+")  # a set, such as that of the streams that vary: one line a member
        text = Text(value, style=STYLES.get(value, ""))
        if interval:
            text.append(f"\n{interval}", style="dim")
        return text

    def _longest_word(self) -> int:
        table = self._table
        words = [word for row in table.rows for word in self._written(f"{row.label} {table.row_header}").split()]
        return min(24, max(len(word) for word in words))


def render(report: Report, width: int = 100, encoding: str = "utf-8") -> str:
    """Return the report as plain text of at most ``width`` columns, in characters of an ``encoding``."""
    return render_text(renderable(report), width, encoding)


def render_text(what: RenderableType, width: int = 100, encoding: str = "utf-8") -> str:
    """Return anything rich can print as plain text without trailing blanks."""
    out = _Encoded(encoding)
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(what, crop=False)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n")[:-1]) + "\n"


class _Encoded(StringIO):
    """A text that rich takes for a file of an encoding: it draws lines in characters that this has."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    @override
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding
