"""What a seed does to all configurations alike: its variance, and the correlation of two configurations on one seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from kdsearch.statistics.summaries import Floats


@dataclass(frozen=True)
class SeedEffect:
    """Variances of the seed effect and of what is left, in squared units of the values, and ``rho`` with its interval.

    ``rho = seed_variance / (seed_variance + residual_variance)`` is the correlation of two configurations over common
    seeds: pairing needs ``1 - rho`` times the seeds that unpaired comparison needs. Nothing is clipped: true zeros are
    estimated below zero half of the time, and a negative ``rho`` is possible. All are ``nan`` where
    configurations share too few seeds to tell; ``low`` and ``high`` also where nothing is left unexplained, and where
    the seeds explain nothing at all: there the interval shrinks to its edge, a point that no data could support.
    """

    configurations: int
    seeds: int
    runs: int
    seed_variance: float
    residual_variance: float
    rho: float
    low: float
    high: float

    @property
    def seed_sd(self) -> float:
        """Standard deviation of the seed effect; 0 where the estimated variance is negative."""
        return self.seed_variance if math.isnan(self.seed_variance) else math.sqrt(max(0.0, self.seed_variance))

    @property
    def residual_sd(self) -> float:
        """Standard deviation over seeds that configurations do not share."""
        return math.sqrt(self.residual_variance)


def seed_table(samples: Sequence[Mapping[int, float]]) -> Floats:
    """Return ``[k, s]`` values of configurations by rising seed, ``nan`` where a seed was not run."""
    seeds = {seed: column for column, seed in enumerate(sorted({seed for sample in samples for seed in sample}))}
    table = np.full((len(samples), len(seeds)), math.nan)
    for row, sample in enumerate(samples):
        for seed, value in sample.items():
            table[row, seeds[seed]] = value
    return table


def seed_effect(table: ArrayLike, confidence: float = 0.95) -> SeedEffect:
    """Estimate the seed effect and paired correlation from ``[k, s]`` values, ``nan`` where a seed was not run.

    Model: ``y_ij = theta_i + b_j + e_ij`` with fixed ``theta``, ``b ~ N(0, s_b^2)``, ``e ~ N(0, s_e^2)``. With ``SS_b``
    the reduction of the sum of squares by seeds after configurations and ``r`` its rank: ``s_e^2 = SSE / (N - k - r)``,
    ``s_b^2 = (SS_b - r s_e^2) / (N - k)`` (Henderson 1953, method 3; the analysis of variance where all cells are run).

    Interval of ``rho``: exact for normal values, full table or not (Wald 1940; for the full table McGraw and Wong
    1996). ``C`` is the seeds' information matrix after configurations, ``d`` its nonzero eigenvalues, ``w`` the seed
    contrasts scaled to variance ``s_e^2 + d s_b^2``: ``sum(w^2 / (1 + d lambda)) / (r s_e^2)`` follows F(r, N - k - r)
    at the true ``lambda = s_b^2 / s_e^2``. Raises ``ValueError`` unless the table has two axes and no infinite value.
    """
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or np.isinf(values).any():
        raise ValueError(
            f"expected finite values [configurations, seeds] with nan for missing runs; got shape {values.shape}"
        )
    values = values[np.isfinite(values).any(axis=1)][:, np.isfinite(values).any(axis=0)]
    ran = np.isfinite(values)
    k, s, runs = values.shape[0], values.shape[1], int(ran.sum())
    strengths, contrasts, total = _contrasts(values, ran)
    between = float(contrasts @ contrasts)
    rank = strengths.size
    df = runs - k - rank
    if rank == 0 or df == 0:
        return SeedEffect(k, s, runs, *[math.nan] * 5)
    rest = total - between
    if rest <= 1e-12 * total:  # rounding of a perfect sum of the two effects
        rest = 0.0
    residual = rest / df
    seed = (between - rank * residual) / (runs - k)
    if residual == 0:
        return SeedEffect(k, s, runs, seed, residual, 1.0 if seed > 0 else math.nan, math.nan, math.nan)
    if between <= 1e-12 * total:
        return SeedEffect(k, s, runs, seed, residual, seed / (seed + residual), math.nan, math.nan)
    tail = (1 - confidence) / 2
    low, high = (
        _ratio(strengths, contrasts**2 / (rank * residual), float(special.fdtri(rank, df, level)))
        for level in (1 - tail, tail)
    )
    return SeedEffect(k, s, runs, seed, residual, seed / (seed + residual), low / (1 + low), high / (1 + high))


def _contrasts(values: Floats, ran: NDArray[np.bool_]) -> tuple[Floats, Floats, float]:
    """Return eigenvalues ``[r]``, scaled seed contrasts ``[r]`` and the sum of squares within configurations."""
    cells = ran.astype(np.float64)
    counts = cells.sum(axis=1, keepdims=True)
    filled = np.where(ran, values, 0.0)
    within = np.where(ran, filled - filled.sum(axis=1, keepdims=True) / np.maximum(counts, 1), 0.0)
    within[np.abs(within) <= 1e-12 * np.abs(filled).max(initial=1.0)] = 0.0  # rounding of equal values is no spread
    information = np.diag(cells.sum(axis=0)) - cells.T @ (cells / np.maximum(counts, 1))
    strengths, vectors = np.linalg.eigh(information)
    seen = strengths > 1e-9 * max(1.0, float(strengths.max(initial=0.0)))
    strengths, vectors = strengths[seen], vectors[:, seen]
    return strengths, vectors.T @ within.sum(axis=0) / np.sqrt(strengths), float(np.sum(within**2))


def _ratio(strengths: Floats, squares: Floats, target: float) -> float:
    """Return the ``lambda`` with ``sum(squares / (1 + strengths lambda)) = target``; the sum falls in ``lambda``."""
    relative = strengths / strengths.max()
    low, high = -40.0, 40.0  # of the logarithm of 1 + lambda * max(strengths)
    for _ in range(100):
        middle = (low + high) / 2
        if float(np.sum(squares / (1 - relative + relative * math.exp(middle)))) > target:
            low = middle
        else:
            high = middle
    return math.expm1((low + high) / 2) / float(strengths.max())
