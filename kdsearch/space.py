"""The search space: one dimension for each searched number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class Uniform:
    """A real number, uniform between ``low`` and ``high``, or uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a range needs finite low < high, got low={self.low}, high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low > 0, got low={self.low}; use uniform or a small low")

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this dimension from another."""
        return {"kind": "log" if self.log else "uniform", "low": self.low, "high": self.high}

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is a number inside the range."""
        return _is_number(value) and self.low <= float(value) <= self.high


@dataclass(frozen=True)
class Integer:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.low, int) and isinstance(self.high, int) and self.low < self.high):
            raise ValueError(f"an integer range needs whole low < high, got low={self.low}, high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low > 0, got low={self.low}")

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this dimension from another."""
        return {"kind": "integer", "low": self.low, "high": self.high, "log": self.log}

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is a whole number inside the range."""
        return _is_number(value) and float(value).is_integer() and self.low <= int(value) <= self.high


@dataclass(frozen=True)
class Categorical:
    """One of a few named values."""

    choices: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if len(self.choices) < 2 or len(set(self.choices)) != len(self.choices):
            raise ValueError(f"a categorical dimension needs two or more different choices, got {self.choices}")

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this dimension from another."""
        return {"kind": "categorical", "choices": list(self.choices)}

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is one of the choices."""
        return value in self.choices


Dimension = Uniform | Integer | Categorical


def uniform(low: float, high: float) -> Uniform:
    """A real number, uniform between ``low`` and ``high``."""
    return Uniform(float(low), float(high))


def log(low: float, high: float) -> Uniform:
    """A real number whose logarithm is uniform between those of ``low`` and ``high``."""
    return Uniform(float(low), float(high), log=True)


def integer(low: int, high: int, *, log: bool = False) -> Integer:
    """A whole number from ``low`` to ``high``, both included."""
    return Integer(low, high, log)


def categorical(choices: Sequence[Scalar]) -> Categorical:
    """One of ``choices``."""
    return Categorical(tuple(choices))


def dimension_from(identity: Mapping[str, Any]) -> Dimension:
    """The dimension whose ``identity()`` these JSON values are."""
    if identity["kind"] == "categorical":
        return Categorical(tuple(identity["choices"]))
    if identity["kind"] == "integer":
        return Integer(identity["low"], identity["high"], identity["log"])
    return Uniform(identity["low"], identity["high"], log=identity["kind"] == "log")


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
