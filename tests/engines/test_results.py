"""What a task of the user's own returns: stored, counted as diverged, or the failure of that run alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.report import build, render
from kdsearch.tasks import RunContext, RunRequest, RunResult


class OddTask(ToyTask):
    """A toy task of which every third student returns something else, each of ``changes`` in turn."""

    changes: ClassVar[list[dict[str, Any]]] = []
    given: ClassVar[dict[tuple[Any, ...], int]] = {}

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        result = super().train(request, context)
        if request.role == "teacher":
            return result
        number = self.given.setdefault((request.seed, *request.params.values()), len(self.given))
        return result if number % 3 else replace(result, **self.changes[number // 3 % len(self.changes)])


def run(ledger: Ledger, changes: list[dict[str, Any]]) -> StudyResults:
    task = type("Odd", (OddTask,), {"changes": changes, "given": {}})()
    study = toy_study(task=task, budget=kd.Budget(runs=6 * len(changes)))
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    assert task.given, "it was asked"
    assert len(task.given) >= 3 * len(changes), "each change came"
    return ledger.results(record.id)


def test_a_value_that_is_no_metric_is_a_diverged_run(ledger: Ledger) -> None:
    values = (float("nan"), float("-inf"), 1e200, 10**400)
    changes: list[dict[str, Any]] = [{"objective": value} for value in values]
    changes += [{"score": value} for value in (float("nan"), -1e60)]
    results = run(ledger, changes)
    assert results.study.phase == "finished"
    odd = [run for run in results.runs if run.state == "diverged"]
    assert len(odd) >= len(changes)
    assert {(run.objective, run.score) for run in odd} == {(0.1, 0.1)}, "chance"
    assert {run.state for run in results.runs} == {"done", "diverged"}
    assert "diverged" in render(build(results), "table", width=100)


def test_a_result_that_cannot_be_stored_fails_its_run_alone(ledger: Ledger) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"objective": "0.5"}, "objective '0.5'"),
        ({"objective": None}, "objective None"),
        ({"objective": True}, "objective True"),
        ({"score": [0.5]}, r"score \[0.5\]"),
        ({"state": "ok"}, "state 'ok'"),
        ({"epoch": 2**40}, "cannot be stored: integer out of range"),
        ({"scores": {"last": float("nan")}}, "cannot be stored: Out of range float values are not JSON compliant"),
        ({"device": "cuda\x00"}, "cannot be stored: .*NUL"),
    ]
    results = run(ledger, [changes for changes, _ in cases])
    assert results.study.phase == "finished"
    errors = [run.error or "" for run in results.runs if run.state == "failed"]
    for _, words in cases:
        assert any(re.search(words, error) for error in errors), (words, errors)
    assert {run.state for run in results.runs} == {"done", "failed"}
    assert sum(run.state == "done" for run in results.runs) > len(errors)
    assert render(build(results), "table", width=100)


def test_numbers_of_numpy_are_numbers(ledger: Ledger) -> None:
    results = run(ledger, [{"objective": np.float32(0.5), "score": np.float64(0.25)}])
    assert (0.5, 0.25) in {(run.objective, run.score) for run in results.runs}
    assert {run.state for run in results.runs} == {"done"}
