"""What all tasks on images declare alike: data, recipe, schedule, metric; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import StudyFileError
from kdsearch.metrics.accuracy import chance_accuracy
from kdsearch.metrics.multi_label import chance_average_precision_over_classes, chance_average_precision_over_images
from kdsearch.tasks.base import VARY, Role, Scalar
from kdsearch.tasks.identity import measured_on, named, with_weights
from kdsearch.tasks.options import OPTIMIZER_NAMES, SCHEDULES, ClassifierOptions, ScheduleName, check_names
from kdsearch.tasks.torch_task import TorchTask

if TYPE_CHECKING:
    from kdsearch.tasks.torch_task import TeacherRecipe
    from kdsearch.training.schedules import Schedule
    from kdsearch.training.steppers import Precision

STAGES_FROM_BEST = "stages_from_best"
"""Quirk: each stage of the teacher's schedule begins at the best epoch so far, with a new optimizer."""


class ImageRecipe:
    """The task's recipe, and that of a network of another role where its options have one of their own."""

    defaults: ClassVar[Mapping[str, Scalar]]
    epochs: int
    optimizer: str
    schedule_name: ScheduleName
    milestones: tuple[int, ...]
    factor: float
    reductions: int
    quirks: tuple[str, ...]

    if TYPE_CHECKING:

        @property
        def recipe(self) -> TeacherRecipe:
            """How a teacher's weights come about, see ``TorchTask``."""

    def recipe_of(self, role: Role) -> ClassifierOptions | None:
        """The options of a network that has a recipe of its own."""
        return None

    def optimizer_of(self, role: Role) -> str:
        """See ``Trained``."""
        own = self.recipe_of(role)
        return (own and own.optimizer) or self.optimizer

    def epochs_of(self, role: Role) -> int:
        """See ``Trained``."""
        own = self.recipe_of(role)
        return (own and own.epochs) or self.epochs

    def restarts_of(self, role: Role) -> tuple[int, ...]:
        """See ``Looped``."""
        return self._milestones(role) if role == "teacher" and STAGES_FROM_BEST in self.quirks else ()

    def teacher_numbers(self) -> Mapping[str, Scalar]:
        """See ``Trained``."""
        own = self.recipe_of("teacher")
        return {} if own is None else {name: value for name, value in own.given().items() if name in self.defaults}

    def schedule(self, role: Role, params: Mapping[str, Scalar]) -> Schedule:
        """See ``Trained``."""
        from kdsearch.training.schedules import Cosine, Plateau, StepDecay

        name, rate = self._schedule_name(role), float(params["learning_rate"])
        if role == "teacher" and self.recipe == "averaged":
            return StepDecay(rate, milestones=())
        if name == "plateau":
            return Plateau(rate, int(params["patience"]), reductions=self.reductions)
        if name == "cosine":
            return Cosine(rate, self.epochs_of(role))
        return StepDecay(rate, milestones=self._milestones(role), factor=self.factor)

    def _schedule_name(self, role: Role) -> ScheduleName:
        own = self.recipe_of(role)
        name = (own and own.schedule) or self.schedule_name
        # A plateau is one of the objective, on clips that the teacher of a fold may not look at.
        return "cosine" if role == "teacher" and name == "plateau" and self.recipe == "last" else name

    def _milestones(self, role: Role) -> tuple[int, ...]:
        """Epochs after which the rate falls by steps; none for another schedule."""
        own = self.recipe_of(role)
        if self._schedule_name(role) != "steps":
            return ()
        return self.milestones if own is None or own.milestones is None else own.milestones


Augment = Literal["crop-flip", "resized-crop", "flip", "none"]
AUGMENTS = ("crop-flip", "resized-crop", "flip", "none")

QUIRKS: dict[str, str] = {
    "best_epoch_on_test": "score at the best epoch on test (optimistic)",
    "teacher_train_mode": "frozen networks use the batch's statistics in batch norm; their outputs are not cached",
    "per_image_average_precision": "average precision of each image over its classes, averaged over images",
}
"""What originals do and these tasks do not, unless asked to by name."""

