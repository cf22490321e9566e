"""LaTeX tables, ready for ``\\input``; they need the packages adjustbox, booktabs and siunitx."""

from __future__ import annotations

import re

from kdsearch.report.formats.cells import cell_lines, human_columns, label
from kdsearch.report.tables import Column, Report, Table
from kdsearch.report.wording import percent
from kdsearch.texts import literal

ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "|": r"\textbar{}",
}
SPECIAL = re.compile("|".join(re.escape(character) for character in ESCAPES))
NUMBER = re.compile(r"(?<![\w.)\]])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.]*[A-Za-z_])")
WITH_SD = re.compile(rf"({NUMBER.pattern}) ± ({NUMBER.pattern})")
SETUP = r"\sisetup{separate-uncertainty,retain-explicit-plus}"
NUMERIC = frozenset({"count", "number", "estimate", "difference", "interval", "probability", "p"})
"""Kinds of columns whose cells are numbers, which siunitx writes."""

NEGATIVE = re.compile(r"(?<![\w.)\]-])-(?=\d)")


def render(report: Report) -> str:
    """Return one ``table`` environment a table; sentences of the report become comments."""
    answer = [] if report.answer is None else report.answer.lines
    texts = map(literal, (report.title, *answer, *report.notes, *report.closing))
    head = [f"% {line}" for text in texts for line in text.splitlines()]
    head.append("% needs \\usepackage{adjustbox,booktabs,siunitx}")
    return "\n\n".join(["\n".join(head), *(table_text(table) for table in report.tables)]) + "\n"


def table_text(table: Table) -> str:
    """Return one table under its title; caption and notes stand below, context rows under a rule of their own.

    It is as wide as its cells, and shrunk where that is more than a line: intervals stand below their values.
    """
    title = escape(_sentence(table.title))
    lines = [r"\begin{table}", r"\centering\small", rf"\caption{{{title}}}", rf"\label{{tab:{table.key}}}"]
    if table.rows:
        lines.append(SETUP)
        headings, rows = stacked(table)
        columns = "l" + "r" * (len(headings) - 1)
        lines += [r"\begin{adjustbox}{max width=\linewidth}", rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule"]
        lines += [_row(list(map(escape, headings))), r"\midrule"]
        for index, (row, both) in enumerate(zip(table.rows, rows, strict=True)):
            if row.context and index and not table.rows[index - 1].context:
                lines.append(r"\midrule")
            lines += [_row(texts) for texts in both]
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{adjustbox}"]
    return "\n".join([*lines, *_below([table.caption, *table.notes]), r"\end{table}"])


def stacked(table: Table) -> tuple[list[str], list[list[list[str]]]]:
    """Headings, and of each row one line of values and, where it has intervals, a second one with them."""
    digits, columns = table.decimals, list(human_columns(table))
    headings = [table.row_header, *(_heading(table, index, column) for index, column in columns)]
    rows = []
    for row in table.rows:
        cells = [cell_lines(row.cells[index], column, digits) for index, column in columns]
        written = [
            [_number(text) if column.kind in NUMERIC else escape(text) for text in both]
            for both, (_, column) in zip(cells, columns, strict=True)
        ]
        lines = [[escape(label(row)), *(value for value, _ in written)]]
        if any(below for _, below in cells):
            lines.append(["", *(below for _, below in written)])
        rows.append(lines)
    return headings, rows


def _heading(table: Table, index: int, column: Column) -> str:
    """A column's title with what stands in it, and in brackets the confidence of its intervals."""
    has = any(cell_lines(row.cells[index], column, 4)[1] for row in table.rows)
    spread = " (mean ± sd)" if column.kind == "estimate" else ""
    return f"{column.title}{spread}{f' [{percent(column.confidence)}]' if has else ''}"


def _below(texts: list[str]) -> list[str]:
    """A paragraph of the table's width in small print, one source line a sentence."""
    begin = [r"\par\medskip", r"\begin{minipage}{\linewidth}\footnotesize"]
    return [*begin, *(escape(_sentence(text)) for text in texts), r"\end{minipage}"]


def escape(text: str) -> str:
    """Escape what LaTeX would read as a command or a ligature; minus signs of numbers go to math mode."""
    escaped = SPECIAL.sub(lambda match: ESCAPES[match[0]], literal(" ".join(text.split())))
    return NEGATIVE.sub("$-$", re.sub("-(?=-)", "-{}", escaped))


def _number(text: str) -> str:
    """A cell of a number: siunitx writes its numbers, the rest stays."""
    parts: list[str] = []
    end = 0
    for match in re.finditer(f"{WITH_SD.pattern}|{NUMBER.pattern}", text):
        value = match[0].replace(",", "").replace(" ± ", " +- ")
        parts.append(_words(text[end : match.start()]))
        parts.append(rf"\num{{{value}}}")
        end = match.end()
    return "".join(parts) + _words(text[end:])


def _words(text: str) -> str:
    """Escaped, with its blanks as they are."""
    return re.sub(r"\S+", lambda word: escape(word[0]), text)


def _row(cells: list[str]) -> str:
    # A leading bracket or star after the line break of the row above would be read as part of its command.
    cells = [f"{{{cell}}}" if cell.startswith(("[", "*")) else cell for cell in cells]
    return " & ".join(cells) + r" \\"


def _sentence(text: str) -> str:
    return text if text.endswith((".", ":", "?")) else f"{text}."
