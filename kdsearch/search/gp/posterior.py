"""One model of all runs: neighbouring configurations tell of each other, each configuration keeps what is its own.

``y_ij = m + g(x_i) + r_i + b_j + e_ij`` for configuration i and seed or fold j: ``g`` a Gaussian process with a
Matern-5/2 kernel and one length scale a dimension, ``r_i ~ N(0, tr2)`` the configuration's own part, ``b_j`` and
``e_ij`` as in ``mixed_model`` (what a fold does to one configuration alone is part of ``e_ij``), ``m ~ N(0, 4)``. What
is ranked is ``theta_i = m + g(x_i) + r_i``. Values are centred by the median of all runs and scaled by their sd, once
``model`` has drawn their lower tail together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri

from kdsearch.search.gp.mixed_model import Reduced
from kdsearch.search.gp.priors import Prior

Floats = NDArray[np.float64]

MEAN_VARIANCE = 4.0
_JITTER = 1e-8


@dataclass(frozen=True)
class Hyperparameters:
    """``log_lengths [d]`` and logarithms of the variances ``smooth`` (ts2), ``own`` (tr2) and ``noise`` (s2)."""

    log_lengths: Floats
    log_smooth: float
    log_own: float
    log_noise: float

    @property
    def smooth(self) -> float:
        """Variance of the smooth part."""
        return math.exp(self.log_smooth)

    @property
    def own(self) -> float:
        """Variance of a configuration's own part."""
        return math.exp(self.log_own)

    @property
    def noise(self) -> float:
        """Variance of one run, as ``mixed_model`` counts it."""
        return math.exp(self.log_noise)

    def vector(self) -> Floats:
        """All of them as ``[d + 3]``."""
        return np.concatenate([self.log_lengths, [self.log_smooth, self.log_own, self.log_noise]])

    @staticmethod
    def of(vector: Floats) -> Hyperparameters:
        """Back from ``vector``."""
        return Hyperparameters(vector[:-3], float(vector[-3]), float(vector[-2]), float(vector[-1]))


def matern(squared: Floats, log_lengths: Floats) -> Floats:
    """Matern-5/2 correlation ``(1 + a + a^2/3) exp(-a)``, ``a = sqrt(5 sum_d squared_d / l_d^2)``; ``[d, n, m]`` in."""
    a = np.sqrt(5 * np.tensordot(np.exp(-2 * log_lengths), squared, axes=1))
    return np.asarray((1 + a + a * a / 3) * np.exp(-a))


