"""A study's space in Optuna's words."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from kdsearch.space import Categorical
from kdsearch.space import Dimension
from kdsearch.space import Integer
from kdsearch.space import Range
from kdsearch.space import plain


def distributions(space: Mapping[str, Dimension]) -> dict[str, BaseDistribution]:
    """Each dimension as the Optuna distribution of the same values; conditions are for the caller to keep."""
    return {name: _translate(plain(dimension)) for name, dimension in space.items()}


def _translate(dimension: Range) -> BaseDistribution:
    if isinstance(dimension, Categorical):
        return CategoricalDistribution(dimension.choices)
    if isinstance(dimension, Integer):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
