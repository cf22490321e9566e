"""A study's space as the unit cube: what a model measures distances in."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kdsearch.space import Categorical, Conditional, Dimension, Integer, Range, active, unconditional
from kdsearch.tasks.base import Scalar

Floats = NDArray[np.float64]

FAR = 1e4


class Encoding:
    """Maps the numbers of a space to the unit cube and back: one coordinate a dimension.

    Real numbers are scaled between their bounds, after the logarithm where the dimension has one. A whole number is
    the middle of its cell between ``low`` and ``high``, a choice the middle of one of as many equal cells. An idle
    conditional dimension is 0.5. A configuration outside the space (users may add such) is put so far away that no
    correlation is left: nothing is learnt from it about others, nor the other way.
    """

    def __init__(self, space: Mapping[str, Dimension]) -> None:
        self.space = dict(space)
        self.names = tuple(space)
        self.ranges = tuple(unconditional(row) for row in space.values())
        self.categorical = np.array([isinstance(row, Categorical) for row in self.ranges], dtype=bool)
        self.conditional = any(isinstance(row, Conditional) for row in space.values())

    def unit(self, params: Sequence[Mapping[str, Scalar]]) -> Floats:
        """Coordinates ``[n, d]`` of ``n`` configurations."""
        rows = [self._row(row) for row in params]
        return np.array(rows, dtype=np.float64).reshape(len(params), len(self.names))

    def _row(self, params: Mapping[str, Scalar]) -> list[float]:
        named = active(self.space, params)
        if not all(self.space[name].contains(params[name]) for name in named):
            key = repr(sorted((name, params.get(name)) for name in self.names))
            return [FAR * (2 + zlib.crc32(key.encode()))] * len(self.names)
        return [
            _to_unit(dimension, params[name]) if name in named else 0.5
            for name, dimension in zip(self.names, self.ranges, strict=True)
        ]

    def params(self, unit: Floats) -> dict[str, Scalar]:
        """The configuration at coordinates ``[d]``, without idle dimensions."""
        pairs = zip(self.names, self.ranges, unit, strict=True)
        values = {name: _from_unit(dimension, float(u)) for name, dimension, u in pairs}
        return {name: values[name] for name in active(self.space, values)}

    def snap(self, unit: Floats) -> Floats:
        """Coordinates ``[n, d]`` moved to the nearest configuration that exists: whole numbers and choices have few."""
        snapped = np.clip(unit, 0.0, 1.0)
        for i, dimension in enumerate(self.ranges):
            if isinstance(dimension, Categorical | Integer):
                snapped[:, i] = [_to_unit(dimension, _from_unit(dimension, float(u))) for u in snapped[:, i]]
        if self.conditional:
            for row in snapped:
                named = self.params(row)
                row[[name not in named for name in self.names]] = 0.5
        return snapped

    def squared(self, a: Floats, b: Floats) -> Floats:
        """Squared distances by dimension, ``[d, n, m]`` of ``a [n, d]`` and ``b [m, d]``; 1 between two choices."""
        # One block a dimension: they are summed with weights hundreds of times.
        gaps: Floats = np.ascontiguousarray((a.T[:, :, None] - b.T[:, None, :]) ** 2)
        if self.categorical.any():
            inside = (np.abs(a).T[:, :, None] <= 1) & (np.abs(b).T[:, None, :] <= 1)
            differ = np.where(inside, gaps > 0, gaps)
            gaps[self.categorical] = differ[self.categorical]
        return gaps


def _to_unit(dimension: Range, value: Scalar) -> float:
    if isinstance(dimension, Categorical):
        return (dimension.choices.index(value) + 0.5) / len(dimension.choices)
    number = float(value)
    low, high = float(dimension.low), float(dimension.high)
    if isinstance(dimension, Integer):
        low, high = low - 0.5, high + 0.5
    if dimension.log:
        if math.isinf(high / low):
            return (math.log(number) - math.log(low)) / (math.log(high) - math.log(low))
        return math.log(number / low) / math.log(high / low)
    return (number - low) / (high - low)


def _from_unit(dimension: Range, u: float) -> Scalar:
    if isinstance(dimension, Categorical):
        return dimension.choices[min(int(u * len(dimension.choices)), len(dimension.choices) - 1)]
    low, high = float(dimension.low), float(dimension.high)
    if isinstance(dimension, Integer):
        low, high = low - 0.5, high + 0.5
    if dimension.log and math.isinf(high / low):  # more decades than a number has
        value = math.exp((1 - u) * math.log(low) + u * math.log(high))
    else:
        value = low * (high / low) ** u if dimension.log else low + u * (high - low)
    if isinstance(dimension, Integer):
        return int(min(max(round(value), dimension.low), dimension.high))
    return float(min(max(value, dimension.low), dimension.high))
