"""What the pre-flight's event says of its gap."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kdsearch.ledger.orders import Note
from kdsearch.ledger.records import Pool, RunRecord
from kdsearch.search.preflight import finding

UNDERSTATED = "; it is understated, for the student stands at its best epoch and the teacher at its last"


def found(recipe: str, teachers: list[float], students: list[float]) -> Note:
    study: Any = SimpleNamespace(
        preflight_seeds=3, min_effect=0.01, task=SimpleNamespace(recipe=recipe), direction="maximize"
    )
    return finding(study, runs("teacher", teachers), runs("preflight", students))


def runs(pool: Pool, objectives: list[float]) -> list[RunRecord]:
    return [RunRecord(1 + seed, 1, pool, seed, "done", objective) for seed, objective in enumerate(objectives)]


@pytest.mark.parametrize("teachers", [[0.94, 0.95], [0.71, 0.72]])
def test_a_gap_of_any_size_is_understated_where_the_teacher_stands_at_its_last_epoch(teachers: list[float]) -> None:
    students = [0.70, 0.71, 0.72]
    said = found("last", teachers, students)
    assert UNDERSTATED in said.message
    assert found("best", teachers, students).message == said.message.replace(UNDERSTATED, "")


def test_nothing_is_understated_where_no_gap_was_measured() -> None:
    assert found("last", [0.9], [0.7]).message == "pre-flight: too few runs ended to compare teacher and student"
    assert found("last", [], [0.7, 0.8]).message == "pre-flight: too few runs ended to compare teacher and student"


def test_small_objectives_have_significant_digits() -> None:
    message = found("best", [2.0e-6, 2.1e-6], [1.0e-6, 1.1e-6, 1.2e-6]).message
    assert "teacher 2.050e-06 ± 7.1e-08 (n=2), student alone 1.10e-06 ± 1.0e-07 (n=3), gap +9.5e-07 [" in message
    assert "seed sd (1.000e-07)" in message
