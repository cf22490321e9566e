"""What a launch changes of a study file without editing it: ``--runs``, ``--name``, ``--set task.epochs=40``."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from kdsearch.errors import KdsearchError, StudyFileError, suggestion
from kdsearch.study.budget import Budget, Confirm
from kdsearch.study.declaration import Study
from kdsearch.values import shown

PARTS = {"budget": Budget, "confirm": Confirm}
"""Fields whose own fields can be set: ``budget.runs``, ``confirm.seeds``."""

FIELDS = ("name", "min_effect", "seed", "preflight_seeds", "run_timeout", "question", "direction", "begin_with")
"""Fields that can be set by themselves."""


def overridden(study: Study, overrides: Mapping[str, Any]) -> Study:
    """The study with some of its values replaced, as if its file said so; it remembers which.

    Names: one of ``FIELDS``, ``budget.NAME``, ``confirm.NAME``, ``task.NAME`` (an option of the task) and
    ``defaults.NAME`` (of a function or a command). Raises ``StudyFileError`` for an unknown name and for a value that
    the study cannot have.
    """
    if not overrides:
        return study
    try:
        return study.with_changes({**_changes(study, overrides), "overrides": dict(overrides)})
    except _Unknown:
        raise
    except KdsearchError as error:  # the file itself was read without one
        values = ", ".join(f"{key}={shown(value)}" for key, value in overrides.items())
        raise StudyFileError(f"{error}\nThis is with {values} in place of what the study file says.") from error


class _Unknown(StudyFileError):
    """A name that no launch can set."""


def _changes(study: Study, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the study that differ."""
    changes: dict[str, Any] = {}
    for key, value in overrides.items():
        part, dot, name = key.partition(".")
        if not dot and key in FIELDS:
            changes[key] = value
        elif part in PARTS and name in _fields(PARTS[part]):
            changes[part] = dataclasses.replace(changes.get(part, getattr(study, part)), **{name: value})
        elif part == "defaults" and name not in (known := {**study.space, **study.defaults}):
            raise _Unknown(
                f"a launch cannot set {shown(key)}: the study has no default {name!r}; "
                + suggestion(name, sorted(known))
            )
        elif part in ("task", "defaults") and name:
            changes.setdefault(part, {})[name] = value
        else:
            inside = [known for known in _known() if known.partition(".")[2] == key]
            hint = f"did you mean {inside[0]!r}?" if inside else suggestion(key, _known())
            raise _Unknown(f"a launch cannot set {shown(key)}; {hint}")
    return changes


def read(pairs: Sequence[str]) -> dict[str, Any]:
    """Names and values of ``NAME=VALUE`` texts; a value is a Python literal, or else a text.

    Raises ``KdsearchError`` for what is no such text, and for a name that is given twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise KdsearchError(f"expected NAME=VALUE, such as task.epochs=40, got {shown(pair)}")
        if name in found:
            raise KdsearchError(f"{name} is set twice, to {shown(found[name])} and to {shown(text)}")
        found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _fields(kind: type[Any]) -> list[str]:
    return [item.name for item in dataclasses.fields(kind)]


def _known() -> list[str]:
    parts = [f"{part}.{name}" for part, kind in PARTS.items() for name in _fields(kind)]
    return [*FIELDS, *parts, "task.NAME", "defaults.NAME"]
