"""What it is worth to know of folds: the planner with and without an effect of the fold common to all configurations.

Every run's fold follows from its seed. Worlds have the spread of JHMDB poses, where one sd of the configurations'
truths is 0.012 mAP: seeds spread with 0.02 (on the recorded table as they did), and five folds with ``--sd``, less
their mean, so that truths stay what they are. The planner without the effect takes the folds in the same turn. Regret
is in sds of the configurations; *said - true*: estimate of the leader less its truth at the end, its mean and its sd
over worlds.

    python -m tests.benchmarks.planner.folds [--worlds 40] [--on smooth jhmdb] [--sd 0.05 0] [--runs 120]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from kdsearch.search.gp.threads import one_thread
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.replay import SyntheticWorld, World, simulate
from kdsearch.search.replay.draws import normal
from kdsearch.search.replay.synthetic import KINDS
from kdsearch.search.replay.world import Place
from kdsearch.space import Dimension
from kdsearch.tasks.base import Scalar

from .summary import Floats, mean
from .worlds import recorded

FOLDS = 5
SETTINGS, SEEDS = 0.012, 0.02
LOOKS = (20, 40, 66, 90, 120)
FAMILIES = ("smooth", "left-tailed", "independent", "jhmdb")


class Folded:
    """A world whose runs have folds: with ``f = seed mod K`` comes ``b_f - mean(b)``, ``b_f ~ N(0, sd^2)``."""

    def __init__(self, world: World, sd: float, seed: int, folds: int = FOLDS) -> None:
        self.world = world
        self.name, self.space, self.best = world.name, world.space, world.best
        self.sigma, self.tau, self.rho = world.sigma, world.tau, world.rho
        effects = sd * np.array([normal(seed, "fold", number) for number in range(folds)])
        self.effects: Floats = effects - effects.mean()

    def truth(self, params: Mapping[str, Scalar]) -> float:
        """The mean of ``run`` over seeds, hence over the folds."""
        return self.world.truth(params)

    def run(self, params: Mapping[str, Scalar], seed: int) -> float:
        """See ``World.run``."""
        return self.world.run(params, seed) + float(self.effects[seed % self.effects.size])

    def cost(self, params: Mapping[str, Scalar], seed: int) -> float:
        """See ``World.cost``."""
        return self.world.cost(params, seed)

    def placement(self) -> Place:
        """See ``World.placement``."""
        return self.world.placement()


class Unaware(AdaptivePolicy):
    """The planner whose first seeds meet the folds in turn, and who takes what a fold does to all for noise."""

    def __init__(self, space: Mapping[str, Dimension], seed: int, budget: int, folds: int) -> None:
        super().__init__(space, seed, budget)
        self._aware = AdaptivePolicy(space, seed, budget, folds=folds)

    def first_seed(self, number: int) -> int:
        return self._aware.first_seed(number)


def world(family: str, index: int, sd: float) -> Folded:
    """The index-th world of a family, with folds of this sd in mAP."""
    made: dict[str, World] = {
        kind: SyntheticWorld(kind, SEEDS / SETTINGS, 0.0, index) for kind in KINDS if kind == family
    }
    return Folded(made.get(family) or recorded(family, index), sd / SETTINGS, index)


def search(family: str, sd: float, runs: int, index: int, *, aware: bool) -> tuple[Floats, float]:
    """Regret of the leader at each look, and what is said of it less its truth at the last."""
    one_thread()
    folded = world(family, index, sd)
    policy = (
        AdaptivePolicy(folded.space, index, runs, folds=FOLDS) if aware else Unaware(folded.space, index, runs, FOLDS)
    )
    trace = simulate(policy, folded, runs, checkpoints=looks(runs))
    return (folded.best - trace.truth) / folded.tau, float(trace.estimate[-1] - trace.truth[-1])


def looks(runs: int) -> list[int]:
    """After how many runs the leader is asked for."""
    return [*(look for look in LOOKS if look < runs), runs]


def main(given: Sequence[str] | None = None) -> None:
    """Print three lines a family and an sd: with the effect, without, and the paired difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="index of the first world")
    parser.add_argument("--on", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--sd", nargs="+", type=float, default=[0.05, 0.0])
    parser.add_argument("--runs", type=int, default=LOOKS[-1])
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args(given)
    worlds = range(arguments.first, arguments.first + arguments.worlds)
    print(f"{'regret at':30s}" + "".join(f"{f'{look} runs':>21}" for look in looks(arguments.runs)) + "  said - true")
    with ProcessPoolExecutor(arguments.processes) as pool:
        for family in arguments.on:
            for sd in arguments.sd:
                regrets = {}
                for name, aware in (("with", True), ("without", False)):
                    one = partial(search, family, sd, arguments.runs, aware=aware)
                    found = list(pool.map(one, worlds, chunksize=4))
                    regrets[name] = np.array([regret for regret, _ in found])
                    off = np.array([excess for _, excess in found])
                    title = f"{family}, folds {sd:g}, {name}"
                    print(f"{title:30s}{_row(regrets[name])}  {off.mean():+.2f} sd {off.std():.2f}", flush=True)
                print(f"{'  with - without':30s}{_row(regrets['with'] - regrets['without'])}", flush=True)


def _row(values: Floats) -> str:
    return "".join(f"{mean(column)!s:>21}" for column in values.T)


if __name__ == "__main__":
    main()
