"""What "without distillation" is: of kdsearch's tasks every teacher weight 0, of others what the study file names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from kdsearch.space import Dimension
from kdsearch.space import idle_at
from kdsearch.tasks.base import Scalar

if TYPE_CHECKING:
    from kdsearch.study import Study

NAMED = "without_values"
"""Key of a stored study's settings, where its file names what is without distillation."""


def effective(space: Mapping[str, Dimension], named: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values that are read: one whose condition cannot hold beside the others falls back to its default."""
    idle = idle_at(space, named)
    return {name: value for name, value in named.items() if name not in idle}


def stored_without(settings: Mapping[str, Any]) -> dict[str, Scalar]:
    """The values of a stored study; empty where it has no notion of distillation."""
    named = settings.get(NAMED) or {}
    return dict(named) or dict.fromkeys(map(str, settings.get("teacher_parameters") or ()), 0)


def without_words(study: Study) -> str:
    """What a study file names, or how to name it where it does not; empty of tasks that say it themselves."""
    if study.without is not None:
        return f"distillation: {', '.join(f'{name}={value}' for name, value in study.off.items())}"
    if study.off:
        return ""
    return (
        'distillation: not named; kd.Study(..., without={"alpha": 0}) says which values switch it off, and the winner '
        "is then compared with itself at these"
    )
