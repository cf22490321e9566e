"""All runs of a study as CSV or JSON, one row a run, for other programs."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from io import StringIO
from typing import Any

from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.records import StudyResults
from kdsearch.report.captions import data_line
from kdsearch.report.selection import select

HIDDEN = "hidden until the winner is chosen"
SCORE_CURVES = ("score", "scores")


def runs_csv(results: StudyResults) -> str:
    """Return one line a run: all fields, parameters as ``param.NAME``, scores as ``scores.NAME``, curves as JSON.

    Test scores are left out until the winner is chosen; the column ``note`` says so.
    """
    records = _records(results)
    names = list(dict.fromkeys(name for record in records for name in record)) or ["study", "data", "id"]
    out = StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: _text(value) for name, value in record.items()})
    return out.getvalue()


def runs_json(results: StudyResults) -> str:
    """Return ``{"schema": "kdsearch.runs/1", "study", "data", "metric", "chance", "phase", "runs": [...]}``.

    A run is flat as in CSV, with ``curve`` as lists. Numbers that are not finite are null. Test scores are left out
    until the winner is chosen.
    """
    study = results.study
    document = {
        "schema": "kdsearch.runs/1",
        "study": study.name,
        "data": data_line(study),
        "metric": study.metric,
        "chance": study.chance,
        "phase": study.phase,
        "runs": [_finite(record) for record in _records(results)],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _records(results: StudyResults) -> list[dict[str, Any]]:
    hidden = select(results).searching
    return [_flat(results, run, hidden) for run in sorted(results.runs, key=lambda run: run.id)]


def _flat(results: StudyResults, run: RunRecord, hidden: bool) -> dict[str, Any]:
    record = results.configurations.get(run.configuration_id)
    fields = asdict(run)
    scores, curve = fields.pop("scores"), dict(fields.pop("curve"))
    flat: dict[str, Any] = {"study": results.study.name, "data": data_line(results.study), **fields}
    flat["finished_at"] = run.finished_at.isoformat() if run.finished_at else None
    flat["configuration"] = record.name if record else None
    flat["kind"] = record.kind if record else None
    flat |= {f"param.{name}": value for name, value in (record.params if record else {}).items()}
    if hidden:
        flat["score"] = None
        curve = {name: values for name, values in curve.items() if name not in SCORE_CURVES}
        flat["note"] = f"test scores {HIDDEN}"
    else:
        flat |= {f"scores.{name}": value for name, value in scores.items()}
        flat["note"] = ""
    return {**flat, "curve": curve}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return json.dumps(_finite(value)) if value else ""
    return repr(value) if isinstance(value, float) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None  # neither nan nor infinite
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
