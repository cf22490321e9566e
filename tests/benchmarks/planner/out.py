"""How often the best configuration that was tried is shown as out, at any look of a search.

A look is what ``kdsearch status`` would show: every configuration with two seeds or more whose chance to be better than
the leader is below ``kdsearch.search.ranking.OUT``. In the worlds called equal all configurations are alike to within
1e-9, so that the best is one of them by chance.

    python -m tests.benchmarks.planner.out [--worlds 200] [--on FAMILY ...] [--budget 200] [--processes 2]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import Configuration, Leader
from kdsearch.search.ranking import OUT, OUT_SEEDS
from kdsearch.search.replay import SyntheticWorld, World, simulate
from kdsearch.space import Dimension
from kdsearch.tasks.base import Scalar

from .worlds import families

LOOKS = range(20, 1000, 20)
EQUAL = 1e-9
FAMILIES = (
    "equal",
    "independent-s1-r0",
    "independent-s3-r0",
    "smooth-s0.5-r0",
    "smooth-s1-r0",
    "smooth-s3-r0.3",
    "left-tailed-s1-r0",
    "left-tailed-s3-r0.3",
    "jhmdb",
    "jhmdb-surrogate",
    "enduro",
    "pong",
)


class EqualWorld(SyntheticWorld):
    """A smooth world flattened until nothing but noise is left."""

    def truth(self, params: Mapping[str, Scalar]) -> float:
        """See ``World.truth``."""
        return EQUAL * super().truth(params)

    def run(self, params: Mapping[str, Scalar], seed: int) -> float:
        """See ``World.run``."""
        return super().run(params, seed) - (1 - EQUAL) * super().truth(params)


class Watched(AdaptivePolicy):
    """The product's policy; at each look it notes which configurations would be shown as out."""

    def __init__(self, space: Mapping[str, Dimension], seed: int, budget: int) -> None:
        super().__init__(space, seed, budget)
        self.budget = budget
        self.looks: list[tuple[int, frozenset[int], int]] = []

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """Those with results, those shown as out, and how many could be; as status sees them, by a fresh model."""
        summaries = AdaptivePolicy(self.encoding.space, self.seed, self.budget).summaries(tried)
        shown = [row for row in summaries if len(tried[row.position].objectives) >= OUT_SEEDS]
        out = frozenset(row.position for row in shown if row.better < OUT)
        self.looks.append((len(tried), out, len(shown)))
        self.tried = tried
        return Leader(summaries[0].position, summaries[0].estimate)


def study(family: str, budget: int, index: int) -> tuple[bool, float]:
    """Whether the best tried configuration was out at any look, and the share that was out at the last."""
    world: World = EqualWorld("smooth", 1.0, 0.0, index) if family == "equal" else families()[family](index)
    policy = Watched(world.space, index, budget)
    simulate(policy, world, budget, checkpoints=LOOKS)
    truths = np.array([world.truth(row.params) for row in policy.tried])
    wrong = any(int(np.argmax(truths[:tried])) in out for tried, out, _ in policy.looks)
    _, last, could = policy.looks[-1]
    return wrong, len(last) / max(1, could)


def main() -> None:
    """Simulate and print one line a family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--on", nargs="+", default=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print(
        f"best tried setting shown as out (chance below {OUT:g}) at any look up to {arguments.budget} runs; goal: 5 %"
    )
    for line in lines(arguments.on, arguments.worlds, arguments.budget, arguments.processes):
        print(line, flush=True)


def lines(on: Sequence[str], worlds: int, budget: int, processes: int) -> Iterator[str]:
    """One line a family, as it is done."""
    with ProcessPoolExecutor(processes) as pool:
        for family in on:
            found = list(pool.map(partial(study, family, budget), range(worlds), chunksize=4))
            wrong = sum(row[0] for row in found)
            low, high = proportion_confint(wrong, worlds, method="beta")
            share = 100 * math.fsum(row[1] for row in found) / worlds
            yield (
                f"{family:20s} {100 * wrong / worlds:5.1f} % of {worlds} studies "
                f"[{100 * low:.1f}, {100 * high:.1f}]; at the end {share:.0f} % of settings with two seeds are out"
            )


if __name__ == "__main__":
    main()
