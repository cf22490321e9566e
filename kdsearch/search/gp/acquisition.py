"""Worth of one more run for the decision: augmented expected improvement, of a new configuration or a further seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def augmented_improvement(mean: Floats, sd: Floats, reference: float, noise_sd: float) -> Floats:
    """Expected improvement on ``reference`` times the share that a noisy run can tell of it; ``[n]`` each.

    ``AEI = [(mu - mu*) Phi(z) + s phi(z)] (1 - s_e / sqrt(s^2 + s_e^2))``, ``z = (mu - mu*) / s`` (Huang, Allen, Notz
    and Zeng 2006, Journal of Global Optimization 34:441, equation 7, for maximisation). The second factor is what
    tells a further seed of a known configuration (small s) from a first seed elsewhere.
    """
    gain = mean - reference
    z = gain / sd
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray((gain * ndtr(z) + sd * density) * (1 - noise_sd / np.hypot(sd, noise_sd)))


def after_run(covariance: Floats, position: int, noise_variance: float) -> Floats:
    """Covariance ``[n, n]`` once a run at ``position`` will have ended; its value is not known, the means stay.

    ``S - S_a S_a' / (S_aa + s_e^2)`` (Ginsbourger, Le Riche and Carraro 2010; Desautels, Krause and Burdick 2014):
    what is in flight makes its neighbourhood less worth a further run.
    """
    column = covariance[:, position]
    return np.asarray(covariance - np.outer(column, column) / (column[position] + noise_variance))


def expected_gain(
    mean: Floats, covariance: Floats, draws: np.random.Generator, reference: float | None = None, samples: int = 512
) -> float:
    """Expected true value of the best of ``n`` configurations, less the ``reference`` mean: what is left to find.

    ``E[max_i theta_i] - reference`` (the highest mean, where none is given) by ``samples`` joint draws of
    ``N(mean, covariance)``; never below 0.
    """
    lower = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(mean)) * max(1.0, float(np.diag(covariance).max())))
    best = (mean[:, None] + lower @ draws.standard_normal((len(mean), samples))).max(axis=0)
    return max(0.0, float(best.mean() - (mean.max() if reference is None else reference)))
