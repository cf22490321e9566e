"""The options of a classifier and, where it has one of its own, of its recipe; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
from typing import Any
from typing import Literal

from kdsearch.errors import StudyFileError
from kdsearch.models.classifiers import CLASSIFIERS
from kdsearch.tasks.networks import check_names

ScheduleName = Literal["plateau", "steps", "cosine", "constant"]
SCHEDULES = ("plateau", "steps", "cosine", "constant")
OPTIMIZER_NAMES = ("adam", "adamw", "sgd")


@dataclass(frozen=True)
class ClassifierOptions:
    """A network of the registry ``kdsearch.models.classifiers``; ``None`` stands for the registry's own.

    ``weights``: one of torchvision's by name, or a file's path. What follows is for a network that has a recipe of its
    own, and differs from the task's where given; ``milestones`` are epochs of the schedule ``steps``.
    """

    network: str
    width: int | None = None
    weights: str | None = None
    epochs: int | None = None
    optimizer: str | None = None
    schedule: ScheduleName | None = None
    milestones: tuple[int, ...] | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    patience: int | None = None

    def given(self) -> dict[str, Any]:
        """The options that are not left to their defaults."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        width = self.width or CLASSIFIERS[self.network].default_width
        weights = f", weights {self.weights}" if self.weights else ""
        return f"{self.network} width {width}{weights}"


def classifier_options(what: str, options: ClassifierOptions | Mapping[str, Any], own: bool) -> ClassifierOptions:
    """Checked options; with ``own`` a recipe may be among them. Raises ``StudyFileError`` with what is allowed."""
    given = options.given() if isinstance(options, ClassifierOptions) else dict(options)
    names = tuple(field.name for field in fields(ClassifierOptions))
    check_names(f"option of {what}", given, names if own else names[:3])
    if "network" not in given:
        raise StudyFileError(f"{what} names no network; choose one of {', '.join(CLASSIFIERS)}")
    check_names("network", [given["network"]], tuple(CLASSIFIERS))
    if given.get("milestones") is not None:
        given["milestones"] = tuple(given["milestones"])
    found = ClassifierOptions(**given)
    if found.weights is not None and not CLASSIFIERS[found.network].has_weights:
        able = ", ".join(name for name, entry in CLASSIFIERS.items() if entry.has_weights)
        raise StudyFileError(f"{what}: {found.network} takes no weights, got {found.weights!r}; those that do: {able}")
    if found.schedule == "steps" and not found.milestones:
        raise StudyFileError(f"{what}: schedule 'steps' needs milestones, the epochs after which the rate falls")
    for name in ("width", "epochs"):
        value = getattr(found, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise StudyFileError(f"{what}: {name} must be a whole number of at least 1, got {value!r}")
    if found.schedule is not None:
        check_names("schedule", [found.schedule], SCHEDULES)
    if found.optimizer is not None:
        check_names("optimizer", [found.optimizer], OPTIMIZER_NAMES)
    return found
