"""The sentence that says what "without distillation" is in a study."""

from __future__ import annotations

from kdsearch.space import Categorical, unconditional
from kdsearch.study.fields import StudyFields
from kdsearch.tasks.base import Scalar


def describe_without(study: StudyFields) -> str:
    """What a study file names, or how to name it where it does not; empty of tasks that say it themselves."""
    if study.without is not None:
        return f"distillation: {', '.join(_named(study, name, value) for name, value in study.off.items())}"
    if study.off:
        return ""
    return (
        'distillation: not named; kd.Study(..., without={"alpha": 0}) says which values switch it off, and the winner '
        "is then compared with itself at these values"
    )


def _named(study: StudyFields, name: str, value: Scalar) -> str:
    """A value in words; one that is no choice of its dimension is said to be none, for it may be a slip."""
    dimension = study.space.get(name)
    inner = None if dimension is None else unconditional(dimension)
    foreign = isinstance(inner, Categorical) and not inner.contains(value)
    return f"{name}={value}" + (" (none of the choices that are searched)" if foreign else "")
