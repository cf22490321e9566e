"""The settings of the JHMDB table: a scrambled Sobol sequence over the study's space, and the task's defaults.

Needs scipy and the space alone, so that the table is also timed where nothing else is installed.
"""

from __future__ import annotations

from collections.abc import Mapping

from scipy.stats import qmc

from kdsearch.space import Dimension, Integer, Uniform
from kdsearch.tasks.base import Scalar

SOBOL_SEED = 0


def design(space: Mapping[str, Dimension], defaults: Mapping[str, Scalar], count: int) -> dict[str, dict[str, Scalar]]:
    """Name to parameters: ``count`` scrambled Sobol points, whose first are those of any larger count, and defaults."""
    block = 1 << max(0, count - 1).bit_length()
    cube = qmc.Sobol(len(space), seed=SOBOL_SEED).random(block)[:count]
    rows = {
        f"s{index}": {name: _at(dimension, float(u)) for (name, dimension), u in zip(space.items(), point, strict=True)}
        for index, point in enumerate(cube)
    }
    rows["defaults"] = {name: _inside(dimension, defaults[name]) for name, dimension in space.items()}
    return {name: {**defaults, **row} for name, row in rows.items()}


def _at(dimension: Dimension, unit: float) -> Scalar:
    if isinstance(dimension, Integer):
        return min(dimension.high, dimension.low + int(unit * (dimension.high - dimension.low + 1)))
    assert isinstance(dimension, Uniform), "the space of this study has numbers only"
    if dimension.log:
        return float(dimension.low * (dimension.high / dimension.low) ** unit)
    return dimension.low + unit * (dimension.high - dimension.low)


def _inside(dimension: Dimension, value: Scalar) -> Scalar:
    assert isinstance(dimension, Uniform | Integer), "the space of this study has numbers only"
    return min(max(value, dimension.low), dimension.high)
