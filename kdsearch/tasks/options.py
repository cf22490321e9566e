"""The options of a task's networks and of a network's own recipe, checked when a study is declared; no torch."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from kdsearch.errors import StudyFileError
from kdsearch.models.registry import CLASSIFIERS, ENCODERS
from kdsearch.tasks.base import Role, Scalar
from kdsearch.tasks.identity import is_path, named

if TYPE_CHECKING:
    from kdsearch.models.classifiers.cifar import Classifier

ScheduleName = Literal["plateau", "steps", "cosine", "constant"]
SCHEDULES = ("plateau", "steps", "cosine", "constant")
OPTIMIZER_NAMES = ("adam", "adamw", "sgd", "sgd-nesterov")


def check_names(what: str, names: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise :class:`StudyFileError` for the first name that is not allowed, with the nearest one that is."""
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise StudyFileError(f"unknown {what} {name!r}.{hint} Allowed: {', '.join(allowed)}")


def check_whole(what: str, value: Any, least: int = 1) -> None:
    """Raise :class:`StudyFileError` unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or value < least:
        raise StudyFileError(f"{what} must be a whole number of at least {least}, got {value!r}")


class Options:
    """Options of one network, and where it has one, of a recipe of its own; ``None`` stands for the task's."""

    epochs: int | None = None
    optimizer: str | None = None
    schedule: ScheduleName | None = None
    milestones: tuple[int, ...] | None = None
    weights: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are not left to their defaults."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def identity(self) -> dict[str, Any]:
        """The given options as JSON values; weights by their name, since their content is in the fingerprint."""
        return self.given() | ({} if self.weights is None else {"weights": named(self.weights)})


@dataclass(frozen=True)
class NetworkOptions(Options):
    """One of the two networks: ``frames`` it sees, its ``width``, its ``encoder``, a file of pretrained ``weights``.

    ``None`` stands for the task's own (encoder) or the encoder's default (width). The numbers below them are for the
    teacher alone, whose recipe is the task's with these changes.
    """

    frames: int
    width: int | None = None
    encoder: str | None = None
    weights: str | None = None
    epochs: int | None = None
    triplet_weight: float | None = None
    classification_weight: float | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    patience: int | None = None


_NETWORK = tuple(field.name for field in fields(NetworkOptions))
_ALLOWED: dict[Role, tuple[str, ...]] = {"teacher": _NETWORK, "student": _NETWORK[:4]}
_FRAMES: dict[Role, int] = {"teacher": 20, "student": 10}


def network_options(role: Role, options: NetworkOptions | Mapping[str, Scalar]) -> NetworkOptions:
    """The options of ``role``, checked; a mapping gets the role's defaults for what it leaves out.

    Raises :class:`StudyFileError` for an unknown option or a value that cannot be.
    """
    if isinstance(options, NetworkOptions):
        options = options.given()
    check_names(f"option of the {role}", options, _ALLOWED[role])
    network = NetworkOptions(**cast("dict[str, Any]", {"frames": _FRAMES[role], **options}))
    _check_counts(role, network, "frames", "width", "epochs")
    if network.encoder is not None:
        check_names("encoder", [network.encoder], tuple(ENCODERS))
    return network


_BARE = ("network", "width", "weights", "tune_from")
"""Options of a network whose recipe is the task's."""


@dataclass(frozen=True)
class ClassifierOptions(Options):
    """A network of the registry ``kdsearch.models.registry``; ``None`` stands for the registry's own.

    ``weights``: one of torchvision's by name, or a file's path. ``tune_from``: only this stage (counted from 1), those
    behind it and what is new learn; what lies before keeps its ``weights``, but for what its batch norms have seen.
    What follows is for a network that has a recipe of its own, and differs from the task's where given; ``milestones``
    are epochs of the schedule ``steps``.
    """

    network: str
    width: int | None = None
    weights: str | None = None
    tune_from: int | None = None
    epochs: int | None = None
    optimizer: str | None = None
    schedule: ScheduleName | None = None
    milestones: tuple[int, ...] | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    patience: int | None = None

    def __str__(self) -> str:
        width = self.width or CLASSIFIERS[self.network].default_width
        weights = f", weights {named(self.weights)}" if self.weights else ""
        tuned = f", tuned from stage {self.tune_from} on" if self.tune_from else ""
        return f"{self.network} width {width}{weights}{tuned}"

    def build(self, classes: int, pretrained: bool = True) -> Classifier:
        """A new network, drawn from torch's default generator; without its ``weights`` where others will be loaded."""
        network = CLASSIFIERS[self.network].build(classes, self.width, self.weights if pretrained else None)
        if self.tune_from is not None:
            from kdsearch.models.classifiers.pretrained import Pretrained, freeze

            assert isinstance(network, Pretrained)
            freeze(network.parts_before(self.tune_from))
        return network


def classifier_options(what: str, options: ClassifierOptions | Mapping[str, Any], own: bool) -> ClassifierOptions:
    """Checked options; with ``own`` a recipe may be among them. Raises ``StudyFileError`` with what is allowed."""
    given = options.given() if isinstance(options, ClassifierOptions) else dict(options)
    names = tuple(field.name for field in fields(ClassifierOptions))
    check_names(f"option of {what}", given, names if own else _BARE)
    if "network" not in given:
        raise StudyFileError(f"{what} names no network; choose one of {', '.join(CLASSIFIERS)}")
    check_names("network", [given["network"]], tuple(CLASSIFIERS))
    if given.get("milestones") is not None:
        given["milestones"] = tuple(given["milestones"])
    if given.get("weights") is not None:
        given["weights"] = os.path.expanduser(given["weights"])
    found = ClassifierOptions(**given)
    _check_weights(what, found)
    if found.schedule == "steps" and not found.milestones:
        raise StudyFileError(f"{what}: schedule 'steps' needs milestones, the epochs after which the rate falls")
    _check_counts(what, found, "width", "epochs")
    if found.schedule is not None:
        check_names("schedule", [found.schedule], SCHEDULES)
    if found.optimizer is not None:
        check_names("optimizer", [found.optimizer], OPTIMIZER_NAMES)
    return found


def _check_counts(what: str, options: Options, *names: str) -> None:
    for name in names:
        if getattr(options, name) is not None:
            check_whole(f"{what}: {name}", getattr(options, name))


def _check_weights(what: str, found: ClassifierOptions) -> None:
    """Refuse weights that cannot be, without a look at any file, and stages that there are not."""
    entry = CLASSIFIERS[found.network]
    if found.weights is not None and not entry.has_weights:
        able = ", ".join(name for name, other in CLASSIFIERS.items() if other.has_weights)
        raise StudyFileError(f"{what}: {found.network} takes no weights, got {found.weights!r}; those that do: {able}")
    if found.weights is not None and found.weights not in entry.known_weights and not is_path(found.weights):
        known = f"one of torchvision's names ({', '.join(entry.known_weights)}) or " if entry.known_weights else ""
        raise StudyFileError(
            f"{what}: expected weights of {found.network}: {known}a file's path; got {found.weights!r}"
        )
    if found.tune_from is None:
        return
    if found.weights is None:
        raise StudyFileError(f"{what}: tune_from keeps pretrained weights in front of a stage; give weights too")
    if not isinstance(found.tune_from, int) or not 2 <= found.tune_from <= entry.stages + 1:
        raise StudyFileError(
            f"{what}: tune_from is 2 to {entry.stages} for a stage of {found.network}, {entry.stages + 1} for its last "
            f"layer alone; got {found.tune_from!r}"
        )
