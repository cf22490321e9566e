"""Budgets in runs, hours and GPU-hours, from the runs' own times."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

import kdsearch as kd
from kdsearch.errors import StudyFileError
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.records import State
from kdsearch.search.budget import busy_seconds
from kdsearch.search.budget import describe
from kdsearch.search.budget import own_seconds
from kdsearch.search.budget import runs_left

START = datetime(2026, 1, 1, tzinfo=UTC)


def ended(begin: float, end: float) -> SearchRun:
    finished = START + timedelta(seconds=end)
    return SearchRun(1, 1, "search", 0, "done", 0.5, seconds=end - begin, finished_at=finished)


def waiting(state: State = "queued") -> SearchRun:
    return SearchRun(2, 1, "search", 1, state, None)


def test_times_that_overlap_count_once_in_hours_and_twice_in_gpu_hours() -> None:
    runs = [ended(0, 10), ended(5, 15), ended(100, 101), ended(100.2, 100.8), waiting()]
    assert busy_seconds(runs) == pytest.approx(16.0)
    assert own_seconds(runs) == pytest.approx(21.6)


def test_the_first_limit_ends_the_search() -> None:
    runs = [ended(0, 3600), waiting(), waiting("leased"), waiting("failed"), waiting("cancelled")]
    assert runs_left({"runs": 10}, runs) == 6
    assert runs_left({"runs": 3}, runs) == 0
    assert runs_left({"runs": 10, "hours": 1.0}, runs) == 0
    assert runs_left({"runs": 10, "hours": 1.1}, runs) == 6
    assert runs_left({"hours": 1.1, "runs": None}, runs) is None
    assert runs_left({"gpu_hours": 0.9}, runs) == 0


def test_without_any_limit_a_budget_is_200_runs() -> None:
    assert kd.Budget() == kd.Budget(runs=200)
    assert kd.Budget(hours=2).runs is None
    assert describe({"runs": 200, "hours": 1.5, "gpu_hours": None}) == "200 search runs or 1.5 hours"


@pytest.mark.parametrize("wrong", [{"runs": 1}, {"hours": 0}, {"gpu_hours": float("nan")}])
def test_impossible_budgets_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StudyFileError, match="budget"):
        kd.Budget(**wrong)  # type: ignore[arg-type]
