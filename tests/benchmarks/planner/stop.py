"""What ending a search early costs: runs saved, and regret against the same search at its whole budget.

A search may end when more runs are expected to add less than ``kdsearch.search.budget.GAIN`` of ``min_effect``. Here
``min_effect`` is a multiple of the noise sd of the world; on the JHMDB table 0.01 mAP is half of it.

    python -m tests.benchmarks.planner.stop [--worlds 100] [--on FAMILY ...] [--budget 400] [--effect 1.0]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from kdsearch.search.budget import GAIN
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import Configuration, Pick
from kdsearch.search.replay import simulate
from kdsearch.space import Dimension

from .summary import mean
from .worlds import families

FAMILIES = ("smooth-s0.5-r0", "smooth-s1-r0", "smooth-s3-r0", "left-tailed-s1-r0", "independent-s1-r0", "jhmdb")
EVERY = 5


class Watched(AdaptivePolicy):
    """The product's policy; it notes the leader at the first decision at which the planner would have ended."""

    def __init__(self, space: Mapping[str, Dimension], seed: int, budget: int, enough: float) -> None:
        super().__init__(space, seed, budget)
        self.enough = enough
        self.ended: tuple[int, Configuration] | None = None

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """See ``Policy.choose``; asked every few runs, as a planner that decides ahead does."""
        runs = sum(len(row.objectives) for row in tried)
        if self.ended is None and runs % EVERY == 0:
            gain = self.gain_left(tried)
            if gain is not None and gain < self.enough:
                self.ended = runs, tried[self.leader(tried).position]
        return super().choose(tried, wanted)


def study(family: str, budget: int, effect: float, index: int) -> tuple[float, float, float, bool]:
    """Runs at the end, regret there and at the whole budget in tau, and whether it ended early."""
    world = families()[family](index)
    policy = Watched(world.space, index, budget, GAIN * effect * world.sigma)
    trace = simulate(policy, world, budget)
    late = (world.best - float(trace.truth[-1])) / world.tau
    if policy.ended is None:
        return float(budget), late, late, False
    runs, leader = policy.ended
    return float(runs), (world.best - world.truth(leader.params)) / world.tau, late, True


def main() -> None:
    """Simulate and print one line a family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--effect", type=float, default=1.0, help="min_effect in sds of the noise")
    parser.add_argument("--on", nargs="+", default=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print(f"budget {arguments.budget}; ends where more runs would add less than {GAIN:g} x {arguments.effect:g} sigma")
    print("family               ended early   runs (mean)   regret at its end   - regret at the whole budget, in tau")
    for line in lines(arguments.on, arguments.worlds, arguments.budget, arguments.effect, arguments.processes):
        print(line, flush=True)


def lines(on: Sequence[str], worlds: int, budget: int, effect: float, processes: int) -> Iterator[str]:
    """One line a family, as it is done."""
    with ProcessPoolExecutor(processes) as pool:
        for family in on:
            rows = list(pool.map(partial(study, family, budget, effect), range(worlds), chunksize=4))
            runs, early, late, ended = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
            share = f"{100 * ended.mean():9.0f} %"
            yield f"{family:20s} {share}   {mean(runs)!s:>22}   {mean(early)}   {mean(early - late)}"


if __name__ == "__main__":
    main()
