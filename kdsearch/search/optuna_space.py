"""The space in Optuna's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kdsearch.space import Categorical, Dimension, Integer, Range, active, unconditional
from kdsearch.tasks.base import Scalar

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution


def distributions(space: Mapping[str, Dimension]) -> dict[str, BaseDistribution]:
    """Each dimension as the Optuna distribution of the same values; conditions are for the caller to keep."""
    return {name: _translate(unconditional(dimension)) for name, dimension in space.items()}


def _translate(dimension: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Categorical):
        return CategoricalDistribution(dimension.choices)
    if isinstance(dimension, Integer):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


@contextmanager
def errors_alone() -> Iterator[None]:
    """Optuna logs nothing but errors meanwhile: a study in memory is made for each decision, and nobody need know."""
    from optuna import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def suggest(space: Mapping[str, Dimension], trial: Trial) -> dict[str, Scalar]:
    """The values of a trial: of the dimensions whose conditions hold."""
    params: dict[str, Scalar] = {}
    for name, conditional in space.items():
        if name not in active(space, params):
            continue  # its condition names an earlier dimension
        dimension = unconditional(conditional)
        if isinstance(dimension, Categorical):
            params[name] = cast("Scalar", trial.suggest_categorical(name, dimension.choices))  # None may be a choice
        elif isinstance(dimension, Integer):
            params[name] = trial.suggest_int(name, dimension.low, dimension.high, log=dimension.log)
        else:
            params[name] = trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
    return params
