"""All runs reduced to one value and one noise matrix over settings, without loss: Henderson's mixed-model equations."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Runs:
    """Ended runs of ``k`` settings and ``J`` seeds: ``values [N]``, ``setting [N]`` and ``seed [N]`` (positions)."""

    values: Floats
    setting: NDArray[np.intp]
    seed: NDArray[np.intp]
    k: int
    seeds: int

    @staticmethod
    def of(objectives: Sequence[Mapping[int, float]]) -> Runs:
        """Gather ``objectives[i][seed]``; every setting must have a value."""
        seeds = {seed: j for j, seed in enumerate(sorted({seed for row in objectives for seed in row}))}
        triples = [(value, i, seeds[seed]) for i, row in enumerate(objectives) for seed, value in row.items()]
        values, setting, seed = zip(*triples, strict=True)
        return Runs(
            np.array(values, dtype=np.float64),
            np.array(setting, dtype=np.intp),
            np.array(seed, dtype=np.intp),
            len(objectives),
            len(seeds),
        )


@dataclass(frozen=True)
class Reduced:
    """What the runs say of the settings' true values, in units of the noise variance ``s2`` (seed effects included).

    ``means [k]``: generalized least squares estimates. ``noise [k, k]``: their covariance divided by ``s2``.
    ``within``: weighted sum of squares around them, ``Q``. ``log_det``: ``log|V0| + log|M|``, what the likelihood
    of ``rho`` needs beside them. ``runs``: ``N``.
    """

    means: Floats
    noise: Floats
    within: float
    log_det: float
    runs: int


def reduce(runs: Runs, rho: float) -> Reduced:
    """Reduce runs to settings where seeds have a common effect that is the share ``rho`` of the noise variance.

    Model ``y_ij = theta_i + b_j + e_ij``, ``b_j ~ N(0, rho s2)``, ``e_ij ~ N(0, (1 - rho) s2)``. With ``C_ij = 1``
    where setting i ran seed j, ``c_j = sum_i C_ij`` and ``D = diag(c_j + (1 - rho) / rho)``:

    ``M = (diag(n) - C D^-1 C') / (1 - rho)``, ``means = M^-1 (Y_i. - C D^-1 Y_.j) / (1 - rho)``, ``noise = M^-1``

    (Henderson 1950; Searle, Casella and McCulloch 1992, chapter 7). ``rho = 0``: means, ``diag(1 / n_i)``.
    """
    n = np.bincount(runs.setting, minlength=runs.k).astype(np.float64)
    totals = np.bincount(runs.setting, runs.values, runs.k)
    squares = float(runs.values @ runs.values)
    if rho == 0:
        means = totals / n
        log_det = float(np.log(n).sum())
        return Reduced(means, np.diag(1 / n), squares - float(n @ means**2), log_det, runs.values.size)
    c = np.bincount(runs.seed, minlength=runs.seeds).astype(np.float64)
    by_seed = np.bincount(runs.seed, runs.values, runs.seeds)
    inverse_d = 1 / (c + (1 - rho) / rho)
    incidence = np.zeros((runs.k, runs.seeds))
    incidence[runs.setting, runs.seed] = 1.0
    m = (np.diag(n) - (incidence * inverse_d) @ incidence.T) / (1 - rho)
    noise = np.linalg.inv(m)
    noise = (noise + noise.T) / 2
    means = noise @ (totals - incidence @ (inverse_d * by_seed)) / (1 - rho)
    explained = squares - float(by_seed @ (inverse_d * by_seed))
    within = explained / (1 - rho) - float(means @ m @ means)
    log_v0 = runs.values.size * np.log1p(-rho) + float(np.log1p(rho * c / (1 - rho)).sum())
    log_det = log_v0 + float(np.linalg.slogdet(m)[1])
    return Reduced(means, noise, within, log_det, runs.values.size)
