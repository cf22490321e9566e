"""CSV with full precision: one line a cell, so that one ``read_csv`` reads the whole report."""

from __future__ import annotations

import csv
import math
from io import StringIO

from kdsearch.report.tables import Cell, Column, Estimate, Report, Table
from kdsearch.texts import literal

FIELDS = (
    "study",
    "data",
    "table",
    "row",
    "remark",
    "context",
    "column",
    "value",
    "sd",
    "low",
    "high",
    "confidence",
    "n",
    "text",
    "caption",
)


def render(report: Report) -> str:
    """Return the report as tidy CSV with the columns ``FIELDS``.

    ``table`` and ``column`` hold keys, ``row`` the label. A number stands in ``value`` with ``sd``, interval
    ``low`` and ``high`` (of a mean: t below n = 20, BCa from there on) of ``confidence``, and ``n`` where it has them;
    words stand in ``text``, behind an apostrophe where they begin as a formula of a spreadsheet does. What is not
    known is empty. Sentences are lines whose ``column`` is ``note``, or ``answer`` for those of the answer, which come
    first. ``data`` repeats the description on each line, so that each line says whether the data are synthetic.
    """
    out = StringIO()
    writer = csv.DictWriter(out, FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    common = {"study": cell_text(report.study), "data": cell_text(report.description)}
    for line in () if report.answer is None else report.answer.lines:
        writer.writerow({**common, "table": "report", "column": "answer", "text": cell_text(line)})
    for note in (*report.notes, *report.closing):
        writer.writerow({**common, "table": "report", "column": "note", "text": cell_text(note)})
    for table in report.tables:
        for record in _records(table):
            writer.writerow({**common, "table": table.key, "caption": cell_text(table.caption), **record})
    return out.getvalue()


def _records(table: Table) -> list[dict[str, str]]:
    records = [
        {
            "row": cell_text(row.label),
            "remark": cell_text(row.note),
            "context": "1" if row.context else "0",
            "column": cell_text(column.key),
            **_fields(cell, column),
        }
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell is not None
    ]
    return records + [{"column": "note", "text": cell_text(note)} for note in table.notes]


def _fields(cell: Cell, column: Column) -> dict[str, str]:
    if isinstance(cell, Estimate):
        numbers = {"value": cell.value, "sd": cell.sd, "low": cell.low, "high": cell.high}
        fields = {key: _number(value) for key, value in numbers.items()}
        if fields["low"]:
            fields["confidence"] = f"{column.confidence if cell.confidence is None else cell.confidence:.6g}"
        return {**fields, "n": str(cell.n)}
    if isinstance(cell, bool | str):
        return {"text": cell_text(str(cell))}
    return {"value": _number(cell)} if cell is not None else {}


def _number(value: float) -> str:
    # An integer stays one; numpy's numbers would write their type's name.
    return repr(value if isinstance(value, int) else float(value)) if math.isfinite(value) else ""


def cell_text(text: str) -> str:
    """The text as a cell that a spreadsheet shows literally: one that would be a formula stands behind an apostrophe.

    A text that is a number stays as it is, and so does a single sign.
    """
    shown = literal(text)
    if not shown.lstrip().startswith(("=", "+", "-", "@")) or len(shown.strip()) == 1:
        return shown
    try:
        float(shown)
    except ValueError:
        return f"'{shown}"
    return shown
