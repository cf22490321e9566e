"""Budgets in runs, hours and GPU-hours, from the runs' own times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import kdsearch as kd
from kdsearch.errors import StudyFileError
from kdsearch.ledger.records import SearchRun, State
from kdsearch.ledger.settings import Limits
from kdsearch.search.budget import busy_seconds, describe, own_seconds, runs_left, shares, time_is_over, uses

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


def test_two_searches_divide_the_time_by_the_runs_under_way() -> None:
    # 0 to 4 alone, 4 to 10 both, 10 to 12 the other; 20 to 21 two of the other's beside one of ours.
    ours, theirs = [ended(0, 10), ended(20, 21)], [ended(4, 12), ended(20, 21), ended(20, 21)]
    assert busy_seconds(ours, theirs) == pytest.approx(4 + 6 / 2 + 1 / 3)
    assert busy_seconds(theirs, ours) == pytest.approx(6 / 2 + 2 + 2 / 3)
    assert busy_seconds(ours, theirs) + busy_seconds(theirs, ours) == pytest.approx(busy_seconds([*ours, *theirs]))
    assert not time_is_over(Limits(hours=7.5 / 3600), ours, theirs)
    assert time_is_over(Limits(hours=7.5 / 3600), ours)
    assert runs_left(Limits(hours=7.3 / 3600), ours, theirs) == 0


def test_what_waits_is_counted_by_what_runs_take() -> None:
    # Two workers: 20 seconds of training in 10 of the clock.
    runs, other = [ended(0, 10), waiting(), waiting("leased"), waiting("cancelled")], [ended(0, 10)]
    (number, own, clock) = uses(Limits(runs=8, gpu_hours=1, hours=1), runs, other)
    assert (number.size, number.used, number.each) == (8, 3, 1)
    assert (own.size, own.used, own.each, own.known) == (3600, 30, 10, True)
    assert (clock.size, clock.used, clock.each) == (3600, 5 + 2 * 5, 5)
    assert [use.known for use in uses(Limits(hours=1), [waiting()])] == [False]
    assert [use.each for use in uses(Limits(gpu_hours=1), [waiting()], other)] == [10], "those beside tell"


def test_the_first_limit_ends_the_search() -> None:
    runs = [ended(0, 3600), waiting(), waiting("leased"), waiting("failed"), waiting("cancelled")]
    assert runs_left(Limits(runs=10), runs) == 6
    assert runs_left(Limits(runs=3), runs) == 0
    assert runs_left(Limits(runs=10, hours=1.0), runs) == 0
    assert runs_left(Limits(runs=10, hours=1.1), runs) == 6
    assert runs_left(Limits(hours=1.1, runs=None), runs) is None
    assert runs_left(Limits(gpu_hours=0.9), runs) == 0


def test_without_any_limit_a_budget_is_200_runs() -> None:
    assert kd.Budget() == kd.Budget(runs=200)
    assert kd.Budget(hours=2).runs is None
    assert describe(Limits(runs=200, hours=1.5, gpu_hours=None)) == "200 search runs or 1.5 hours"


@pytest.mark.parametrize(
    ("runs", "share", "main", "without"),
    [(200, 0.1, 180, 20), (364, 0.1, 328, 36), (24, 0.1, 20, 4), (6, 0.1, 3, 3), (3, 0.5, 2, 1), (200, 0.0, 200, 0)],
)
def test_a_share_of_the_runs_is_rounded_and_leaves_at_least_half(
    runs: int, share: float, main: int, without: int
) -> None:
    assert shares(Limits(runs), share) == (Limits(main), Limits(without))


def test_a_share_of_hours_is_one_of_time() -> None:
    main, without = shares(Limits(runs=None, hours=2.0, gpu_hours=30.0), 0.25)
    assert main == Limits(None, 1.5, 22.5)
    assert without == Limits(None, 0.5, 7.5)
    given = Limits(hours=2.0)
    main, without = shares(given, 0)
    assert main == given
    assert runs_left(without, []) == 0, "no share is no run"
    with pytest.raises(ValueError, match="share"):
        shares(given, 1.0)


@pytest.mark.parametrize("wrong", [{"runs": 1}, {"hours": 0}, {"gpu_hours": float("nan")}])
def test_impossible_budgets_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StudyFileError, match="budget"):
        kd.Budget(**wrong)  # type: ignore[arg-type]
