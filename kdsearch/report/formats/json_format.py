"""JSON with full precision, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from kdsearch.report.tables import Answer, Cell, Column, Estimate, Report, Table
from kdsearch.texts import literal_json

SCHEMA = "kdsearch.report/1"


def render(report: Report) -> str:
    """Return the report as JSON of the schema ``kdsearch.report/1``.

    Top level: ``schema``, ``title``, ``study``, ``data`` (the description), ``answer`` (of a finished study, else null:
    ``sentence``, ``verdict``, ``comparison`` with its numbers, ``remarks``, ``winner``, ``parameters``, ``edges``,
    ``train`` and ``export`` (commands), ``averages_over``), ``notes``, ``tables``, ``closing``. A
    table: ``key``, ``title``, ``caption``, ``columns`` (``key``, ``title``, ``kind``, and ``confidence`` of its
    intervals, null where it has none), ``rows``, ``notes``. A row: ``label``, ``remark``, ``context``, ``cells`` by
    column key. A cell: null, number, text, switch, or an estimate ``{"value", "sd", "low", "high", "n"}`` with its
    interval (of a mean: t below n = 20, BCa from there on) and, where it is not the column's, its ``confidence``; what
    is not known is null.
    """
    document = {
        "schema": SCHEMA,
        "title": report.title,
        "study": report.study,
        "data": report.description,
        "answer": _answer(report.answer),
        "notes": list(report.notes),
        "tables": [_table(table) for table in report.tables],
        "closing": list(report.closing),
    }
    return literal_json(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _answer(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    numbers = {key: _number(value) if isinstance(value, float) else value for key, value in answer.comparison.items()}
    return {
        "sentence": answer.sentence,
        "verdict": answer.verdict,
        "comparison": numbers or None,
        "remarks": list(answer.remarks),
        "winner": answer.winner,
        "parameters": dict(answer.parameters),
        "edges": [asdict(edge) for edge in answer.edges],
        "train": answer.train,
        "export": answer.export,
        "averages_over": answer.average,
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "key": table.key,
        "title": table.title,
        "caption": table.caption,
        "columns": [_column(table, column) for column in table.columns],
        "rows": [
            {
                "label": row.label,
                "remark": row.note,
                "context": row.context,
                "cells": {column.key: _cell(cell) for column, cell in zip(table.columns, row.cells, strict=True)},
            }
            for row in table.rows
        ],
        "notes": list(table.notes),
    }


def _column(table: Table, column: Column) -> dict[str, Any]:
    bounded = any(isinstance(cell, Estimate) and math.isfinite(cell.low) for cell in table.column(column.key))
    confidence = round(column.confidence, 6) if bounded else None
    return {"key": column.key, "title": column.title, "kind": column.kind, "confidence": confidence}


def _cell(cell: Cell) -> Any:
    if isinstance(cell, Estimate):
        numbers = {"value": cell.value, "sd": cell.sd, "low": cell.low, "high": cell.high}
        own = {} if cell.confidence is None else {"confidence": round(cell.confidence, 6)}
        return {**{key: _number(value) for key, value in numbers.items()}, "n": cell.n, **own}
    return _number(cell) if isinstance(cell, float) else cell


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
