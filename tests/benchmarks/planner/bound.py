"""What can be had at all where no configuration tells of another: a policy that is told noise and spread beforehand.

Configurations are independent draws of N(0, 1), runs of them have noise sd sigma, and the policy knows both: its
posterior is exact, and runs are chosen by augmented expected improvement as the planner chooses them. Its leader after
``runs`` runs stands beside the best of ``reference`` / 5 configurations by the mean of 5 seeds: TPE with 5 seeds can do
no better there.

    python -m tests.benchmarks.planner.bound [--runs 66] [--reference 200] [--worlds 1000]
"""

from __future__ import annotations

import argparse

import numpy as np

from kdsearch.search.gp.acquisition import augmented_improvement

from .summary import Estimate, mean

SIGMAS = (0.5, 1.0, 2.0, 3.0)
SEEDS = 5


def informed(sigma: float, runs: int, draws: np.random.Generator) -> float:
    """True value of the leader of one search."""
    truths, counts, sums = np.empty(runs), np.zeros(runs), np.zeros(runs)
    tried = 0
    for _ in range(runs):
        # The configurations so far, and one that is new: prior mean 0, variance 1.
        n = np.append(counts[:tried], 0.0)
        means = np.append(sums[:tried], 0.0) / (n + sigma**2)
        sds = np.sqrt(sigma**2 / (n + sigma**2))
        known = means[:tried] - sds[:tried]
        reference = float(means[int(np.argmax(known))]) if tried else 0.0
        pick = int(np.argmax(augmented_improvement(means, sds, reference, sigma)))
        if pick == tried:
            truths[pick] = draws.standard_normal()
            tried += 1
        sums[pick] += truths[pick] + sigma * draws.standard_normal()
        counts[pick] += 1
    return float(truths[int(np.argmax(sums[:tried] / (counts[:tried] + sigma**2)))])


def five_seeds(sigma: float, runs: int, draws: np.random.Generator) -> float:
    """True value of the configuration with the best mean of 5 seeds."""
    truths = draws.standard_normal(runs // SEEDS)
    seen = truths + sigma / SEEDS**0.5 * draws.standard_normal(truths.size)
    return float(truths[int(np.argmax(seen))])


def compare(sigma: float, runs: int, reference: int, worlds: int) -> tuple[Estimate, Estimate]:
    """Mean true values of both, over ``worlds`` worlds."""
    draws = np.random.default_rng([worlds, runs])
    first = np.array([informed(sigma, runs, draws) for _ in range(worlds)])
    second = np.array([five_seeds(sigma, reference, draws) for _ in range(worlds)])
    return mean(first), mean(second)


def main() -> None:
    """Print one line a noise level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=66)
    parser.add_argument("--reference", type=int, default=200)
    parser.add_argument("--worlds", type=int, default=1000)
    arguments = parser.parse_args()
    print("true value of the leader, in sds of the settings:")
    print(f"informed after {arguments.runs} runs, 5 seeds each after {arguments.reference}")
    for sigma in SIGMAS:
        ours, theirs = compare(sigma, arguments.runs, arguments.reference, arguments.worlds)
        print(f"sigma {sigma:3g}   informed {ours}   5 seeds each {theirs}", flush=True)


if __name__ == "__main__":
    main()
