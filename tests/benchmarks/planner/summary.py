"""From stored searches to figures with intervals: regret, inflation, runs to reach a regret, paired differences.

Every interval is a 95 % percentile bootstrap over worlds; where two policies are compared, over the worlds that both
have been in, each drawn together for both.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

Floats = np.ndarray[Any, np.dtype[np.float64]]
RESAMPLES = 2000


@dataclass(frozen=True)
class Curves:
    """The searches of one policy in one family of worlds: n worlds, C checkpoints.

    ``index`` [n]: which worlds. ``runs`` [C]. ``regret`` [n, C]: best truth minus the leader's, in tau. ``inflation``
    [n, C]: the leader's estimate minus its truth, in sigma. ``seeds`` [n, C]: of the leader. ``wall``: mean seconds of
    a whole search.
    """

    index: tuple[int, ...]
    runs: tuple[int, ...]
    regret: Floats
    inflation: Floats
    seeds: Floats
    wall: float

    def at(self, values: Floats, runs: int) -> Floats:
        """The column of a checkpoint."""
        column: Floats = values[:, self.runs.index(runs)]
        return column

    def of(self, index: Iterable[int]) -> Curves:
        """The same for some of the worlds, in the order given."""
        rows = [self.index.index(i) for i in index]
        return Curves(tuple(index), self.runs, self.regret[rows], self.inflation[rows], self.seeds[rows], self.wall)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def gather(rows: Iterable[Mapping[str, Any]], workers: int = 1) -> dict[tuple[str, str], Curves]:
    """(world, policy) to curves, from the rows that ``measure`` stores; of several of one search the longest counts.

    Checkpoints are those that every search of the pair has.
    """
    kept: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        if "error" in row or row["workers"] != workers:
            continue
        found = kept[row["world"], row["policy"]]
        if row["index"] not in found or len(found[row["index"]]["runs"]) < len(row["runs"]):
            found[row["index"]] = row
    return {pair: _curves(found) for pair, found in kept.items()}


def _curves(found: Mapping[int, Mapping[str, Any]]) -> Curves:
    index = sorted(found)
    shared = sorted(set.intersection(*(set(found[i]["runs"]) for i in index)))

    def column(name: str, row: Mapping[str, Any]) -> Floats:
        by_runs = dict(zip(row["runs"], row[name], strict=True))
        return np.array([by_runs[runs] for runs in shared], dtype=np.float64)

    rows = [found[i] for i in index]
    return Curves(
        index=tuple(index),
        runs=tuple(shared),
        regret=np.array([(row["best"] - column("truth", row)) / row["tau"] for row in rows]),
        inflation=np.array([(column("estimate", row) - column("truth", row)) / row["sigma"] for row in rows]),
        seeds=np.array([column("seeds", row) for row in rows]),
        wall=float(np.mean([row["wall"] for row in rows])),
    )


def mean(values: Floats) -> Estimate:
    """Mean of ``[n]`` values, one a world."""
    return _estimate(float(values.mean()), _weights(values.size) @ values)


def paired(ours: Curves, peer: Curves, runs: int) -> Estimate:
    """Mean difference of regret, ours minus the peer's, over the worlds that both have been in."""
    common = [i for i in ours.index if i in set(peer.index)]
    first, second = ours.of(common), peer.of(common)
    return mean(first.at(first.regret, runs) - second.at(second.regret, runs))


def runs_needed(ours: Curves, reference: Curves, runs: int) -> Estimate:
    """How many runs our mean regret needs to come down to the reference's mean regret at ``runs``.

    Mean regrets between checkpoints are interpolated, after isotonic regression of both curves so that a lucky
    checkpoint counts neither as arrival nor as target. Infinite where the last checkpoint is still above; at or below
    the first checkpoint it is that checkpoint's number, an upper bound. Both curves are drawn from the same worlds in
    each resample.
    """
    common = [i for i in ours.index if i in set(reference.index)]
    first, second = ours.of(common), reference.of(common)
    weights = _weights(len(common))
    column = second.runs.index(runs)

    def needed(curve: Floats, target: Floats) -> float:
        return _arrival(first.runs, curve, float(_falling(target)[column]))

    drawn = [needed(*pair) for pair in zip(weights @ first.regret, weights @ second.regret, strict=True)]
    return _estimate(needed(first.regret.mean(0), second.regret.mean(0)), np.array(drawn))


def _falling(curve: Floats) -> Floats:
    values: Floats = isotonic_regression(curve, increasing=False).x
    return values


def _arrival(runs: tuple[int, ...], curve: Floats, target: float) -> float:
    falling = _falling(curve)
    below = np.flatnonzero(falling <= target + 1e-12)
    if below.size == 0:
        return math.inf
    last = int(below[0])
    if last == 0:
        return float(runs[0])
    share = (falling[last - 1] - target) / (falling[last - 1] - falling[last])
    return float(runs[last - 1] + share * (runs[last] - runs[last - 1]))


def _weights(n: int) -> Floats:
    """Resamples of n worlds as weights ``[RESAMPLES, n]``; the same for the same n, so that figures can be repeated."""
    counts = np.random.default_rng(n).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    weights: Floats = counts / n
    return weights


def _estimate(value: float, drawn: Floats) -> Estimate:
    # Without interpolation: between a number and "never" there is no other number.
    low, high = np.quantile(drawn, [0.025, 0.975], method="closest_observation")
    return Estimate(value, float(low), float(high))
