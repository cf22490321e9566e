"""How far ahead a launcher plans: no worker finds the queue empty, whatever single decisions take."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import pytest

from kdsearch.engines.queue_depth import QueueDepth

WORKERS = 200
STORED = 100_000


def missed(
    depth: QueueDepth, decisions: Iterable[float], rate: float, each: float = 0.0, pause: float = 0.02
) -> list[float]:
    """Claims that found nothing, by decision, in a study of many runs, where as many wait at least as train.

    A decision reads the study, takes its seconds and ``each`` for every run that it adds, and then fills the queue up.
    """
    now, queue, claims, result = 0.0, 0.0, float(STORED), []
    for seconds in decisions:
        added = max(0.0, max(WORKERS, depth.wanted(now, int(claims))) - queue)
        result.append(0.0)
        for part, filled in ((seconds + each * added, added), (pause, 0.0)):
            taken = min(queue, part * rate)
            result[-1] += part * rate - taken
            claims += taken
            queue += filled - taken
            now += part
    return result


@pytest.mark.parametrize("long", [1.4, 2.0, 2.9, 4.0, 6.0])
@pytest.mark.parametrize("every", [10, 60, 200])
def test_a_long_decision_after_many_short_ones_is_outlasted(long: float, every: int) -> None:
    decisions = [long, *repeat(0.4, round(every / 0.42))]
    empty = missed(QueueDepth(2), [*repeat(0.4, 20), *decisions, *decisions, *decisions], rate=200.0)
    assert sum(empty[20 + len(decisions) :]) == 0


@pytest.mark.parametrize("rate", [1.0, 30.0, 200.0, 800.0])
@pytest.mark.parametrize("each", [0.0, 0.0003])
def test_the_queue_grows_to_any_rate(rate: float, each: float) -> None:
    empty = missed(QueueDepth(2), repeat(0.5, 100), rate, each)
    assert sum(empty[15:]) == 0


def test_where_no_planner_can_be_fast_enough_it_has_an_end() -> None:
    depth = QueueDepth(2)
    missed(depth, repeat(0.4, 50), rate=20_000.0, each=0.001)
    assert depth.wanted(1e6, 10**9) == 5000


def test_three_times_what_is_taken_in_the_longest_wait() -> None:
    depth = QueueDepth(2)
    assert depth.wanted(0.0, 1000) == 2
    assert depth.wanted(4.0, 1020) == 3 * 20
    assert depth.wanted(5.0, 1060) == 3 * 4 * 60 / 5, "the last readings that span 4 s span 5"
    assert depth.wanted(8.0, 1064) == 3 * (1064 - 1020), "what was taken in the last 4 s"
    assert depth.wanted(20.0, 1064) == 2


def test_runs_that_end_together_are_no_rate() -> None:
    depth = QueueDepth(2)
    depth.wanted(0.0, 1000)
    assert depth.wanted(0.125, 1016) == 3 * 16 / 8, "of a second, not of an eighth"


def test_a_wait_is_forgotten_when_claims_have_grown_by_half() -> None:
    depth = QueueDepth(2)
    depth.wanted(0.0, 1000)
    depth.wanted(10.0, 1050)
    for second in range(11, 116):
        assert depth.wanted(float(second), 1000 + 5 * second) == 3 * 5 * 10
    assert depth.wanted(116.0, 1580) == 3 * 5, "1.5 times 1,050 are 1,575; all other waits were of a second"


def test_of_long_runs_no_more_wait_than_workers_take() -> None:
    """Four workers, runs of a minute, decisions of a second and one of ten seconds."""
    depth = QueueDepth(4)
    for second in range(600):
        assert depth.wanted(float(second + 10 * (second > 300)), 100 + second // 15) == 4


def test_a_database_that_was_away_does_not_have_a_study_planned_to_its_end() -> None:
    depth = QueueDepth(2)
    depth.wanted(0.0, 100)
    for second in range(6):
        wanted = depth.wanted(60.0 + second, 120 + 10 * second)
    assert wanted == 42, "a quarter of 170 claims"
    large = QueueDepth(2)
    large.wanted(0.0, STORED)
    for second in range(20):
        wanted = large.wanted(60.0 + second, STORED + 20 * second)
    assert wanted == 3 * 20 * 15, "15 s are the longest"
