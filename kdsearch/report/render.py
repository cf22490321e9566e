"""From a report to text in one of five formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from kdsearch.errors import KdsearchError
from kdsearch.report.answered import Answer
from kdsearch.report.tables import Report, Table

Format = Literal["table", "md", "latex", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)


def render(report: Report, form: str = "table", *, width: int = 100) -> str:
    """Write a report as ``table`` (terminal), ``md``, ``latex``, ``csv`` or ``json``.

    ``width`` is the terminal's, in characters. For colours print ``formats.terminal.renderable(report)`` by rich
    instead. Raises ``KdsearchError`` on another format.
    """
    if form == "table":
        from kdsearch.report.formats import terminal  # rich is not needed for the others

        return terminal.render(report, width)
    return _writer(form)(report)


def _writer(form: str) -> Callable[[Report], str]:
    from kdsearch.report.formats import csv_format, json_format, latex, markdown

    writers = {"md": markdown.render, "latex": latex.render, "csv": csv_format.render, "json": json_format.render}
    if form not in writers:
        raise KdsearchError(f"no report format {form!r}: use one of {', '.join(FORMATS)}")
    return writers[form]


def render_answer(answer: Answer, *, width: int = 100) -> str:
    """Write an answer for a terminal."""
    from rich.console import Group

    from kdsearch.report.formats import terminal

    return terminal.render_text(Group(*terminal.answer_parts(answer, answer.lines)), width)


def render_table(table: Table, *, width: int = 100) -> str:
    """Write one table for a terminal, such as ``status`` gives."""
    from kdsearch.report.formats import terminal

    return terminal.render_text(terminal.TableView(table), width)