SHARED: dict[str, Scalar] = {
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "patience": 5,
    "vary": "initialisation+order+augmentation",
}
"""Parameters that every task on images has, with their defaults."""


class ImageDataLike(Protocol):
    """What these tasks read of a data declaration such as ``kdsearch.data.cifar10()``."""

    label: str
    description: str
    multi_label: bool
    eleven_points: bool
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: int
    folds: int | None

    def identity(self) -> dict[str, Any]: ...  # noqa: D102

    def fingerprint(self) -> str: ...  # noqa: D102

    def before_folds(self) -> Any: ...  # noqa: D102

    def parts(self, fold: Fold = FIRST) -> Any: ...  # noqa: D102

    def load(self, size: int | None = None) -> Any: ...  # noqa: D102

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class ImageTask(ImageRecipe, TorchTask):
    """Fields and rules of the tasks on images.

    ``data``: such as ``kdsearch.data.cifar10(train=2000)``. ``augment``: random crops of the image, padded by as much
    as the data say, and flips; crops of random size, out of what is evaluated, and flips; flips alone; or none.
    ``batch`` in images, ``epochs`` at most, ``evaluate_every`` in epochs.
    ``schedule``: ``plateau`` divides the learning rate by 10 when the objective has not risen for ``patience``
    evaluations and ends the run at the plateau after the last of ``reductions``; ``steps`` multiplies it by ``factor``
    at each of ``milestones``, ``cosine`` lets it fall to 0, ``constant`` leaves it: these know no patience.
    ``learning_rate`` and ``weight_decay``: of runs that do not set them, where they are not the task's own defaults.
    ``size``: pixels, for data that can be scaled. ``precision``, ``recompute`` and ``micro_batch`` as in
    ``VideoHashing``. ``quirks``: names out of :data:`QUIRKS`.
    """

    data: ImageDataLike
    _: KW_ONLY
    augment: Augment = "crop-flip"
    batch: int = 128
    epochs: int = 60
    evaluate_every: int = 1
    optimizer: str = "adam"
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule_name: ScheduleName = "plateau"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    reductions: int = 2
    size: int | None = None
    quirks: tuple[str, ...] = ()
    precision: Precision = "float32"
    recompute: bool = False
    micro_batch: int | None = None

    kind: ClassVar[str]
    """The task's name in identities."""
    trains_teacher: ClassVar[bool] = False
    """Whether a teacher of the task trains on its data."""
    known_quirks: ClassVar[Mapping[str, str]] = QUIRKS
    defaults: ClassVar[Mapping[str, Scalar]]
    """Parameters with their defaults."""

    def __post_init__(self) -> None:
        given: Any = self.quirks  # a bare name or a list in place of a tuple is what people write
        object.__setattr__(self, "quirks", tuple(sorted({given} if isinstance(given, str) else {*given})))
        object.__setattr__(self, "milestones", tuple(self.milestones))
        check_names("quirk", self.quirks, tuple(self.known_quirks))
        check_names("optimizer", [self.optimizer], OPTIMIZER_NAMES)
        check_names("schedule", [self.schedule_name], SCHEDULES)
        check_names("augmentation", [self.augment], AUGMENTS)
        check_names("precision", [self.precision], ("float32", "bfloat16"))
        for name, least in (("batch", 2), ("epochs", 1), ("evaluate_every", 1), ("reductions", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise StudyFileError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if getattr(self.data, "teacher_only", None) and not self.trains_teacher:
            raise StudyFileError(
                f"teacher_only={self.data.teacher_only}: {type(self).__name__} trains no teacher on its data; "  # type: ignore[attr-defined]
                "expected tasks.ImageClassification, or data without it"
            )
        if (self.schedule_name == "steps") != bool(self.milestones):
            raise StudyFileError(
                f"milestones are the epochs of schedule_name='steps', and it needs some; got "
                f"schedule_name={self.schedule_name!r} and milestones={self.milestones!r}"
            )
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise StudyFileError(f"{name} must be a number, got {value!r}")
        if "per_image_average_precision" in self.quirks and not self.data.multi_label:
            raise StudyFileError("per_image_average_precision is for images of several classes; leave it out")
        if self.micro_batch is not None and (not isinstance(self.micro_batch, int) or self.micro_batch < 2):
            raise StudyFileError(f"micro_batch must be a whole number of at least 2, got {self.micro_batch!r}")

    @property
    def label(self) -> str:
        """Short name of data and protocol."""
        return self.data.label

    @property
    def description(self) -> str:
        """Data, networks and quirks in one line."""
        raise NotImplementedError

    @property
    def metric(self) -> str:
        """Accuracy, or for images that show several classes mean average precision, by the data's official rule."""
        if not self.data.multi_label:
            return "accuracy"
        if "per_image_average_precision" in self.quirks:
            return "per-image AP"
        return "11-point mAP" if self.data.eleven_points else "mAP"

    @property
    def chance(self) -> float:
        """The metric of an answer that looks at no image, on validation."""
        return self.chances[0]

    @cached_property
    def chances(self) -> tuple[float, float]:
        """The metric of an answer that looks at no image, on validation and on test; decodes none."""
        parts = self.data.parts()
        train = parts.labels[parts.train]

        def chance(labels: Any) -> float:
            if not self.data.multi_label:
                return chance_accuracy(train, labels, self.data.num_classes)
            if "per_image_average_precision" in self.quirks:
                return chance_average_precision_over_images(train, labels)
            return chance_average_precision_over_classes(labels)

        return chance(parts.labels[parts.validation]), chance(parts.labels[parts.test])

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """Every parameter that a space or baseline may set, with its default."""
        own = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        vary = {VARY: f"{self.defaults[VARY]}{self.streams}"}
        return {**self.defaults, **vary, **{name: value for name, value in own.items() if value is not None}}

    def identity(self) -> dict[str, Any]:
        """All that makes this task what it is, as JSON values."""
        own = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        if own.get("teacher_recipe", "") is None:
            del own["teacher_recipe"]
        return {"task": self.kind, **own, "parameters": dict(self.parameters)}

    def fingerprint(self) -> str:
        """Hash of the data that runs read, and of local files of weights."""
        return with_weights(self.data.fingerprint(), self._weights)

    def measured_on(self) -> str:
        """See ``kdsearch.tasks.identity``."""
        return measured_on(self.data, self.metric, self.quirks)

    @property
    def _weights(self) -> list[str | None]:
        """Pretrained weights of all networks."""
        options = [getattr(self, field.name) for field in fields(self)]
        return [option.weights for option in options if isinstance(option, ClassifierOptions)]

    def with_options(self: Own, **options: Any) -> Own:
        """The same task with some options changed; those of a network are merged into what is there."""
        check_names(f"option of {type(self).__name__}", options, tuple(f.name for f in fields(self)))
        for name, value in options.items():
            there = getattr(self, name)
            if isinstance(there, ClassifierOptions) and isinstance(value, Mapping):
                options[name] = there.given() | dict(value)
        return replace(self, **options)

    def quirk_words(self) -> list[str]:
        """What is as the original has it, in words."""
        return [f"as the original: {self.known_quirks[quirk]}" for quirk in self.quirks]

    def chances_of(self, role: Role) -> tuple[float, float]:
        """See ``Trained``."""
        return self.chances


Own = TypeVar("Own", bound=ImageTask)


def _plain(value: Any) -> Any:
    """JSON values of an option: data and networks tell their own identity."""
    if hasattr(value, "identity"):
        return value.identity()
    if isinstance(value, ClassifierOptions):
        given = value.given()
        return given if value.weights is None else {**given, "weights": named(value.weights)}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value
