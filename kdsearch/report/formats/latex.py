"""LaTeX tables in booktabs style, ready for ``\\input``; needs ``\\usepackage{booktabs}`` and nothing else."""

from __future__ import annotations

import re

from kdsearch.report.formats.cells import flat
from kdsearch.report.tables import Report, Table
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
NEGATIVE = re.compile(r"(?<![\w.)\]-])-(?=\d)")


def render(report: Report) -> str:
    """Return one ``table`` environment a table; sentences of the report become comments."""
    answer = [] if report.answer is None else report.answer.lines
    texts = map(literal, (report.title, *answer, *report.notes, *report.closing))
    head = [f"% {line}" for text in texts for line in text.splitlines()]
    head.append("% needs \\usepackage{booktabs}")
    return "\n\n".join(["\n".join(head), *(table_text(table) for table in report.tables)]) + "\n"


def table_text(table: Table) -> str:
    """Return one table under its title; caption and notes stand below, context rows under a rule of their own."""
    title = escape(_sentence(table.title))
    lines = [r"\begin{table}", r"\centering\small", rf"\caption{{{title}}}", rf"\label{{tab:{table.key}}}"]
    if table.rows:
        headings, rows = flat(table)
        lines += [rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}", r"\toprule", _row(headings), r"\midrule"]
        for index, (row, texts) in enumerate(zip(table.rows, rows, strict=True)):
            if row.context and index and not table.rows[index - 1].context:
                lines.append(r"\midrule")
            lines.append(_row(texts))
        lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *_below([table.caption, *table.notes]), r"\end{table}"])


def _below(texts: list[str]) -> list[str]:
    """A paragraph of the table's width in small print, one source line a sentence."""
    begin = [r"\par\medskip", r"\begin{minipage}{\linewidth}\footnotesize"]
    return [*begin, *(escape(_sentence(text)) for text in texts), r"\end{minipage}"]


def escape(text: str) -> str:
    """Escape what LaTeX would read as a command or a ligature; minus signs of numbers go to math mode."""
    escaped = SPECIAL.sub(lambda match: ESCAPES[match[0]], literal(" ".join(text.split())))
    return NEGATIVE.sub("$-$", re.sub("-(?=-)", "-{}", escaped))


def _row(texts: list[str]) -> str:
    # A leading bracket or star after the line break of the row above would be read as part of its command.
    cells = [escape(text) for text in texts]
    cells = [f"{{{cell}}}" if cell.startswith(("[", "*")) else cell for cell in cells]
    return " & ".join(cells) + r" \\"


def _sentence(text: str) -> str:
    return text if text.endswith((".", ":", "?")) else f"{text}."
