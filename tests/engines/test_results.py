"""What a task of the user's own returns: stored, counted as diverged, or the failure of that run alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import Loaded, ToyTask, declaration, toy_study

from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.report import build, render
from kdsearch.tasks import RunContext, RunRequest, RunResult


class OddTask(ToyTask):
    """A toy task whose students with seed 1 return something else."""

    change: Callable[[RunResult], RunResult] = staticmethod(lambda result: result)

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        result = super().train(request, context)
        return type(self).change(result) if request.role == "student" and request.seed == 1 else result


def run(ledger: Ledger, change: Callable[[RunResult], RunResult]) -> StudyResults:
    task = type("Odd", (OddTask,), {"change": staticmethod(change)})()
    study = toy_study(task=task)
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def odd(results: StudyResults) -> Counter[str]:
    return Counter(run.state for run in results.runs if run.pool == "search" and run.seed == 1)


@pytest.mark.parametrize(
    "values",
    [
        {"objective": float("nan")},
        {"objective": float("-inf")},
        {"objective": 1e200},
        {"objective": 10**400},
        {"score": float("nan")},
        {"score": -1e60},
    ],
    ids=str,
)
def test_a_value_that_is_no_metric_is_a_diverged_run(ledger: Ledger, values: dict[str, Any]) -> None:
    results = run(ledger, lambda result: replace(result, **values))
    assert set(odd(results)) == {"diverged"}
    assert {run.objective for run in results.runs if run.state == "diverged"} == {0.1}
    assert "diverged" in render(build(results), "table", width=100)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"objective": "0.5"}, "objective '0.5'"),
        ({"objective": None}, "objective None"),
        ({"objective": True}, "objective True"),
        ({"score": [0.5]}, r"score \[0.5\]"),
        ({"state": "ok"}, "state 'ok'"),
        ({"epoch": 2**40}, "cannot be stored: integer out of range"),
        ({"scores": {"last": float("nan")}}, "cannot be stored: Out of range float values are not JSON compliant"),
        ({"device": "cuda\x00"}, "cannot be stored: .*NUL"),
    ],
    ids=str,
)
def test_a_result_that_cannot_be_stored_fails_its_run_alone(ledger: Ledger, values: dict[str, Any], words: str) -> None:
    results = run(ledger, lambda result: replace(result, **values))
    assert results.study.phase == "finished"
    assert set(odd(results)) == {"failed"}
    assert all(run.state == "done" for run in results.runs if run.seed != 1 and run.pool == "search")
    errors = {run.error or "" for run in results.runs if run.state == "failed"}
    assert [error for error in errors if not re.search(words, error)] == []
    assert render(build(results), "table", width=100)


def test_numbers_of_numpy_are_numbers(ledger: Ledger) -> None:
    results = run(ledger, lambda result: replace(result, objective=np.float32(0.5), score=np.float64(0.25)))
    assert {(run.objective, run.score) for run in results.runs if run.pool == "search" and run.seed == 1} == {
        (0.5, 0.25)
    }
