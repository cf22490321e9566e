"""How far ahead a launcher plans: no worker finds the queue empty, whatever single decisions take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from itertools import repeat

import pytest

from kdsearch.engines.depth import Depth

PAUSE = 0.02


def missed(depth: Depth, decisions: Iterable[float], rate: float, run_seconds: float = 1.0) -> list[float]:
    """Claims that found nothing, by decision: each reads the study, takes its seconds, and then fills the queue up."""
    now, queue, claims, result = 0.0, 0.0, 0.0, []
    for seconds in decisions:
        ordered = max(0.0, depth.wanted(now, int(claims), int(queue), run_seconds) - int(queue))
        result.append(0.0)
        for part, filled in ((seconds, ordered), (PAUSE, 0.0)):
            taken = min(queue, part * rate)
            result[-1] += part * rate - taken
            claims += taken
            queue += filled - taken
            now += part
    return result


def test_a_long_decision_after_many_short_ones_is_outlasted() -> None:
    """One of 4 s every minute: forgotten after a few decisions it would find 250 runs instead of 800."""
    minute = [4.0, *repeat(0.4, 140)]
    empty = missed(Depth(2), chain(minute, minute, minute), rate=200.0)
    assert sum(empty[:20]) > 0, "nothing is known at first"
    assert sum(empty[20:]) == 0


@pytest.mark.parametrize("rate", [1.0, 30.0, 200.0, 800.0])
def test_the_queue_grows_to_any_rate(rate: float) -> None:
    empty = missed(Depth(2), repeat(0.5, 200), rate)
    assert sum(empty[30:]) == 0


def test_it_is_three_times_what_is_taken_in_the_longest_wait() -> None:
    depth = Depth(2)
    assert depth.wanted(0.0, 1000, 90, math.inf) == 2
    assert depth.wanted(2.0, 1020, 90, 0.1) == 3 * 10 * 2
    assert depth.wanted(2.5, 1040, 90, 0.1) == 3 * 16 * 2, "the rate is that of all 2.5 s, the wait the longest"


def test_a_queue_that_was_taken_whole_doubles_until_it_is_not() -> None:
    depth = Depth(8)
    assert depth.wanted(0.0, 1000, 8, 0.001) == 8, "nothing was seen to be taken"
    assert [depth.wanted(0.125 * i, 1000 + 8 * i, 8, 0.001) for i in (1, 2, 3)] == [24, 48, 96]
    assert depth.wanted(0.5, 1032, 90, 0.001) == 192, "8 of 8"
    assert depth.wanted(0.625, 1040, 90, 0.001) == 172, "8 of 90 were taken: a tenth less"


def test_it_shrinks_when_nothing_is_taken_any_more() -> None:
    depth = Depth(2)
    for second in range(10):
        depth.wanted(float(second), 100 * second, 900, 1.0)
    sizes = [depth.wanted(float(second), 900, 900, 1.0) for second in range(10, 80)]
    assert sizes[0] == 270, "300, and a tenth less"
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 2


def test_a_wait_is_forgotten_after_five_minutes() -> None:
    depth = Depth(2)
    depth.wanted(0.0, 1000, 900, 1.0)
    depth.wanted(10.0, 1100, 900, 1.0)
    for second in range(11, 311):
        assert depth.wanted(float(second), 1000 + 10 * second, 900, 1.0) == 3 * 10 * 10
    for second in range(311, 340):
        last = depth.wanted(float(second), 1000 + 10 * second, 900, 0.5)
    assert last == 3 * 10 * 1


def test_runs_that_outlast_two_decisions_need_no_more_than_one_a_worker() -> None:
    depth = Depth(4)
    for second in range(20):
        assert depth.wanted(float(second), 4 * second, 0, 2.0) == 4
    assert depth.wanted(20.0, 80, 0, 1.9) > 4


def test_no_more_waits_than_half_of_what_was_taken_so_far() -> None:
    depth = Depth(2)
    depth.wanted(0.0, 99, 0, 0.001)
    assert depth.wanted(60.0, 119, 1, 2.0) == 59, "a minute without a decision"
