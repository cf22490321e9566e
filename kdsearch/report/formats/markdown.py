"""GitHub-flavoured Markdown: pipe tables, intervals in columns of their own."""

from __future__ import annotations

import re

from kdsearch.report.formats.cells import flat
from kdsearch.report.tables import Answer, Report, Table
from kdsearch.texts import literal, one_line

SPECIAL = re.compile(r"([\\`*_|<>#~$]|\](?=[(\[:])|&(?=#?\w+;)|^[-+](?=\s)|^\[(?=[ xX]\]))")
"""Of brackets those of links and tasks alone, since intervals have brackets too; of signs those that begin a list."""

_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s)")


def render(report: Report) -> str:
    """Return the report as one Markdown document."""
    blocks = [f"# {escape(report.title)}"]
    if report.answer is not None:
        head, *rest = report.answer.lines
        blocks += [f"**{escape(head)}**", "\n".join(f"- {_answer_line(report.answer, line)}" for line in rest)]
    if report.notes:
        blocks.append("\n".join(f"- {escape(note)}" for note in report.notes))
    blocks += [table_text(table) for table in report.tables]
    if report.closing:
        blocks.append("\n".join(f"- {escape(line)}" for line in report.closing))
    return "\n\n".join(blocks) + "\n"


def _answer_line(answer: Answer, line: str) -> str:
    """A line of the answer; a command is code, so that it can be copied from the source too."""
    if line not in answer.commands:
        return escape(line)
    title, command = one_line(line).split(": ", 1)
    longest = max((len(ticks) for ticks in re.findall("`+", command)), default=0)
    fence, blank = "`" * (longest + 1), " " if longest else ""
    return f"{title}: {fence}{blank}{command}{blank}{fence}"


def table_text(table: Table) -> str:
    """Return one table with heading, caption and notes; context rows are in italics."""
    parts = [f"## {escape(table.title)}", f"*{escape(table.caption)}*"]
    if table.rows:
        headings, rows = flat(table)
        lines = [_pipes([escape(heading) for heading in headings]), "|:---|" + "---:|" * (len(headings) - 1)]
        for row, texts in zip(table.rows, rows, strict=True):
            escaped = [escape(text) for text in texts]
            lines.append(_pipes([f"*{text}*" if row.context and text else text for text in escaped]))
        parts.append("\n".join(lines))
    if table.notes:
        parts.append("\n".join(f"- {escape(note)}" for note in table.notes))
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Escape what Markdown would read as markup, and keep a cell on one line."""
    line = literal(" ".join(text.split()))
    return _NUMBERED.sub(r"\1\\\2", SPECIAL.sub(r"\\\1", line))


def _pipes(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
