"""The virtual clock: workers, budget, seeds in order, and what a policy is shown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick
from kdsearch.search.replay import SyntheticWorld, TableWorld, simulate
from kdsearch.tasks.base import Scalar

from .helpers import SPACE, Blind, small_table


class Scripted:
    """Gives the picks of a list, as many as are wanted; leads with configuration 0."""

    def __init__(self, picks: Sequence[Pick]) -> None:
        self.picks = list(picks)
        self.seen: list[tuple[Configuration, ...]] = []

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        self.seen.append(tuple(tried))
        given, self.picks = self.picks[:wanted], self.picks[wanted:]
        return given

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        return Leader(0, 9.0)


class Timed(TableWorld):
    """Costs by configuration alone: 1, 3 and 5 seconds."""

    def cost(self, params: Mapping[str, Scalar], seed: int) -> float:
        return {0.0: 1.0, 5.0: 3.0, 10.0: 5.0}[float(params["x"])]


def new(row: int) -> New:
    return New(small_table().params[row])


def test_two_workers_by_hand() -> None:
    world = Timed(small_table(), seed=0)
    # t=0: row 0 and row 1. t=1: row 2 (ends 6). t=3: row 0 again (ends 4). t=4: row 0 a third time (ends 5).
    policy = Scripted([new(0), new(1), new(2), Further(0), Further(0)])
    trace = simulate(policy, world, budget=5, workers=2, checkpoints=[1, 2, 3, 4, 5])
    assert trace.time.tolist() == [1, 3, 4, 5, 6]
    assert trace.runs.tolist() == [1, 2, 3, 4, 5]
    assert trace.seeds.tolist() == [1, 1, 2, 3, 3]
    assert set(trace.truth) == {1.0}
    assert set(trace.estimate) == {9.0}
    assert (trace.tried, trace.ended) == (3, 5)
    assert [row.pending for row in policy.seen[1]] == [frozenset(), {0}]
    assert policy.seen[1][0].objectives == {0: world.run(small_table().params[0], 0)}
    assert not policy.seen[0], "what a policy was shown does not change afterwards"


def test_seeds_are_given_in_order_and_results_are_the_worlds() -> None:
    world = TableWorld(small_table(), seed=0)
    policy = Scripted([new(1), Further(0), Further(0), new(1), Further(1)])
    simulate(policy, world, budget=5, workers=5)
    final = Scripted([])
    assert simulate(final, world, budget=3, checkpoints=[]).ended == 0
    seen = Scripted([new(1), new(2), Further(1), Further(0)])
    trace = simulate(seen, world, budget=4, checkpoints=[4])
    assert trace.tried == 2
    last = seen.seen[-1]
    assert last[0].objectives == {0: world.run(small_table().params[1], 0)}
    assert last[1].objectives == {seed: world.run(small_table().params[2], seed) for seed in (0, 1)}


def test_new_numbers_that_are_there_already_are_further_seeds() -> None:
    policy = Scripted([new(1), new(1), New({"x": 0.1, "k": 1}), Further(2)])
    trace = simulate(policy, TableWorld(small_table(), 0), budget=4, workers=4)
    assert trace.tried == 2, "the second New is the first setting; Further(2) is the third answer's own"
    assert trace.ended == 4


def test_the_budget_is_kept_whoever_asks_for_more() -> None:
    world = SyntheticWorld("smooth", 1.0, 0.3, seed=1)
    policy = Blind(world.space, 0)
    trace = simulate(policy, world, budget=21, workers=4, ahead=3, checkpoints=[20, 21, 30])
    assert trace.runs.tolist() == [20, 21]
    assert policy.asked == [7] + 14 * [1], "as many as train, and those ahead; then one for each that ends"
    assert trace.tried == 11


@pytest.mark.parametrize("budget", range(1, 12))
@pytest.mark.parametrize("first", [1, 3])
def test_every_budget_is_kept(budget: int, first: int) -> None:
    """Also by a policy that hesitates and then asks for all that it may."""

    class Hesitant(Blind):
        def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
            return super().choose(tried, wanted)[: wanted if tried else first]

    world = SyntheticWorld("smooth", 1.0, 0.3, seed=1)
    for workers in (1, 2, 3, 8):
        assert simulate(Hesitant(world.space, 0), world, budget, workers=workers, ahead=2).ended == budget


def test_more_workers_take_less_time_for_the_same_runs() -> None:
    world = SyntheticWorld("smooth", 1.0, 0.0, seed=1)
    alone = simulate(Blind(world.space, 0), world, 80)
    many = simulate(Blind(world.space, 0), world, 80, workers=8)
    assert alone.time[0] / many.time[0] == pytest.approx(8, rel=0.2)
    assert alone.truth[0] == many.truth[0], "a policy that reads nothing finds the same"


def test_the_same_simulation_twice() -> None:
    world = SyntheticWorld("left-tailed", 1.0, 0.3, seed=1)
    first, second = (simulate(Blind(world.space, 4), world, 50, workers=3, checkpoints=[10, 50]) for _ in range(2))
    for name in ("time", "truth", "estimate", "seeds"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_wrong_picks_are_refused() -> None:
    world = TableWorld(small_table(), 0)
    with pytest.raises(ValueError, match="outside the space in \\['x'\\]"):
        simulate(Scripted([New({"x": 11.0, "k": 1})]), world, 1)
    with pytest.raises(ValueError, match="configuration 3, but there are 0"):
        simulate(Scripted([Further(3)]), world, 1)
    with pytest.raises(ValueError, match="workers >= 1"):
        simulate(Scripted([]), world, 1, workers=0)


def test_overhead_is_small() -> None:
    world = SyntheticWorld("smooth", 1.0, 0.3, seed=1)
    policy = Scripted([New({**dict(zip("abc", (0.5, 0.5, 0.5), strict=True)), "rate": 0.1, "steps": 3})])
    policy.picks += [Further(0)] * 999
    begin = time.perf_counter()
    simulate(policy, world, 1000)
    # One configuration of a thousand seeds is the worst case for copies; measured 0.05 ms, and machines are shared.
    assert (time.perf_counter() - begin) / 1000 < 1e-3


def test_a_search_of_a_table_can_try_every_row() -> None:
    world = TableWorld(small_table(), 0)
    assert world.space == SPACE
    trace = simulate(Blind(world.space, 0, seeds=1), world, 3)
    assert trace.tried == 3
