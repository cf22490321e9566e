"""Two searches on one clock: both get their share of the training time, and the whole ends with its budget."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from support import toy_study

import kdsearch as kd

from .clocked import Clocked

MINUTE = 60.0


def study(budget: kd.Budget, **changes: Any) -> kd.Study:
    return toy_study(budget=budget, search=kd.Fixed(seeds=2), baselines={}, **changes)


def clocked(budget: kd.Budget, workers: int, searched: float, without: float) -> Clocked:
    """Runs of about so many seconds; they differ by a third, so that workers do not march in step."""

    def seconds(kind: str, number: int) -> float:
        return (without if kind == "without" else searched) * (1 + 0.3 * math.sin(number))

    found = Clocked(study(budget), workers, seconds)
    found.run()
    return found


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize(
    ("searched", "without"), [(20.0, 20.0), (20.0, 5.0), pytest.param(10.0, 25.0, marks=pytest.mark.slow)]
)
def test_hours_are_one_clock_and_shared_by_training_time(workers: int, searched: float, without: float) -> None:
    share = 0.1 if workers > 1 else 0.3
    found = clocked(kd.Budget(hours=0.25, without=share), workers, searched, without)
    longest = 1.3 * max(searched, without)
    assert 15 * MINUTE - longest <= found.now <= 15 * MINUTE + longest
    trained = found.trained()
    every = sum(trained.values())
    assert every >= workers * (15 * MINUTE - 2 * longest), "no worker waits while there is time"
    # To a run or so of either at the limit, whatever the workers.
    assert trained["without"] == pytest.approx(share * every, abs=2 * longest)


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize(("searched", "without"), [(20.0, 20.0), (20.0, 5.0), (10.0, 25.0)])
def test_gpu_hours_add_up_and_are_shared_by_training_time(workers: int, searched: float, without: float) -> None:
    found = clocked(kd.Budget(gpu_hours=0.75), workers, searched, without)
    longest = 1.3 * max(searched, without)
    trained = found.trained()
    assert sum(trained.values()) == pytest.approx(2700, abs=2 * longest), "what trains at the limit is not too much"
    assert trained["without"] == pytest.approx(270, abs=2 * longest)


@pytest.mark.parametrize("workers", [1, 8])
def test_a_search_that_ends_early_leaves_the_other_its_own_share(workers: int) -> None:
    few = study(kd.Budget(hours=0.5), space={"alpha": kd.categorical([0.4, 0.7]), "rate": kd.uniform(0, 1)})
    found = Clocked(few, workers, lambda kind, number: 10.0)
    policy = found.planner.policy
    kinds: Counter[str] = Counter()

    def ending(state: Any, kind: Any) -> Any:
        kinds[kind] += 1
        return Silent() if kind == "searched" and len(state.runs) > 20 * workers else policy(state, kind)

    found.planner.policy = ending  # type: ignore[method-assign]
    found.run()
    trained = found.trained()
    assert trained["searched"] <= 250 * workers
    # A tenth of half an hour, by a clock that ran for both as long as both trained.
    alone = trained["without"] / workers
    assert 180 - 20 <= alone <= 180 + 20
    assert found.now == pytest.approx(180 + trained["searched"] / workers, abs=30)


class Silent:
    """A policy that has nothing more to ask for."""

    exhausted = "it has nothing more to ask for"

    def choose(self, tried: Any, wanted: int) -> list[Any]:
        return []


@pytest.mark.parametrize("workers", [1, 8])
def test_runs_and_hours_together_end_at_the_first_and_order_nothing_in_circles(workers: int) -> None:
    found = clocked(kd.Budget(runs=100, hours=100.0), workers, 10.0, 10.0)
    assert found.cancelled == 0, "runs within the number are trained while there are hours"
    states = Counter((found.kind(run), run.state) for run in found.state.runs)
    assert states == {("searched", "done"): 90, ("without", "done"): 10}
    found = clocked(kd.Budget(runs=100_000, hours=0.125), workers, 10.0, 10.0)
    assert 7.5 * MINUTE - 13 <= found.now <= 7.5 * MINUTE + 13
    assert found.again == 0
    assert {run.state for run in found.state.runs} <= {"done", "cancelled"}
