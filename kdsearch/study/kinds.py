"""The kind of each field of a study: plain Python values in place of numpy's, and what is of another kind, in words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kdsearch.space import Dimension, typed, wrong_kind
from kdsearch.study.budget import MOST_RUNS, MOST_SEEDS, Adaptive, Budget, Confirm, Fixed, OptunaSearch, Published
from kdsearch.study.problems import Problems
from kdsearch.tasks.base import Scalar
from kdsearch.values import (
    LARGEST,
    LARGEST_INTEGER,
    LONGEST_NAME,
    is_number,
    is_whole,
    plain,
    shown,
    whole,
    wrong_json,
    wrong_name,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class AsTheTaskHasThem(dict[str, Scalar]):
    """Defaults that the task says: a copy of the study with another task or stream takes them anew."""


Wrong = Callable[[Any], str]
"""Why a value cannot be that of a field; empty where it can."""


def settle(study: Any, problems: Problems) -> bool:
    """Give every field a plain value, and collect what is of another kind than it has to be.

    Returns whether all that the rest is checked against (name, space, baselines, defaults) is of the right kind. Any
    other field that is not has its default from here on, so that the rest can be checked too.
    """
    _put(study, "name", plain(study.name))
    sound = _add(problems, wrong_study_name(study.name))
    sound &= _mappings(study, problems)
    defaults = {item.name: item for item in dataclasses.fields(study)}
    for name, (convert, wrong) in _FIELDS.items():
        value = convert(getattr(study, name))
        if problem := wrong(value):
            problems.add(problem)
            item = defaults[name]
            value = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
        _put(study, name, value)
    _presets(study, problems)
    return sound


def _put(study: Any, name: str, value: Any) -> None:
    object.__setattr__(study, name, value)


def _add(problems: Problems, problem: str) -> bool:
    if problem:
        problems.add(problem)
    return not problem


def wrong_study_name(name: Any) -> str:
    """Why this cannot be the name of a study; empty where it can."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"a name has letters, digits, '_', '.' and '-' and begins with a letter or digit; got name={shown(name)}"
    if len(name) > LONGEST_NAME:
        return f"a name has at most {LONGEST_NAME} characters; got {len(name)}, name={shown(name)}"
    return ""


def _mappings(study: Any, problems: Problems) -> bool:
    """Space, baselines, defaults and ``without``, whose values are of the kinds of the space's dimensions."""
    before = len(problems.found)
    space = _mapping(study.space, "space", "kd.uniform(0, 1)", problems)
    for name, dimension in space.items():
        _add(problems, _wrong_dimension(name, dimension))
    dimensions = {name: dimension for name, dimension in space.items() if isinstance(dimension, Dimension)}
    _put(study, "space", space)
    baselines = _mapping(study.baselines, "baselines", "{'rate': 0.1}", problems)
    for label, values in baselines.items():
        _add(problems, _wrong_named("baseline", label))
        where = f"baseline {shown(label)}"
        baselines[label] = _values(values, where, dimensions, problems)
        for name, value in baselines[label].items():
            if name in space and name not in dimensions:
                continue
            if wrong := _wrong_value(dimensions.get(name), value):
                number = isinstance(value, float) and value - value != 0
                said = f"must be finite, got {value}" if number else f"{shown(value)} cannot be used: {wrong}"
                problems.add(f"{where}: {name} {said}" if number else f"{where}: {name}={said}")
    _put(study, "baselines", baselines)
    if not isinstance(study.defaults, AsTheTaskHasThem):
        _put(study, "defaults", _values(study.defaults, "defaults", dimensions, problems))
    if isinstance(study.without, Mapping):
        _put(study, "without", typed(dimensions, study.without))
    return len(problems.found) == before


def _wrong_value(dimension: Dimension | None, value: Any) -> str:
    """Why a baseline cannot have this value; what is not searched may be whatever a task of its own can read."""
    if dimension is None and (value is None or isinstance(value, list | tuple | dict)):
        return wrong_json(value)
    return wrong_kind(dimension, value, typos=False)


def _mapping(value: Any, name: str, example: str, problems: Problems) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        problems.add(f"{name}={shown(value)}: expected a dict of names, such as {{'a': {example}}}")
        return {}
    return {plain(key): inner for key, inner in value.items()}


