"""From configurations with seeds to a posterior in the units of the objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kdsearch.search.gp.mixed_model import Runs, reduce
from kdsearch.search.gp.posterior import Hyperparameters, Posterior, fit, objective
from kdsearch.search.gp.priors import Prior

Floats = NDArray[np.float64]

Shares = tuple[tuple[float, float], ...]

_Fits = dict[tuple[float, bytes], tuple[Hyperparameters, float]]
"""Hyperparameters and their negative log density, by the share of blocks and the start: a fit gives the same again."""

RHOS: Shares = ((0.0, 0.3), (0.05, 0.2), (0.1, 0.2), (0.2, 0.15), (0.3, 0.1), (0.45, 0.05))
"""Shares of the noise that a seed has in common for all configurations, with prior probabilities."""

FOLD_RHOS: Shares = (
    (0.0, 0.1),
    (0.1, 0.1),
    (0.3, 0.2),
    (0.5, 0.2),
    (0.7, 0.2),
    (0.85, 0.1),
    (0.95, 0.06),
    (0.99, 0.02),
    (0.998, 0.01),
    (0.9999, 0.01),
)
"""The same of a fold, whose part of the clips is easier or harder for all configurations, and whose teacher is another.

On JHMDB poses means of folds differ with sd 0.05 where seeds differ with 0.02, a share of 0.86; where only the split
varies, it is nearly all. Five folds say no more of a ratio of variances than its order of magnitude, hence the steps.
"""

SHARED = 4
"""From so many configurations on that ran with two seeds (in two folds), the share is estimated and not assumed."""

USUAL_RHO = 0.5
"""What is assumed of folds before that."""

ROUNDS = 5
"""How often hyperparameters and share of folds are fitted in turn, at most: it may be far from where it began."""

REFIT = 1.25
"""Hyperparameters are fitted again when the runs have grown by a quarter (or shrunk: of very many, some are taken)."""

TAIL = 10.0
"""How far below the median, in sds of the upper half, configurations begin to be drawn together.

Far beyond what a metric between 0 and 1 has: only exploded values are, and a diverged run costs its full price."""

ROUNDING = 1e-12
"""Relative to the largest value: what differs by less is equal."""


def squashed(values: Floats, setting: NDArray[np.intp]) -> Floats:
    """Runs ``[N]`` with median 0, those of configurations in the lower tail drawn together; ``setting [N]``: whose they
    are.

    A configuration of mean ``m < -TAIL u`` goes to ``-u (TAIL + log(1 + z))`` with ``z = -m / u - TAIL``, its runs
    around it with the slope there, ``1 / (1 + z)``; ``u`` is 1.4826 times the median of the values above 0. How bad a
    bad configuration is tells nothing of the best ones, but one model of one noise and one smoothness would bend to it.
    Means keep their order and those above the tail their values: a configuration of which some runs diverge is as bad
    as their mean says.
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
    """The posterior of ``k`` configurations, in standardised units; ``centre`` and ``scale`` lead back to the
    objective.

    ``noise_variance``: variance of a run that is its own, without what its seed or its fold does to all.
    """

    posterior: Posterior
    rho: float
    centre: float
    scale: float
    noise_variance: float

    def raw(self, standardised: float) -> float:
        """A value in units of the objective."""
        return self.centre + self.scale * standardised


class Models:
    """Fits models under ``prior`` as runs come in. What it keeps is a cache: hyperparameters to start from.

    Each fit starts from the last one, from the prior's centres and from that of ``beside``, and the most probable is
    taken: the density has several peaks (that all is noise is one of them), and one start stays at the nearest. Of
    several ``folds``, it is the effect of a fold that configurations have in common, and not that of a seed.
    """

    def __init__(self, dimensions: int, prior: Prior, beside: Models | None = None, folds: int = 1) -> None:
        self.prior = prior
        self.folds = folds
        self.rhos, self.rounds = (FOLD_RHOS, ROUNDS) if folds > 1 else (RHOS, 1)
        self.centres = Hyperparameters.of(prior.centres(dimensions))
        self.theta: Hyperparameters = self.centres
        self.rho: float = 0.0 if folds == 1 else USUAL_RHO if beside is None else beside.rho
        self.beside = None if beside is None else beside.theta
        self.fitted_to = 0

    def of(self, objectives: Sequence[Mapping[int, float]], squared: Floats) -> Model:
        """The posterior from ``objectives[i][seed]``, at least one each, and squared distances ``[d, k, k]``."""
        runs = Runs.of(objectives, self.folds)
        common = runs.common()
        own = runs.values - common
        centre = float(np.median(own))
        own = squashed(
            own - centre, runs.configuration
        )  # before the scale is taken: one exploded value would be all of it
        scale = spread(own)
        runs = replace(runs, values=(own + common) / scale)
        if not self.fitted_to / REFIT < runs.values.size < REFIT * self.fitted_to:
            self._fit(runs, squared)
        noise = self.theta.noise * (1 - self.rho if self.folds == 1 else 1)
        return Model(Posterior.of(squared, reduce(runs, self.rho), self.theta), self.rho, centre, scale, noise)

    def _fit(self, runs: Runs, squared: Floats) -> None:
        found: _Fits = {}
        for _ in range(self.rounds if runs.compared >= SHARED else 0):
            self.theta, before = self._peak(squared, runs, found), self.rho
            self.rho = max(self.rhos, key=lambda pair: self._evidence(runs, squared, *pair))[0]
            if self.rho == before:
                break
        self.theta = self._peak(squared, runs, found)
        self.fitted_to = runs.values.size

    def _peak(self, squared: Floats, runs: Runs, found: _Fits) -> Hyperparameters:
        """The most probable hyperparameters; ``found`` holds what was fitted to these runs before, from which start."""
        starts = [self.theta] if self.theta is self.centres else [self.theta, self.centres]
        starts += [self.beside] if self.beside is not None else []
        data = reduce(runs, self.rho)
        keys = [(self.rho, start.vector().tobytes()) for start in starts]
        for key, start in zip(keys, starts, strict=True):
            if key not in found:
                found[key] = fit(squared, data, start, self.prior)
        return min((found[key] for key in keys), key=lambda fitted: fitted[1])[0]

    def _evidence(self, runs: Runs, squared: Floats, rho: float, prior: float) -> float:
        data = reduce(runs, rho)
        value, _ = objective(self.theta.vector(), squared, data, self.prior)
        return math.log(prior) - value - 0.5 * data.log_det
