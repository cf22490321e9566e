"""What "without distillation" is: of kdsearch's tasks every teacher weight 0, of others what the study file names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kdsearch.space import Categorical, Dimension, active, idle_at, unconditional
from kdsearch.tasks.base import Scalar

if TYPE_CHECKING:
    from kdsearch.study.declaration import Study

NAMED = "without_values"
"""Key of a stored study's settings, where its file names what is without distillation."""


def effective(space: Mapping[str, Dimension], named: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values that are read: one whose condition cannot hold beside the others falls back to its default."""
    idle = idle_at(space, named)
    return {name: value for name, value in named.items() if name not in idle}


def read(space: Mapping[str, Dimension], params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The numbers of a configuration whose conditions hold: two that differ in the others alone are one.

    Of functions, whose files name what is without distillation; trainers of kdsearch's tasks read their teacher weights
    whatever the condition.
    """
    idle = set(space) - set(active(space, params))
    return {name: value for name, value in params.items() if name not in idle}


def without_words(study: Study) -> str:
    """What a study file names, or how to name it where it does not; empty of tasks that say it themselves."""
    if study.without is not None:
        return f"distillation: {', '.join(_named(study, name, value) for name, value in study.off.items())}"
    if study.off:
        return ""
    return (
        'distillation: not named; kd.Study(..., without={"alpha": 0}) says which values switch it off, and the winner '
        "is then compared with itself at these"
    )


def _named(study: Study, name: str, value: Scalar) -> str:
    """A value in words; one that is no choice of its dimension is said to be none, for it may be a slip."""
    dimension = study.space.get(name)
    inner = None if dimension is None else unconditional(dimension)
    foreign = isinstance(inner, Categorical) and not inner.contains(value)
    return f"{name}={value}" + (" (none of the choices that are searched)" if foreign else "")
