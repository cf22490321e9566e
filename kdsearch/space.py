"""The search space: one dimension for each searched number."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.tasks.base import Scalar
from kdsearch.values import is_number, is_whole, plain, plain_values, shown, whole, wrong_text


@dataclass(frozen=True)
class Uniform:
    """A real number, uniform between ``low`` and ``high``, or uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _take_plain(self, plain)
        if not (is_number(self.low) and is_number(self.high)):
            raise ValueError(f"a range needs numbers, got low={shown(self.low)}, high={shown(self.high)}")
        if not (_fits(self.low) and _fits(self.high) and self.low < self.high and _fits(self.high - self.low)):
            raise ValueError(f"a range needs finite low < high, got low={shown(self.low)}, high={shown(self.high)}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low > 0, got low={self.low}; use uniform or a small low")

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this dimension from another."""
        return {"kind": "log" if self.log else "uniform", "low": self.low, "high": self.high}

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is a number inside the range."""
        return is_number(value) and self.low <= value <= self.high  # type: ignore[operator]


@dataclass(frozen=True)
class Integer:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _take_plain(self, whole)
        if not (is_whole(self.low) and is_whole(self.high) and self.low < self.high):
            raise ValueError(
                f"an integer range needs whole low < high that a float can hold, got low={shown(self.low)}, "
                f"high={shown(self.high)}"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low > 0, got low={self.low}")

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this dimension from another."""
        return {"kind": "integer", "low": self.low, "high": self.high, "log": self.log}

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is a whole number inside the range."""
        return is_whole(whole(value)) and self.low <= whole(value) <= self.high


@dataclass(frozen=True)
class Categorical:
    """One of a few named values."""

    choices: tuple[Scalar, ...]  # and None, of which a choice may be one

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(map(plain, self.choices)))
        for choice in self.choices:
            if wrong := wrong_choice(choice):
                raise ValueError(f"choice {shown(choice)}: {wrong}")
        if len(self.choices) < 2 or len(set(self.choices)) != len(self.choices):
            raise ValueError(
                f"a categorical dimension needs two or more different choices, got {self.choices}"
                f"{_equal_choices(self.choices)}"
            )

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this dimension from another."""
        return {"kind": "categorical", "choices": list(self.choices)}

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` is one of the choices."""
        return value in self.choices

    def choice(self, value: Scalar) -> Scalar:
        """The choice that equals ``value``, in its own type: 16 for 16.0."""
        return self.choices[self.choices.index(value)]


Range = Uniform | Integer | Categorical


