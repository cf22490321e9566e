"""What the spread of the recorded values is made of: configuration, draw, configuration x draw, seed.

``y[c, d] = mean + configuration[c] + draw[d] + (configuration x draw)[c, d] + seed`` for one value or several jointly.
The drawn part has one seed in each cell, so its residual is configuration x draw and seed together; the seeds of the
fixed draw, within settings, say how much of it the seed is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .recorded import Floats

NAMES = ("configuration", "draw", "configuration x draw", "seed")
QUANTITIES = {
    "objective with": (1, 0, 0, 0),
    "objective without": (0, 0, 1, 0),
    "objective difference": (1, 0, -1, 0),
    "score with": (0, 1, 0, 0),
    "score without": (0, 0, 0, 1),
    "score difference": (0, 1, 0, -1),
}
_SIMULATED = 20_000


@dataclass(frozen=True)
class Squares:
    """Mean squares ``[p, p]`` of a record of ``p`` values: of C settings, D draws, their residual, and S seeds."""

    settings: int
    draws: int
    seeds: int
    setting: Floats
    draw: Floats
    residual: Floats
    seed: Floats

    @property
    def df(self) -> tuple[int, int, int, int]:
        """Degrees of freedom, in the order of the fields."""
        free = (self.settings - 1, self.draws - 1)
        return (*free, free[0] * free[1], self.settings * (self.seeds - 1))


@dataclass(frozen=True)
class Components:
    """Covariances ``[p, p]`` of ``p`` values, and how many settings and draws they were fitted to."""

    settings: int
    draws: int
    setting: Floats
    draw: Floats
    cell: Floats
    seed: Floats

    @property
    def residual(self) -> Floats:
        """Of a cell with one seed."""
        return self.cell + self.seed

    def of(self, places: tuple[int, ...]) -> Components:
        """The same for some of the values."""
        part = np.ix_(places, places)
        return Components(
            self.settings, self.draws, self.setting[part], self.draw[part], self.cell[part], self.seed[part]
        )


@dataclass(frozen=True)
class Spread:
    """Standard deviations of one quantity by component, in the order of ``NAMES``, each with its 95 % interval."""

    sd: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def squares(drawn: Floats, fixed: Floats) -> Squares:
    """The mean squares of ``drawn [C, D, p]`` and, within settings, of ``fixed [C, S, p]``."""
    settings, draws, _ = drawn.shape
    rows, columns, centre = drawn.mean(1), drawn.mean(0), drawn.mean((0, 1))
    residual = drawn - rows[:, None] - columns[None] + centre
    own = fixed - fixed.mean(1, keepdims=True)
    return Squares(
        settings,
        draws,
        fixed.shape[1],
        draws * _square(rows - centre) / (settings - 1),
        settings * _square(columns - centre) / (draws - 1),
        _square(residual) / ((settings - 1) * (draws - 1)),
        _square(own) / (settings * (fixed.shape[1] - 1)),
    )


def fit(drawn: Floats, fixed: Floats) -> Components:
    """Components of ``drawn [C, D, p]`` and ``fixed [C, S, p]``, which have no holes, by the method of moments.

    With the mean squares ``M`` of the two-way layout: ``seed = M_seed``, ``cell = M_residual - seed``, ``setting =
    (M_setting - M_residual) / D``, ``draw = (M_draw - M_residual) / C`` (Searle, Casella and McCulloch 1992, chapter 4;
    in a balanced layout these are the REML estimates where none is negative). What is negative is set to 0: of one
    value the variance, of several the variances along the common axes of both mean squares (Amemiya 1985).
    """
    found = squares(drawn, fixed)
    return Components(
        found.settings,
        found.draws,
        excess(found.setting, found.residual) / found.draws,
        excess(found.draw, found.residual) / found.settings,
        excess(found.residual, found.seed),
        found.seed,
    )


def excess(larger: Floats, smaller: Floats) -> Floats:
    """``larger - smaller`` of two covariances ``[p, p]``, without what is negative along their common axes."""
    tiny = 1e-12 * np.trace(larger + smaller) * np.eye(len(smaller))  # where a value has no spread at all
    lower = np.linalg.cholesky(smaller + tiny)
    inverse = np.linalg.inv(lower)
    sizes, axes = np.linalg.eigh(inverse @ larger @ inverse.T)
    back = lower @ axes
    kept: Floats = (back * np.maximum(sizes - 1, 0)) @ back.T
    return kept


def spreads(drawn: Floats, fixed: Floats) -> dict[str, Spread]:
    """Each of ``QUANTITIES`` by itself, from the four values of ``VALUES``."""
    contrasts = {name: np.array(contrast, dtype=np.float64)[:, None] for name, contrast in QUANTITIES.items()}
    return {name: _spread(squares(drawn @ contrast, fixed @ contrast)) for name, contrast in contrasts.items()}


def _spread(found: Squares) -> Spread:
    """Intervals are Weerahandi's (1993) generalized ones: quantiles over draws of ``df M / chi2``, negative ones 0."""
    generator = np.random.default_rng(0)
    values = np.array([matrix.item() for matrix in (found.setting, found.draw, found.residual, found.seed)])
    df = np.array(found.df)
    drawn = df * values / generator.chisquare(df, (_SIMULATED, df.size))
    low, high = np.quantile(_sds(drawn, found), [0.025, 0.975], axis=0)
    sd = _sds(values[None], found)[0]
    return Spread(tuple(sd.tolist()), tuple(low.tolist()), tuple(high.tolist()))


def _sds(means: Floats, found: Squares) -> Floats:
    """Sds ``[n, 4]`` by component from mean squares ``[n, 4]``."""
    setting, draw, residual, seed = means.T
    parts = [(setting - residual) / found.draws, (draw - residual) / found.settings, residual - seed, seed]
    sds: Floats = np.sqrt(np.maximum(np.stack(parts, axis=1), 0))
    return sds


def _square(values: Floats) -> Floats:
    flat = values.reshape(-1, values.shape[-1])
    product: Floats = flat.T @ flat
    return product


def root(covariance: Floats) -> Floats:
    """The symmetric square root of a covariance ``[p, p]``, singular or not."""
    sizes, axes = np.linalg.eigh((covariance + covariance.T) / 2)
    found: Floats = (axes * np.sqrt(np.maximum(sizes, 0))) @ axes.T
    return found


def sd_of(covariance: Floats, contrast: Floats) -> float:
    """The sd of a contrast ``[p]``."""
    return math.sqrt(max(0.0, float(contrast @ covariance @ contrast)))