def objective(vector: Floats, squared: Floats, data: Reduced, prior: Prior) -> tuple[float, Floats]:
    """Negative log posterior of the hyperparameters and its gradient ``[d + 3]``.

    ``.5 y'S^-1 y + .5 log|S| + .5 (N - k) log s2 + .5 Q / s2`` minus the log priors, with ``S = ts2 Matern + tr2 I +
    4 + s2 noise`` (Rasmussen and Williams 2006, equations 5.8 and 5.9, for the reduced data). Terms that depend on
    ``rho`` alone are left out.
    """
    theta = Hyperparameters.of(vector)
    d, k = theta.log_lengths.size, data.means.size
    weights = np.exp(-2 * theta.log_lengths)
    a = np.sqrt(5 * np.tensordot(weights, squared, axes=1))
    decay = np.exp(-a)
    smooth = theta.smooth * (1 + a + a * a / 3) * decay
    covariance = smooth + MEAN_VARIANCE + theta.noise * data.noise
    covariance[np.diag_indices(k)] += theta.own + _JITTER
    try:
        lower = cholesky(covariance, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(vector)
    inverse = _inverse(lower)
    alpha = inverse @ data.means
    value = 0.5 * float(data.means @ alpha) + float(np.log(np.diag(lower)).sum())
    value += 0.5 * (data.runs - k) * theta.log_noise + 0.5 * data.within / theta.noise
    pull = inverse - np.outer(alpha, alpha)  # twice the derivative of the first two terms by the covariance
    gradient = np.empty_like(vector)
    slope = 0.5 * pull * (theta.smooth * (5 / 3) * (1 + a) * decay)
    gradient[:d] = np.tensordot(squared, slope, axes=([1, 2], [0, 1])) * weights
    gradient[d] = 0.5 * float(np.sum(pull * smooth))
    gradient[d + 1] = 0.5 * theta.own * float(np.trace(pull))
    gradient[d + 2] = 0.5 * theta.noise * float(np.sum(pull * data.noise))
    gradient[d + 2] += 0.5 * (data.runs - k) - 0.5 * data.within / theta.noise
    widths = prior.widths(d)
    off = (vector - prior.centres(d)) / widths
    return value + 0.5 * float(off @ off), gradient + off / widths


def _inverse(lower: Floats) -> Floats:
    """The inverse of ``lower lower'``, whose upper triangle is 0: half of it is computed, and stands on both sides."""
    half, _ = dpotri(lower, lower=1)
    inverse = np.asarray(half + half.T)
    inverse[np.diag_indices(len(inverse))] /= 2
    return inverse


def fit(
    squared: Floats, data: Reduced, start: Hyperparameters, prior: Prior, steps: int = 20
) -> tuple[Hyperparameters, float]:
    """Hyperparameters of the highest posterior density from ``start``, and its negative logarithm."""
    from scipy.optimize import minimize

    found = minimize(
        objective,
        start.vector(),
        args=(squared, data, prior),
        jac=True,
        method="L-BFGS-B",
        bounds=prior.bounds(start.log_lengths.size),
        options={"maxiter": steps},
    )
    return Hyperparameters.of(found.x), float(found.fun)


@dataclass(frozen=True)
class Posterior:
    """What is believed of ``k`` configurations with results: ``mean [k]`` and ``sd [k]`` of their ``theta``.

    The rest is kept for ``joint``: Cholesky factor ``lower`` of the data's covariance, ``alpha = S^-1 y`` and ``half =
    lower^-1 K`` for the prior covariance ``K`` of the configurations.
    """

    theta: Hyperparameters
    mean: Floats
    sd: Floats
    prior: Floats
    lower: Floats
    half: Floats
    alpha: Floats

    @staticmethod
    def of(squared: Floats, data: Reduced, theta: Hyperparameters) -> Posterior:
        """Condition on the runs: ``mean = K S^-1 y``, ``covariance = K - K S^-1 K`` with ``S = K + s2 noise``."""
        k = data.means.size
        prior = theta.smooth * matern(squared, theta.log_lengths) + MEAN_VARIANCE
        prior[np.diag_indices(k)] += theta.own + _JITTER
        lower = cholesky(prior + theta.noise * data.noise, lower=True, check_finite=False)
        half = solve_triangular(lower, prior, lower=True, check_finite=False)
        alpha = cho_solve((lower, True), data.means, check_finite=False)
        variance = np.maximum(np.diag(prior) - np.einsum("ij,ij->j", half, half), 1e-12)
        return Posterior(theta, prior @ alpha, np.sqrt(variance), prior, lower, half, alpha)

    def against(self, row: int) -> tuple[Floats, Floats]:
        """Mean ``[k]`` and sd ``[k]`` of every configuration's ``theta`` less that of the one at ``row``."""
        covariance = self.prior[row] - self.half[:, row] @ self.half
        variance = self.sd**2 + self.sd[row] ** 2 - 2 * covariance
        return self.mean - self.mean[row], np.sqrt(np.maximum(variance, 1e-12))

    def joint(self, rows: NDArray[np.intp], across: Floats, among: Floats) -> tuple[Floats, Floats]:
        """Mean ``[r + p]`` and covariance of the configurations at ``rows`` and of ``p`` configurations without
        results.

        ``across``: squared distances ``[d, k, p]`` of all configurations and the new ones; ``among``: ``[d, p, p]``.
        """
        new_prior = self.theta.smooth * matern(across, self.theta.log_lengths) + MEAN_VARIANCE
        new_half = solve_triangular(self.lower, new_prior, lower=True, check_finite=False)
        halves = np.concatenate([self.half[:, rows], new_half], axis=1)
        new = self.theta.smooth * matern(among, self.theta.log_lengths) + MEAN_VARIANCE
        new[np.diag_indices(len(new))] += self.theta.own + _JITTER
        between = new_prior[rows]
        before = np.block([[self.prior[np.ix_(rows, rows)], between], [between.T, new]])
        mean = np.concatenate([self.mean[rows], new_prior.T @ self.alpha])
        return mean, before - halves.T @ halves
