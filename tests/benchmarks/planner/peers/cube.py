"""A space as a unit cube: what samplers draw in and what surrogates are fitted on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kdsearch.space import Categorical, Integer, Range, Uniform
from kdsearch.tasks.base import Scalar

Floats = npt.NDArray[np.float64]


def from_unit(space: Mapping[str, Range], point: Sequence[float] | Floats) -> dict[str, Scalar]:
    """The numbers at ``point``, ``[dimensions]`` in [0, 1]: whole numbers and choices have bins of equal width."""
    return {name: _value(dimension, float(u)) for (name, dimension), u in zip(space.items(), point, strict=True)}


def to_unit(space: Mapping[str, Range], params: Mapping[str, Scalar]) -> Floats:
    """The point ``[dimensions]`` of a configuration: for whole numbers and choices the middle of the bin."""
    return np.array([_coordinate(dimension, params[name]) for name, dimension in space.items()])


def _value(dimension: Range, u: float) -> Scalar:
    if isinstance(dimension, Categorical):
        return dimension.choices[min(int(u * len(dimension.choices)), len(dimension.choices) - 1)]
    low, high = _edges(dimension)
    value = math.exp(low + u * (high - low)) if dimension.log else low + u * (high - low)
    if isinstance(dimension, Integer):
        return min(max(math.floor(value + 0.5), dimension.low), dimension.high)
    return min(max(value, dimension.low), dimension.high)


def _coordinate(dimension: Range, value: Scalar) -> float:
    if isinstance(dimension, Categorical):
        return (dimension.choices.index(value) + 0.5) / len(dimension.choices)
    low, high = _edges(dimension)
    place = math.log(float(value)) if dimension.log else float(value)
    return min(max((place - low) / (high - low), 0.0), 1.0)


def _edges(dimension: Uniform | Integer) -> tuple[float, float]:
    half = 0.5 if isinstance(dimension, Integer) else 0.0
    low, high = dimension.low - half, dimension.high + half
    return (math.log(low), math.log(high)) if dimension.log else (low, high)
