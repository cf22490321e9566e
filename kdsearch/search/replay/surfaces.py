"""Random truths over the unit cube, with mean 0 and sd 1 over the space: the hills of the synthetic worlds."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import qmc

from kdsearch.search.replay.draws import normal

Floats = np.ndarray[Any, np.dtype[np.float64]]
Surface = Callable[[Floats], Floats]

SAMPLE = 4096
ACTIVE = 2
_FEATURES = 256
_SHORTEST, _LONGEST = 0.25, 1.0
_SKEW = 0.8


@lru_cache(maxsize=8)
def sample(dims: int) -> Floats:
    """Fixed points ``[4096, dims]`` of the unit cube: a scrambled Sobol sequence."""
    points: Floats = qmc.Sobol(dims, seed=1).random(SAMPLE)
    points.setflags(write=False)
    return points


def independent(key: int) -> Surface:
    """Each point is a draw of its own, N(0, 1): no neighbour tells anything of it."""

    def surface(unit: Floats) -> Floats:
        return np.array([normal(key, "truth", *row) for row in unit.tolist()], dtype=np.float64)

    return surface


def smooth(key: int, dims: int, active: int = ACTIVE) -> Surface:
    """A random function of ``active`` of the ``dims`` coordinates with Matern 5/2 covariance.

    Random Fourier features (Rahimi and Recht 2007): ``sum_f w_f cos(omega_f . x / l + phase_f)`` with 256 features,
    ``w`` normal, ``omega`` multivariate t with 5 degrees of freedom, which is the spectrum of Matern 5/2 (Rasmussen and
    Williams 2006, 4.2.1). Length scales are log-uniform from 0.25 to 1. Scaled to mean 0 and sd 1 on :func:`sample`.
    """
    rng = np.random.default_rng([key, 1])
    chosen = rng.choice(dims, size=active, replace=False)
    lengths = np.exp(rng.uniform(math.log(_SHORTEST), math.log(_LONGEST), active))
    omega = rng.standard_normal((active, _FEATURES)) / np.sqrt(rng.chisquare(5, _FEATURES) / 5) / lengths[:, None]
    phase, weight = rng.uniform(0, 2 * math.pi, _FEATURES), rng.standard_normal(_FEATURES)
    return standardised(lambda unit: np.cos(unit[:, chosen] @ omega + phase) @ weight, dims)


def left_tailed(key: int, dims: int, active: int = ACTIVE) -> Surface:
    """Most configurations near a plateau, few good ones above it, and a long tail of bad ones.

    ``-exp(-0.8 g)`` of a smooth ``g`` with sd 1, standardised. On average over such functions the skewness is -1.6, the
    best 5 % lie 1.0 and the worst of 129 lies 3.7 from the mean; of 129 configurations recorded on JHMDB poses (16
    seeds, noise taken out) the skewness is -1.5, the best 5 % lie 0.9 and the worst lies 3.5 from it.
    """
    inner = smooth(key, dims, active)
    return standardised(lambda unit: -np.exp(-_SKEW * inner(unit)), dims)


def standardised(surface: Surface, dims: int) -> Surface:
    """``surface``, shifted and scaled to mean 0 and sd 1 on :func:`sample`."""
    values = surface(sample(dims))
    centre, sd = float(values.mean()), float(values.std())
    return lambda unit: (surface(unit) - centre) / sd
