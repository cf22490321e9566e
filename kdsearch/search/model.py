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
from kdsearch.search.priors import Prior
from kdsearch.search.reduction import Reduced
from kdsearch.search.reduction import Runs
from kdsearch.search.reduction import reduce

Floats = NDArray[np.float64]

RHOS = ((0.0, 0.3), (0.05, 0.2), (0.1, 0.2), (0.2, 0.15), (0.3, 0.1), (0.45, 0.05))
"""Shares of the noise that a seed has in common for all settings, with prior probabilities."""

SHARED = 4
"""From so many settings with two seeds on, that share is estimated; before it is 0."""

REFIT = 1.25
"""Hyperparameters are fitted again when the runs have grown by a quarter (or shrunk: of very many, some are taken)."""

TAIL = 10.0
"""How far below the median, in sds of the upper half, settings begin to be drawn together.

Far beyond what a metric between 0 and 1 has: only exploded values are, and a diverged run costs its full price."""

ROUNDING = 1e-12
"""Relative to the largest value: what differs by less is equal."""


def squashed(values: Floats, setting: NDArray[np.intp]) -> Floats:
    """Runs ``[N]`` with median 0, those of settings in the lower tail drawn together; ``setting [N]``: whose they are.

    A setting of mean ``m < -TAIL u`` goes to ``-u (TAIL + log(1 + z))`` with ``z = -m / u - TAIL``, its runs around it
    with the slope there, ``1 / (1 + z)``; ``u`` is 1.4826 times the median of the values above 0. How bad a bad setting
    is tells nothing of the best ones, but one model of one noise and one smoothness would bend to it. Means keep their
    order and those above the tail their values: a setting of which some runs diverge is as bad as their mean says.
    """
    unit = 1.4826 * float(np.median(values[values >= 0]))
    if unit <= 0:
        return values
    means = np.bincount(setting, values) / np.bincount(setting)
    beyond = np.maximum(-means / unit - TAIL, 0)
    drawn = np.where(beyond > 0, -unit * (TAIL + np.log1p(beyond)), means)
    return np.asarray(drawn[setting] + (values - means[setting]) / (1 + beyond[setting]))


def spread(values: Floats) -> float:
    """The sd of values, or 1 where they differ by no more than rounding."""
    sd = float(values.std())
    return sd if sd > ROUNDING * max(1.0, float(np.abs(values).max())) else 1.0


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
    """Fits models under ``prior`` as runs come in. What it keeps is a cache: hyperparameters to start from.

    Each fit starts from the last one, from the prior's centres and from ``beside``, and the most probable is taken:
    the density has several peaks (that all is noise is one of them), and one start stays at the nearest.
    """

    def __init__(self, dimensions: int, prior: Prior, beside: Hyperparameters | None = None) -> None:
        self.prior = prior
        self.centres = Hyperparameters.of(prior.centres(dimensions))
        self.beside = beside
        self.theta = self.centres
        self.rho = 0.0
        self.fitted_to = 0

    def of(self, objectives: Sequence[Mapping[int, float]], squared: Floats) -> Model:
        """The posterior from ``objectives[i][seed]``, at least one each, and squared distances ``[d, k, k]``."""
        runs = Runs.of(objectives)
        centre = float(np.median(runs.values))
        values = squashed(
            runs.values - centre, runs.setting
        )  # before the scale is taken: one exploded value would be all of it
        scale = spread(values)
        runs = Runs(values / scale, runs.setting, runs.seed, runs.k, runs.seeds)
        if not self.fitted_to / REFIT < runs.values.size < REFIT * self.fitted_to:
            self._fit(runs, squared)
        return Model(Posterior.of(squared, reduce(runs, self.rho), self.theta), self.rho, centre, scale)

    def _fit(self, runs: Runs, squared: Floats) -> None:
        repeated = int(np.count_nonzero(np.bincount(runs.setting, minlength=runs.k) >= 2))
        if repeated >= SHARED:
            self.theta = self._peak(squared, reduce(runs, self.rho))
            self.rho = max(RHOS, key=lambda pair: self._evidence(runs, squared, *pair))[0]
        self.theta = self._peak(squared, reduce(runs, self.rho))
        self.fitted_to = runs.values.size

    def _peak(self, squared: Floats, data: Reduced) -> Hyperparameters:
        starts = [self.theta] if self.theta is self.centres else [self.theta, self.centres]
        starts += [self.beside] if self.beside is not None else []
        return min((fit(squared, data, start, self.prior) for start in starts), key=lambda found: found[1])[0]

    def _evidence(self, runs: Runs, squared: Floats, rho: float, prior: float) -> float:
        data = reduce(runs, rho)
        value, _ = objective(self.theta.vector(), squared, data, self.prior)
        return math.log(prior) - value - 0.5 * data.log_det
