"""Worlds of recorded runs: the truth is the table's own mean, and a seed is one of its recorded rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from typing_extensions import override

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.replay.draws import choice, key_of
from kdsearch.search.replay.table import Table
from kdsearch.search.replay.world import Place, World
from kdsearch.tasks.base import Scalar

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


class TableWorld(World):
    """A recorded table as a world: ``y = mean_i + r_i,j(seed)`` with ``r_i,j = value_i,j - mean_i``.

    Replay seed s draws the recorded row ``j(s)`` with replacement, the same for every configuration: pairs stay pairs,
    there is no last seed, and the truth is exactly ``mean_i``. With J recorded seeds the residuals have ``(J-1)/J`` of
    the variance of a fresh run, since the mean is their own; ``widen`` multiplies them by ``sqrt(J / (J-1))``, which
    gives that back. ``sigma``, ``tau`` and ``rho`` are those of this world, not estimates of the process behind the
    table. ``best`` is the best of its configurations.

    A new configuration that is not in the table becomes the nearest row that the search has not tried, in the unit cube
    of the space; ``truth``, ``run`` and ``cost`` of a point off the table are those of the nearest row.
    """

    def __init__(self, table: Table, seed: int, *, widen: bool = False) -> None:
        self.name, self.space, self.table, self.seed = table.name, table.space, table, seed
        self.means: Floats = table.values.mean(1)
        self._encoding = Encoding(table.space)
        self._units = self._encoding.unit(table.params)
        self._rows = {key_of(table.space, params): i for i, params in enumerate(table.params)}
        seeds = table.values.shape[1]
        factor = (seeds / (seeds - 1)) ** 0.5 if widen else 1.0
        self._residuals: Floats = factor * (table.values - self.means[:, None])
        self.sigma = float(np.sqrt((self._residuals**2).mean()))
        self.tau = float(self.means.std())
        self.rho = table.spread.rho
        self.best = float(self.means.max())

    @override
    def truth(self, params: Mapping[str, Scalar]) -> float:
        # The mean of the row, or of the nearest one.
        return float(self.means[self._row(params)])

    @override
    def run(self, params: Mapping[str, Scalar], seed: int) -> float:
        return self.truth(params) + float(self._residuals[self._row(params), self.drawn(seed)])

    @override
    def cost(self, params: Mapping[str, Scalar], seed: int) -> float:
        # What the recorded run took.
        return float(self.table.seconds[self._row(params), self.drawn(seed)])

    def drawn(self, seed: int) -> int:
        """The recorded row of a replay seed."""
        return choice(self.table.values.shape[1], self.seed, "row", seed)

    @override
    def placement(self) -> Place:
        # Each row is given out once to points off the table, the nearest first.
        return partial(self._place, np.zeros(len(self.table.params), dtype=np.bool_))

    def _place(self, tried: Bools, params: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        row = self._rows.get(key_of(self.space, params))
        if row is None:
            distances = self._distances(params)
            row = int(np.argmin(distances if tried.all() else np.where(tried, np.inf, distances)))
        tried[row] = True
        return self.table.params[row]

    def _row(self, params: Mapping[str, Scalar]) -> int:
        key = key_of(self.space, params)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = int(np.argmin(self._distances(params)))
        return row

    def _distances(self, params: Mapping[str, Scalar]) -> Floats:
        squared: Floats = self._encoding.squared(self._encoding.unit([params]), self._units).sum(0)[0]
        return squared
