"""From a report to text in one of five formats."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from kdsearch.errors import KdsearchError
from kdsearch.report.tables import Answer, Report, Table

FORMATS: Mapping[str, str] = {
    "table": "terminal",
    "md": "markdown",
    "latex": "latex",
    "csv": "csv_format",
    "json": "json_format",
}
"""Name to module; each is imported where it is asked for, since the terminal's needs rich."""


def render(report: Report, form: str = "table", *, width: int = 100, encoding: str = "utf-8") -> str:
    """Write a report as ``table`` (terminal), ``md``, ``latex``, ``csv`` or ``json``.

    ``width`` is the terminal's, in characters, ``encoding`` that of its text. For colours print
    ``formats.terminal.renderable(report)`` by rich instead. Raises ``KdsearchError`` on another format.
    """
    if form not in FORMATS:
        raise KdsearchError(f"no report format {form!r}: use one of {', '.join(FORMATS)}")
    module = import_module(f"kdsearch.report.formats.{FORMATS[form]}")
    return str(module.render(report, width, encoding) if form == "table" else module.render(report))


def render_answer(answer: Answer, *, width: int = 100, encoding: str = "utf-8") -> str:
    """Write an answer for a terminal."""
    from rich.console import Group

    from kdsearch.report.formats import terminal

    return terminal.render_text(Group(*terminal.answer_parts(answer, answer.lines)), width, encoding)


def render_table(table: Table, *, width: int = 100, encoding: str = "utf-8") -> str:
    """Write one table for a terminal, such as ``status`` gives."""
    from kdsearch.report.formats import terminal

    return terminal.render_text(terminal.TableView(table), width, encoding)
