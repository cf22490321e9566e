"""GitHub-flavoured Markdown: pipe tables, intervals in columns of their own."""

from __future__ import annotations

import re

from kdsearch.report.formats.numbers import flat
from kdsearch.report.tables import Report
from kdsearch.report.tables import Table

SPECIAL = re.compile(r"([\\`*_|<>#])")


def render(report: Report) -> str:
    """Return the report as one Markdown document."""
    blocks = [f"# {escape(report.title)}"]
    if report.notes:
        blocks.append("\n".join(f"- {escape(note)}" for note in report.notes))
    blocks += [table_text(table) for table in report.tables]
    if report.closing:
        blocks.append("\n".join(f"- {escape(line)}" for line in report.closing))
    return "\n\n".join(blocks) + "\n"


def table_text(table: Table) -> str:
    """Return one table with heading, caption and notes; context rows are in italics."""
    parts = [f"## {escape(table.title)}", f"*{escape(table.caption)}*"]
    if table.rows:
        headings, rows = flat(table)
        lines = [_line(headings), "|:---|" + "---:|" * (len(headings) - 1)]
        for row, texts in zip(table.rows, rows, strict=True):
            escaped = [escape(text) for text in texts]
            lines.append(_pipes([f"*{text}*" if row.context and text else text for text in escaped]))
        parts.append("\n".join(lines))
    if table.notes:
        parts.append("\n".join(f"- {escape(note)}" for note in table.notes))
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Escape what Markdown would read as markup, and keep a cell on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _line(cells: list[str]) -> str:
    return _pipes([escape(cell) for cell in cells])


def _pipes(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
