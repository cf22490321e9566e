"""From settings with seeds to a posterior in the units of the objective."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kdsearch.search.posterior import Hyperparameters
from kdsearch.search.posterior import Posterior
from kdsearch.search.posterior import fit
from kdsearch.search.posterior import objective
from kdsearch.search.reduction import Runs
from kdsearch.search.reduction import reduce

Floats = NDArray[np.float64]

RHOS = ((0.0, 0.3), (0.05, 0.2), (0.1, 0.2), (0.2, 0.15), (0.3, 0.1), (0.45, 0.05))
"""Shares of the noise that a seed has in common for all settings, with prior probabilities."""

SHARED = 4
"""From so many settings with two seeds on, that share is estimated; before it is 0."""

REFIT = 1.25
SQUASH = 0.0
"""Hyperparameters are fitted again when the runs have grown by a quarter (or shrunk: of very many, some are taken)."""


@dataclass(frozen=True)
class Model:
    """The posterior of ``k`` settings, in standardised units; ``centre`` and ``scale`` lead back to the objective."""

    posterior: Posterior
    rho: float
    centre: float
    scale: float

    def raw(self, standardised: float) -> float:
        """A value in units of the objective."""
        return self.centre + self.scale * standardised

    @property
    def noise_variance(self) -> float:
        """Variance of a run that is a setting's own: without what its seed does to all."""
        return (1 - self.rho) * self.posterior.theta.noise


class Models:
    """Fits models as runs come in. What it keeps is a cache: hyperparameters to start from."""

    def __init__(self, dimensions: int) -> None:
        self.theta = Hyperparameters.prior(dimensions)
        self.rho = 0.0
        self.fitted_to = 0

    def of(self, objectives: Sequence[Mapping[int, float]], squared: Floats) -> Model:
        """The posterior from ``objectives[i][seed]``, at least one each, and squared distances ``[d, k, k]``."""
        runs = Runs.of(objectives)
        centre = float(np.median(runs.values))
        scale = float(runs.values.std()) or 1.0
        values = (runs.values - centre) / scale
        if SQUASH:
            u = 1.4826 * float(np.median(values[values >= 0])) or 1.0
            z = np.maximum(-values / u - SQUASH, 0)
            values = np.where(z > 0, -u * (SQUASH + np.log1p(z)), values)
        runs = Runs(values, runs.setting, runs.seed, runs.k, runs.seeds)
        if not self.fitted_to / REFIT < runs.values.size < REFIT * self.fitted_to:
            self._fit(runs, squared)
        return Model(Posterior.of(squared, reduce(runs, self.rho), self.theta), self.rho, centre, scale)

    def _fit(self, runs: Runs, squared: Floats) -> None:
        repeated = int(np.count_nonzero(np.bincount(runs.setting, minlength=runs.k) >= 2))
        if repeated >= SHARED:
            self.theta, _ = fit(squared, reduce(runs, self.rho), self.theta)
            self.rho = max(RHOS, key=lambda pair: self._evidence(runs, squared, *pair))[0]
        self.theta, _ = fit(squared, reduce(runs, self.rho), self.theta)
        self.fitted_to = runs.values.size

    def _evidence(self, runs: Runs, squared: Floats, rho: float, prior: float) -> float:
        data = reduce(runs, rho)
        value, _ = objective(self.theta.vector(), squared, data)
        return math.log(prior) - value - 0.5 * data.log_det