def _values(values: Any, where: str, dimensions: Mapping[str, Dimension], problems: Problems) -> dict[str, Any]:
    """Names and plain values of a baseline or of the defaults."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        problems.add(f"{where}: expected a dict of parameters, such as {{'rate': 0.1}}, got {shown(values)}")
        return {}
    for name in values:
        _add(problems, _wrong_named(f"{where}, parameter", name))
    return typed(dimensions, values)


def _wrong_named(what: str, name: Any) -> str:
    wrong = wrong_name(plain(name))
    return f"{what} {shown(name)}: {wrong}" if wrong else ""


def _wrong_dimension(name: Any, dimension: Any) -> str:
    if wrong := _wrong_named("space, parameter", name):
        return wrong
    if isinstance(dimension, Dimension):
        return ""
    hint = ""
    if isinstance(dimension, Sequence) and not isinstance(dimension, str):
        numbers = (
            isinstance(dimension, tuple) and len(dimension) == 2 and all(is_number(plain(value)) for value in dimension)
        )
        write = f"kd.uniform({dimension[0]}, {dimension[1]})" if numbers else f"kd.categorical({shown(dimension)})"
        hint = f"; write {write}"
    return f"{name} must be kd.uniform, kd.log, kd.integer, kd.categorical or kd.when, got {shown(dimension)}{hint}"


def _presets(study: Any, problems: Problems) -> None:
    """Names of the presets and the kinds of what they replace; what they make is checked where one is chosen."""
    presets = _mapping(study.presets, "presets", "{'budget': kd.Budget(runs=8)}", problems)
    for name, changes in presets.items():
        _add(problems, _wrong_named("preset", name))
        if not isinstance(changes, Mapping):
            problems.add(f"preset {shown(name)}: expected a dict of fields of the study, got {shown(changes)}")
            continue
        for field, value in changes.items():
            convert, wrong = _FIELDS.get(field, (plain, lambda value: ""))
            if problem := wrong(convert(value)):
                problems.add(f"preset {shown(name)}: {problem}")
        for field in ("task", "space", "baselines", "defaults"):
            if not isinstance(changes.get(field, {}), Mapping):
                problems.add(f"preset {shown(name)}: {field} is a dict, got {shown(changes[field])}")
    _put(study, "presets", {name: changes for name, changes in presets.items() if isinstance(changes, Mapping)})


def _is_a(kinds: tuple[type, ...], name: str, example: str) -> Wrong:
    def wrong(value: Any) -> str:
        return "" if isinstance(value, kinds) else f"{name} is {example}, got {shown(value)}"

    return wrong


def _wrong_budget(value: Any) -> str:
    write = f"kd.Budget(runs={value})" if is_whole(plain(value), 2, MOST_RUNS) else "kd.Budget(runs=200)"
    return _is_a((Budget,), "budget", write)(value)


def _wrong_published(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        wrong = next((row for row in value if not isinstance(row, Published)), None)
        if wrong is None:
            return ""
        value = wrong
    return f"published is a list of kd.Published('their table 2', 0.5), got {shown(value)}"


def _wrong_effect(value: Any) -> str:
    if is_number(value) and 0 < value <= LARGEST:
        return ""
    return f"min_effect must be above 0, a finite number, got {shown(value)}"


def _count(name: str, least: int, most: int) -> Wrong:
    def wrong(value: Any) -> str:
        if is_whole(value, least, most):
            return ""
        return f"{name}={shown(value)}: expected a whole number from {least} on, at most {most:g}"

    return wrong


def _wrong_timeout(value: Any) -> str:
    if value is None or (is_number(value) and 0 < value <= LARGEST):
        return ""
    return f"run_timeout={shown(value)}: expected seconds, a number above 0"


def _wrong_vary(value: Any) -> str:
    if value is None or (isinstance(value, Sequence) and all(isinstance(name, str) for name in value)):
        return ""
    return f"vary={shown(value)}: expected names of random streams, such as ('initialisation', 'order')"


def _streams(value: Any) -> Any:
    value = plain(value)
    listed = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    return tuple(map(plain, value)) if listed and not isinstance(value, tuple) else value


def _none(value: Any) -> Any:
    return () if value is None else value


def _same(value: Any) -> Any:
    return value


def _fine(value: Any) -> str:
    return ""


_SEARCHES = "kd.Adaptive(), kd.Fixed(seeds=5) or kd.OptunaSearch(TPESampler)"
_FIELDS: dict[str, tuple[Callable[[Any], Any], Wrong]] = {
    "published": (_none, _wrong_published),
    "budget": (_same, _wrong_budget),
    "confirm": (_same, _is_a((Confirm,), "confirm", "kd.Confirm(seeds=10)")),
    "search": (
        _same,
        _is_a((Adaptive, Fixed, OptunaSearch), "search", "kd.Adaptive(), kd.Fixed(seeds=5) or kd.OptunaSearch(...)"),
    ),
    "min_effect": (plain, _wrong_effect),
    "preflight_seeds": (whole, _count("preflight_seeds", 0, MOST_SEEDS)),
    "seed": (whole, _count("seed", 0, LARGEST_INTEGER)),
    "vary": (_streams, _wrong_vary),
    "teachers": (plain, _fine),
    "question": (plain, _fine),
    "folds": (whole, _fine),
    "run_timeout": (plain, _wrong_timeout),
}
"""By field: how it becomes a plain value, and why a value cannot be that field's. What it means is checked later."""
