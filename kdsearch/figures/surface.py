"""The search's model over its whole space: effects of numbers, of pairs, and how much each of them matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.stats import qmc

from kdsearch.report.selection import Selection
from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.model import Model
from kdsearch.search.gp.posterior import MEAN_VARIANCE, matern
from kdsearch.search.gp.threads import one_thread
from kdsearch.search.observations import observed
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.subset import equal, modelled
from kdsearch.search.ranking import Standing, cycle
from kdsearch.space import Categorical, Conditional, Integer, Range, unconditional
from kdsearch.tasks.base import Scalar

Floats = NDArray[np.float64]

FEWEST = 5
"""A model of fewer configurations shows its prior."""

GRID, PAIR_GRID = 33, 17  # points of a curve, of a side of a contour
AVERAGED, PAIR_AVERAGED = 64, 16  # settings of the other numbers that it is the mean over
SAMPLE, LEAST, DRAWS = 2304, 32, 200  # points at which functions are drawn, of each number at least; functions
AT_ONCE, ROWS = 2048, 64  # points in one prediction; rows of a covariance
_JITTER = 1e-9


@dataclass(frozen=True)
class Effect:
    """The mean objective at each of ``values`` of one number over all settings of the others, and its posterior sd."""

    name: str
    values: tuple[Scalar, ...]
    mean: Floats
    sd: Floats
    log: bool
    choices: bool


@dataclass(frozen=True)
class PairEffect:
    """The mean objective at each of ``first`` and ``second``, ``mean [second, first]``, over settings of the others."""

    first: Effect
    second: Effect
    mean: Floats


@dataclass(frozen=True)
class Share:
    """How much of the variance of the objective over the space goes with one number: median, and 5 % and 95 %."""

    name: str
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Surface:
    """The posterior of ``theta(x) = m + g(x)`` (see ``search.gp.posterior``) at any point of the space.

    ``units [k, d]``: the configurations that it knows. Values are in the metric: ``sign`` is -1 where lower is better,
    ``shift`` what is added to all of them, so that the best configuration has the estimate of the tables.
    """

    encoding: Encoding
    model: Model
    units: Floats
    sign: float
    shift: float

    @classmethod
    def of(cls, selection: Selection, standings: Sequence[Standing]) -> Surface | None:
        """The model of the counted search runs; ``None`` where it would be of few configurations or of equal values.

        ``standings``: what the tables say, with the best configuration first, whose estimate the model is moved to.
        """
        one_thread()
        study = selection.study
        records, tried = observed(selection.configurations, selection.runs, sign=study.sign)
        space = study.settings.space
        if not space:
            return None
        # The same model also of runs that another policy chose.
        policy = AdaptivePolicy(space, int(study.identity["seed"]), folds=cycle(study, without=False))
        known = modelled(tried, policy.seed, policy.folds)
        values = [value for i in known for value in tried[i].objectives.values()]
        if len(known) < FEWEST or equal(values):
            return None
        model, units = policy.model(tried, known)
        best = next((row for row in standings if math.isfinite(row.estimate)), None)
        places = {records[i].id: place for place, i in enumerate(known)}
        shift = 0.0
        if best is not None and best.id in places:
            shift = study.sign * best.estimate - model.raw(float(model.posterior.mean[places[best.id]]))
        return cls(policy.encoding, model, units, study.sign, shift)

    @property
    def names(self) -> tuple[str, ...]:
        """The searched numbers."""
        return self.encoding.names

    def is_choice(self, name: str) -> bool:
        """Whether a number is one of several choices, which have no order."""
        return isinstance(self._range(name), Categorical)

    def metric(self, standardised: Floats) -> Floats:
        """Values of the metric."""
        return self.sign * (self.model.centre + self.model.scale * standardised + self.shift)

    def mean(self, points: Floats) -> Floats:
        """The posterior mean ``[p]`` at coordinates ``[p, d]``, in the metric."""
        parts = [self._cross(points[at : at + AT_ONCE]).T @ self.model.posterior.alpha for at in _starts(points)]
        return self.metric(np.concatenate(parts))

    def draws(self, points: Floats, count: int, seed: int = 0) -> Floats:
        """Functions of the posterior at coordinates ``[p, d]``: ``[count, p]``, in the metric."""
        posterior = self.model.posterior
        cross = np.concatenate([self._cross(points[at : at + AT_ONCE]) for at in _starts(points)], axis=1)
        half = solve_triangular(posterior.lower, cross, lower=True, check_finite=False)
        covariance = self._among(points) - half.T @ half
        normal = np.random.default_rng(seed).standard_normal((len(points), count))
        return self.metric((cross.T @ posterior.alpha)[None] + (_root(covariance) @ normal).T)

    def _among(self, points: Floats) -> Floats:
        """Prior covariances ``[p, p]`` of points, some rows at once: distances are kept by dimension."""
        theta = self.model.posterior.theta
        parts = [
            matern(self.encoding.squared(points[at : at + ROWS], points), theta.log_lengths)
            for at in range(0, len(points), ROWS)
        ]
        return np.asarray(theta.smooth * np.concatenate(parts) + MEAN_VARIANCE)

    def effect(self, name: str) -> Effect:
        """The effect of one number: its mean over a Sobol sequence of the others, and the sd of just that mean."""
        posterior = self.model.posterior
        column, (places, values) = self.names.index(name), self._places(name, GRID)
        others = self._others(AVERAGED, name)
        cross = np.empty((len(self.units), len(places)))
        variance = np.empty(len(places))
        for row, place in enumerate(places):
            points = others.copy()
            points[:, column] = place
            points = self.encoding.snap(points)
            cross[:, row] = self._cross(points).mean(axis=1)
            squared = self.encoding.squared(points, points)
            variance[row] = posterior.theta.smooth * float(matern(squared, posterior.theta.log_lengths).mean())
        half = solve_triangular(posterior.lower, cross, lower=True, check_finite=False)
        sd = np.sqrt(np.maximum(variance + MEAN_VARIANCE - np.einsum("ij,ij->j", half, half), 0.0))
        return replace(self._axis(name, values), mean=self.metric(cross.T @ posterior.alpha), sd=self.model.scale * sd)

    def pair(self, first: str, second: str) -> PairEffect:
        """The effect of two numbers together."""
        one, two = self.names.index(first), self.names.index(second)
        (xs, x_values), (ys, y_values) = self._places(first, PAIR_GRID), self._places(second, PAIR_GRID)
        others = self._others(PAIR_AVERAGED, first, second)
        points = np.tile(others, (len(xs) * len(ys), 1))
        grid = np.array([(x, y) for y in ys for x in xs])
        points[:, [one, two]] = np.repeat(grid, len(others), axis=0)
        mean = self.mean(self.encoding.snap(points)).reshape(len(ys), len(xs), len(others)).mean(axis=2)

        axes = [self._axis(first, x_values), self._axis(second, y_values)]
        return PairEffect(axes[0], axes[1], mean)

    def importance(self) -> list[Share]:
        """The share of the variance over the space that goes with each number, its interactions counted in.

        Total effects ``mean (f(a) - f(a_i))^2 / 2 / Var f(a)``, where ``a_i`` has another value of number i (Jansen
        1999, equation 8; Saltelli et al. 2010), of functions drawn from the posterior: what is not known of the model
        is the width. They may sum to more than 1, since an interaction counts for both of its numbers.
        """
        d = len(self.names)
        count = max(LEAST, 2 ** int(np.log2(SAMPLE / (d + 1))))
        both = qmc.Sobol(2 * d, seed=0).random(count)
        base, other = both[:, :d], both[:, d:]
        blocks = [base]
        for column in range(d):
            changed = base.copy()
            changed[:, column] = other[:, column]
            blocks.append(changed)
        values = self.draws(self.encoding.snap(np.concatenate(blocks)), DRAWS).reshape(DRAWS, d + 1, count)
        shares = total_shares(values)
        low, middle, high = np.quantile(shares, [0.05, 0.5, 0.95], axis=0)
        found = [Share(*row) for row in zip(self.names, middle.tolist(), low.tolist(), high.tolist(), strict=True)]
        return sorted(found, key=lambda share: -share.median)

    def _cross(self, points: Floats) -> Floats:
        """Prior covariances ``[k, p]`` of known configurations and points."""
        theta = self.model.posterior.theta
        squared = self.encoding.squared(self.units, points)
        return theta.smooth * matern(squared, theta.log_lengths) + MEAN_VARIANCE

    def reads(self, *read: str) -> bool:
        """Whether these numbers are ever read together: two of different methods are not."""
        return all(self._allowed(*read).values())

    def _allowed(self, *read: str) -> dict[str, list[Scalar]]:
        """The values of each number on which one of these depends at which all of them are read."""
        found: dict[str, list[Scalar]] = {}
        for name in read:
            dimension = self.encoding.space[name]
            while isinstance(dimension, Conditional):
                before = found.get(dimension.on, list(dimension.values))
                found[dimension.on] = [value for value in dimension.values if value in before]
                dimension = self.encoding.space[dimension.on]
        return found

    def _others(self, count: int, *read: str) -> Floats:
        """Points of a Sobol sequence at which the numbers ``read`` are read: their conditions hold."""
        points = np.asarray(qmc.Sobol(len(self.names), seed=0).random(count))
        for name, values in self._allowed(*read).items():
            column = self.names.index(name)
            places = Encoding({name: self._range(name)}).unit([{name: value} for value in values])[:, 0]
            points[:, column] = places[np.minimum((points[:, column] * len(places)).astype(int), len(places) - 1)]
        return points

    def _axis(self, name: str, values: tuple[Scalar, ...]) -> Effect:
        dimension, nothing = self._range(name), np.zeros(0)
        log = bool(getattr(dimension, "log", False))
        return Effect(name, values, nothing, nothing, log, isinstance(dimension, Categorical))

    def _range(self, name: str) -> Range:
        return unconditional(self.encoding.space[name])

    def _places(self, name: str, count: int) -> tuple[Floats, tuple[Scalar, ...]]:
        """Coordinates along one number, and its values there: all that there are, where they are few."""
        dimension = self._range(name)
        places = np.linspace(0.0, 1.0, count)
        if isinstance(dimension, Categorical):
            places = (np.arange(len(dimension.choices)) + 0.5) / len(dimension.choices)
        alone = Encoding({name: dimension})
        values = [alone.params(np.array([place]))[name] for place in places]
        if isinstance(dimension, Integer):
            kept = [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
            return places[kept], tuple(values[i] for i in kept)
        return places, tuple(values)


def total_shares(values: Floats) -> Floats:
    """Total effects ``[..., d]`` as shares of the variance, from ``values [..., d + 1, n]``.

    The first row is ``f`` at n points, row ``1 + i`` is ``f`` there with another value of number i. 0 where ``f`` is
    constant; all points tell the variance. Of few points a share may come out above 1, and is cut there.
    """
    variance = values.reshape(*values.shape[:-2], -1).var(axis=-1)
    changed = 0.5 * ((values[..., :1, :] - values[..., 1:, :]) ** 2).mean(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.clip(np.nan_to_num(changed / variance[..., None], nan=0.0, posinf=0.0), 0.0, 1.0))


def _root(covariance: Floats) -> Floats:
    """A factor of a covariance: Cholesky's, or of its eigenvalues where rounding has made one of them negative."""
    jitter = _JITTER * float(np.diag(covariance).mean() + 1e-12)
    try:
        return np.asarray(cholesky(covariance + jitter * np.eye(len(covariance)), lower=True, check_finite=False))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _starts(points: Floats) -> range:
    return range(0, len(points), AT_ONCE)
