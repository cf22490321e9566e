"""A recorded table as a world without gaps: a smooth surface through its means is the truth everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from typing_extensions import override

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.replay import Table, TableWorld, surfaces
from kdsearch.search.replay.draws import key_of
from kdsearch.search.replay.world import Place, anywhere
from kdsearch.tasks.base import Scalar

Floats = np.ndarray[Any, np.dtype[np.float64]]

_LENGTHS = (0.2, 0.4, 0.8, 1.6, 3.2)
_SWEEPS = 3
_LEAST_SIGNAL = 0.05


@dataclass(frozen=True)
class MeanSurface:
    """Kriging of a table's means: ``m + k(x)' (K + q I)^-1 (ybar - m)`` with a Matern 5/2 kernel of one scale a number.

    ``q = sigma^2 / (J tau^2)``: the noise of a mean of J seeds against the spread of the configurations, so that luck
    of the recorded seeds is not taken for a hill. ``lengths`` ``[d]`` in the unit cube minimise the leave-one-out error
    ``sum_i (alpha_i / (K + q I)^-1_ii)^2`` with ``alpha = (K + q I)^-1 (ybar - m)`` (Rasmussen and Williams 2006, 5.12)
    over 0.2, 0.4 … 3.2, one number after the other, three times round.
    """

    encoding: Encoding
    units: Floats
    weights: Floats
    lengths: Floats
    mean: float

    @classmethod
    def fit(cls, table: Table, lengths: Floats | None = None) -> MeanSurface:
        """Fit scales and weights to a table; only weights where ``lengths`` are given, in a hundredth of the time."""
        encoding = Encoding(table.space)
        units, means, spread = encoding.unit(table.params), table.values.mean(1), table.spread
        signal = max(spread.tau**2, _LEAST_SIGNAL * float(means.var()))
        nugget = spread.sigma**2 / (table.values.shape[1] * signal) + 1e-8
        centred = means - means.mean()
        gaps = encoding.squared(units, units)
        if lengths is None:
            lengths = _lengths(gaps, nugget, centred)
        kernel = _matern(gaps, lengths) + nugget * np.eye(means.size)
        return cls(encoding, units, np.linalg.solve(kernel, centred), lengths, float(means.mean()))

    def __call__(self, unit: Floats) -> Floats:
        """Values ``[n]`` at coordinates ``[n, d]`` of the unit cube."""
        kernel = _matern(self.encoding.squared(unit, self.units), self.lengths)
        values: Floats = self.mean + kernel @ self.weights
        return values


class SurrogateWorld(TableWorld):
    """A recorded table as a world without gaps: the truth everywhere is a surface through its means.

    See :class:`MeanSurface`; at the table's own points, too, the surface is the truth. Residuals and costs are those of
    the nearest row. ``best`` and ``tau`` are of 4096 fixed points. ``surface`` may be handed in where many worlds share
    one table, since fitting it takes a tenth of a second.
    """

    def __init__(self, table: Table, seed: int, *, widen: bool = False, surface: MeanSurface | None = None) -> None:
        super().__init__(table, seed, widen=widen)
        self.surface = surface or MeanSurface.fit(table)
        self.name = f"{table.name} surrogate"
        points = self._encoding.snap(surfaces.sample(len(table.space)))
        values = self.surface(points)
        self.best, self.tau = float(values.max()), float(values.std())
        self._truths: dict[tuple[float | str, ...], float] = {}

    @override
    def truth(self, params: Mapping[str, Scalar]) -> float:
        key = key_of(self.space, params)
        known = self._truths.get(key)
        if known is None:
            known = self._truths[key] = float(self.surface(self._encoding.unit([params]))[0])
        return known

    @override
    def placement(self) -> Place:
        return anywhere


def _matern(gaps: Floats, lengths: Floats) -> Floats:
    """Matern 5/2 of squared distances by dimension ``[d, n, m]``."""
    scaled = np.sqrt(5 * np.tensordot(1 / lengths**2, gaps, axes=1))
    values: Floats = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    return values


def _lengths(gaps: Floats, nugget: float, centred: Floats) -> Floats:
    lengths = np.full(len(gaps), 0.8)
    for _, axis in product(range(_SWEEPS), range(lengths.size)):
        errors = []
        for length in _LENGTHS:
            lengths[axis] = length
            errors.append(_left_out(_matern(gaps, lengths), nugget, centred))
        lengths[axis] = _LENGTHS[int(np.argmin(errors))]
    return lengths


def _left_out(kernel: Floats, nugget: float, centred: Floats) -> float:
    inverse = np.linalg.inv(kernel + nugget * np.eye(centred.size))
    return float((((inverse @ centred) / np.diag(inverse)) ** 2).sum())
