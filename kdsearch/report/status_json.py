"""How far a study is, as JSON for programs."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kdsearch.ledger.records import StudyResults
from kdsearch.ledger.recovery import WorkerAtWork
from kdsearch.report.build import answer_of
from kdsearch.report.selection import select
from kdsearch.search.ranking import Standing
from kdsearch.search.remaining import remaining
from kdsearch.texts import literal_json

SCHEMA = "kdsearch.status/1"
LEADING = 5


def status_json(results: StudyResults, workers: Sequence[WorkerAtWork] = ()) -> str:
    """Return JSON of the schema ``kdsearch.status/1``.

    ``study``, ``phase``, ``stop_requested``, ``runs`` (pool to state to count), ``runs_left`` and ``seconds_left``
    (about; null while nobody trains), ``leading`` (five configurations by posterior mean, and the winner: ``name``,
    ``estimate``, ``sd``, ``n``, ``parameters``), ``winner``, ``verdict`` and ``answer`` (null before the end),
    ``workers`` (``name``, ``node``, ``device``, ``runs``). No test score is in it before the winner is chosen.
    """
    study, selection = results.study, select(results)
    runs: dict[str, Counter[str]] = {}
    for run in results.runs:
        runs.setdefault(run.pool, Counter())[run.state] += 1
    left = remaining(study, results.configurations, results.runs)
    answer, standings = answer_of(results), selection.standings()
    document = {
        "schema": SCHEMA,
        "study": study.name,
        "phase": study.phase,
        "stop_requested": study.stop_requested,
        "runs": runs,
        "runs_left": left.runs,
        "seconds_left": left.seconds if workers else None,
        "leading": [
            _leading(row) for place, row in enumerate(standings) if place < LEADING or row.id == study.winner_id
        ],
        "winner": None if study.winner_id is None else selection.name(study.winner_id),
        "verdict": None if answer is None else answer.verdict,
        "answer": None if answer is None else answer.sentence,
        "workers": [
            {"name": row.worker, "node": row.node, "device": row.device, "runs": list(row.runs)} for row in workers
        ],
    }
    return literal_json(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def _leading(row: Standing) -> dict[str, Any]:
    return {
        "name": row.configuration.name,
        "estimate": row.estimate if math.isfinite(row.estimate) else None,
        "sd": row.sd if math.isfinite(row.sd) else None,
        "n": row.n,
        "parameters": dict(row.configuration.params),
    }
