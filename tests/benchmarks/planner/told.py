"""What a better prior could still gain on the JHMDB table: the planner, told the hyperparameters of the whole table.

They are fitted to all recorded runs (129 configurations x 16 seeds) and then held; the planner as it is must find its
own from the runs it has made. Beside both, TPE with 5 seeds each. Regret of the leader in tau, over the same worlds.

    python -m tests.benchmarks.planner.told [--worlds 200] [--processes 2]
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial

import numpy as np

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.mixed_model import Runs
from kdsearch.search.gp.model import Models
from kdsearch.search.gp.posterior import Hyperparameters
from kdsearch.search.gp.priors import SEARCH_PRIOR
from kdsearch.search.gp.threads import one_thread
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.replay import simulate

from .policies import policies
from .summary import Floats, mean
from .worlds import jhmdb, recorded

LOOKS = (40, 66, 100, 133, 166, 200)
NAMES = ("as it is", "told", "tpe_x5")


class Held(Models):
    """Hyperparameters that no run changes."""

    def __init__(self, theta: Hyperparameters, rho: float) -> None:
        super().__init__(theta.log_lengths.size, SEARCH_PRIOR)
        self.theta, self.rho = theta, rho

    def _fit(self, runs: Runs, squared: Floats) -> None:
        self.fitted_to = runs.values.size


@lru_cache(maxsize=1)
def whole() -> tuple[Hyperparameters, float]:
    """Hyperparameters and the share that seeds have in common, of the whole table."""
    table = jhmdb()
    points = Encoding(table.space).unit(table.params)
    models = Models(points.shape[1], SEARCH_PRIOR)
    models.of([dict(enumerate(row)) for row in table.values.tolist()], Encoding(table.space).squared(points, points))
    return models.theta, models.rho


def regrets(name: str, index: int) -> list[float]:
    """Regret in tau at each look of one search."""
    world = recorded("jhmdb", index)
    one_thread()
    if name == "tpe_x5":
        policy = policies()[name](world.space, index, LOOKS[-1])
    else:
        policy = AdaptivePolicy(world.space, index)
        if name == "told":
            policy._searching = Held(*whole())
    trace = simulate(policy, world, LOOKS[-1], checkpoints=LOOKS)
    return [(world.best - float(truth)) / world.tau for truth in trace.truth]


def main() -> None:
    """Print one line a policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{'regret in tau at':16s}" + "".join(f"{f'{runs} runs':>20}" for runs in LOOKS))
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name in NAMES:
            found = np.array(list(pool.map(partial(regrets, name), range(arguments.worlds), chunksize=4)))
            print(f"{name:16s}" + "".join(f"{mean(column)!s:>20}" for column in found.T), flush=True)


if __name__ == "__main__":
    main()