@dataclass(frozen=True)
class Conditional:
    """A dimension that matters only where the dimension ``on`` has one of ``values``; else it keeps its default."""

    dimension: Range
    on: str
    values: tuple[Scalar, ...]

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this dimension from another."""
        return {"kind": "when", "dimension": self.dimension.identity(), "on": self.on, "values": list(self.values)}

    def contains(self, value: Scalar) -> bool:
        """Whether ``value`` may be taken where the condition holds."""
        return self.dimension.contains(value)


Dimension = Range | Conditional


def uniform(low: float, high: float) -> Uniform:
    """A real number, uniform between ``low`` and ``high``. Raises ``ValueError`` for other than finite low < high."""
    return Uniform(_bound(low), _bound(high))


def log(low: float, high: float) -> Uniform:
    """A real number whose logarithm is uniform between those of ``low`` and ``high``, which are above 0."""
    return Uniform(_bound(low), _bound(high), log=True)


def integer(low: int, high: int, *, log: bool = False) -> Integer:
    """A whole number from ``low`` to ``high``, both included."""
    return Integer(low, high, log)


def categorical(*choices: Scalar | Iterable[Scalar | None] | None) -> Categorical:
    """One of two or more words or numbers: ``categorical("a", "b")``, or one list of them: ``categorical(["a", "b"])``.

    True, False and None may be choices too, and scalars of numpy. Raises ``ValueError`` where fewer than two different
    choices are given, and for a choice of another kind.
    """
    first = choices[0] if choices else ()
    listed = len(choices) == 1 and isinstance(first, Iterable) and not isinstance(first, str | bytes | Mapping)
    given = tuple(map(plain, first if listed else choices))  # type: ignore[arg-type]
    wrong = next((f"; {shown(choice)} is {wrong}" for choice in given if (wrong := wrong_choice(choice))), "")
    if len(given) < 2 or wrong:
        example = 'categorical("a", "b") or categorical(["a", "b"])'
        got = ", ".join(map(shown, choices))
        raise ValueError(f"expected two or more words or numbers, such as {example}; got categorical({got}){wrong}")
    return Categorical(given)


def _equal_choices(choices: Sequence[Scalar]) -> str:
    """Which two choices cannot be told apart, and what to write in their place; empty where there are none."""
    for index, choice in enumerate(choices):
        if choice not in choices[:index]:
            continue
        other = choices[choices.index(choice)]
        if type(other) is type(choice):
            return f": {choice!r} is there twice"
        words = f"{str(other)!r} and {str(choice)!r}"
        return f": {other!r} and {choice!r} are equal in Python; name them by words, such as {words}, or leave one out"
    return ""


def wrong_choice(value: Any) -> str:
    """Why a plain value can be no choice; empty where it can be one."""
    if isinstance(value, str):
        return wrong_text(value) and "a text that cannot be stored: " + wrong_text(value)
    if isinstance(value, tuple | list):
        return "a group; name each group by a word, such as '64-32', and look it up in the function"
    if value is None or isinstance(value, bool) or is_whole(value):
        return ""
    if isinstance(value, float) and math.isfinite(value):
        return ""
    return "neither a word, a finite number, True, False nor None"


def when(dimension: Range, **condition: Scalar | Sequence[Scalar] | None) -> Conditional:
    """``dimension`` where another one has a value: ``when(log(1, 16), mode="cse")``, or one of several values."""
    if len(condition) != 1 or not isinstance(dimension, Range):
        raise ValueError(
            f"expected a dimension and one condition, such as when(log(1, 16), mode='cse'); got {shown(dimension)} "
            f"{shown(condition)}"
        )
    ((name, values),) = condition.items()
    listed = isinstance(values, Iterable) and not isinstance(values, str | bytes) and getattr(values, "shape", 1) != ()
    given = tuple(map(plain, values if listed else (values,)))  # type: ignore[arg-type]
    return Conditional(dimension, name, given)


def unconditional(dimension: Dimension) -> Range:
    """The dimension without its condition."""
    return dimension.dimension if isinstance(dimension, Conditional) else dimension


def active(space: Mapping[str, Dimension], params: Mapping[str, Scalar]) -> list[str]:
    """Names of the dimensions whose conditions hold in ``params``; a condition on an idle dimension does not hold."""

    def holds(dimension: Dimension) -> bool:
        if not isinstance(dimension, Conditional):
            return True
        known = dimension.on in params and params[dimension.on] in dimension.values
        return known and holds(space[dimension.on])

    return [name for name, dimension in space.items() if holds(dimension)]


def complete_params(
    space: Mapping[str, Dimension], params: Mapping[str, Scalar], defaults: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    """All numbers of a configuration: ``defaults``, and of ``params`` those whose conditions hold.

    Two configurations that differ only where nothing reads it are one.
    """
    idle = set(space) - set(active(space, {**defaults, **params}))
    return {**defaults, **{name: value for name, value in params.items() if name not in idle}}


def idle_at(space: Mapping[str, Dimension], values: Mapping[str, Scalar]) -> set[str]:
    """Names of the dimensions whose conditions cannot hold where these values stand, whatever the others are."""

    def never(dimension: Dimension | None) -> bool:
        if not isinstance(dimension, Conditional):
            return False
        named = dimension.on in values and values[dimension.on] not in dimension.values
        return named or never(space.get(dimension.on))

    return {name for name, dimension in space.items() if never(dimension)}


def possible_values(space: Mapping[str, Dimension], values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Of these values those whose conditions can hold beside the others; for the rest a default is read."""
    idle = idle_at(space, values)
    return {name: value for name, value in values.items() if name not in idle}


def active_values(space: Mapping[str, Dimension], params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The numbers of a configuration whose conditions hold: of a function, two that differ in the others are one.

    Trainers of kdsearch's tasks read their teacher weights whatever the condition.
    """
    idle = set(space) - set(active(space, params))
    return {name: value for name, value in params.items() if name not in idle}


def midpoint(dimension: Dimension) -> Scalar:
    """A value in the middle of the range (of its logarithm, where that is what is searched), or the first choice."""
    inner = unconditional(dimension)
    if isinstance(inner, Categorical):
        return inner.choices[0]
    value = _geometric_mean(inner.low, inner.high) if inner.log else (inner.low + inner.high) / 2
    return round(value) if isinstance(inner, Integer) else value


def _geometric_mean(low: float, high: float) -> float:
    product = float(low) * float(high)
    # The product of very small or very large numbers is 0 or infinite where their mean is not.
    return math.sqrt(product) if 0 < product < math.inf else math.sqrt(low) * math.sqrt(high)


def describe(dimension: Dimension) -> str:
    """What may stand there, for messages: ``a number from 0 to 1``."""
    inner = unconditional(dimension)
    if isinstance(inner, Categorical):
        return f"one of {', '.join(map(repr, inner.choices))}"
    return f"a {'whole ' if isinstance(inner, Integer) else ''}number from {inner.low:g} to {inner.high:g}"


def wrong_kind(dimension: Dimension | None, value: Any, default: Any = None, *, typos: bool = True) -> str:
    """Why a value is of another kind than the dimension's, or than the ``default`` where there is none; or nothing.

    It need not lie inside the range: a weight that is searched on a logarithm may be 0 elsewhere. ``typos``: refuse a
    word that resembles one of the choices.
    """
    inner = None if dimension is None else unconditional(dimension)
    if isinstance(value, str) and (wrong := wrong_text(value)):
        return wrong
    if isinstance(inner, Categorical) and value in inner.choices:
        return ""
    if not isinstance(value, int | float | str | bool) or (isinstance(value, float) and not math.isfinite(value)):
        return "expected a finite number, a word, True or False"
    if isinstance(inner, Categorical):
        known = [choice for choice in inner.choices if isinstance(choice, str)]
        near = difflib.get_close_matches(value, known, n=1) if isinstance(value, str) and typos else []
        if not (near or all(not _alike(value, choice) for choice in inner.choices)):
            return ""
        return f"expected {describe(inner)}" + (f"; did you mean {near[0]!r}?" if near else "")
    if isinstance(inner, Integer):
        return "" if is_whole(whole(value)) else "expected a whole number"
    if isinstance(inner, Uniform):
        return "" if is_number(value) and _fits(value) else "expected a number"
    if is_number(value) and not _fits(value):
        return "expected a number that a float can hold"
    return "" if default is None or _alike(value, default) else f"expected a value such as its default {default!r}"


def typed(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, Scalar]:
    """The values in the types of their dimensions: 4 for 4.0 of an integer, a choice as the study file writes it."""
    return {name: _typed(space.get(name), value) for name, value in plain_values(params).items()}


def _typed(dimension: Dimension | None, value: Scalar) -> Scalar:
    inner = None if dimension is None else unconditional(dimension)
    if isinstance(inner, Integer):
        return whole(value)  # type: ignore[no-any-return]
    return inner.choice(value) if isinstance(inner, Categorical) and inner.contains(value) else value


def _alike(one: Scalar, other: Scalar) -> bool:
    """Whether both are numbers, both words, or both true or false."""
    return is_number(one) == is_number(other) and isinstance(one, str) == isinstance(other, str)


def check_conditions(space: Mapping[str, Dimension]) -> None:
    """Raise ``ValueError`` where a condition names no earlier dimension, or a value that it never takes."""
    before: dict[str, Dimension] = {}
    for name, dimension in space.items():
        if isinstance(dimension, Conditional):
            if dimension.on not in before:
                raise ValueError(
                    f"{name} depends on {dimension.on!r}, which must stand before it in the space; "
                    f"before it stand: {', '.join(before) or 'none'}"
                )
            foreign = [value for value in dimension.values if not before[dimension.on].contains(value)]
            if foreign or not dimension.values:
                raise ValueError(f"{name} depends on {dimension.on} being {foreign}, which it never is")
        before[name] = dimension


def dimension_from(identity: Mapping[str, Any]) -> Dimension:
    """The dimension whose ``identity()`` these JSON values are."""
    if identity["kind"] == "when":
        inner = dimension_from(identity["dimension"])
        return Conditional(unconditional(inner), identity["on"], tuple(identity["values"]))
    if identity["kind"] == "categorical":
        return Categorical(tuple(identity["choices"]))
    if identity["kind"] == "integer":
        return Integer(identity["low"], identity["high"], identity["log"])
    return Uniform(identity["low"], identity["high"], log=identity["kind"] == "log")


def _take_plain(dimension: Uniform | Integer, convert: Callable[[Any], Any]) -> None:
    """Low and high of a dimension as plain Python numbers."""
    for name in ("low", "high"):
        object.__setattr__(dimension, name, convert(getattr(dimension, name)))
    if not isinstance(dimension.log, bool):
        raise ValueError(f"log is True or False, got {shown(dimension.log)}")


def _bound(value: Any) -> Any:
    """A bound of a range of real numbers, as a float where it is a number."""
    value = plain(value)
    return float(value) if is_number(value) and _fits(value) else value


def _fits(value: Any) -> bool:
    """Whether a number is finite as a float."""
    return bool(-sys.float_info.max <= value <= sys.float_info.max)
