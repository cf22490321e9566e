"""What all tasks on images declare alike: options, their checks, metric; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from typing_extensions import override

from kdsearch.errors import StudyFileError
from kdsearch.metrics.accuracy import chance_accuracy
from kdsearch.metrics.multi_label import chance_average_precision_over_classes, chance_average_precision_over_images
from kdsearch.tasks.base import Role, Scalar
from kdsearch.tasks.declared_data import ImageData
from kdsearch.tasks.options import SCHEDULES, ClassifierOptions, ScheduleName, check_names, classifier_options
from kdsearch.tasks.torch_task import TorchTask

if TYPE_CHECKING:
    from kdsearch.models.classifiers.cifar import Classifier
    from kdsearch.training.steppers import Precision

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


@dataclass(frozen=True)
class ImageTask(TorchTask):
    """Fields and rules of the tasks on images.

    ``data``: such as ``kdsearch.data.cifar10(train=2000)``. ``augment``: random crops of the image, padded by as much
    as the data say, and flips; crops of random size, out of what is evaluated, and flips; flips alone; or none.
    ``batch`` in images, ``epochs`` at most, ``evaluate_every`` in epochs.
    ``schedule``: ``plateau`` divides the learning rate by 10 when the objective has not risen for ``patience``
    evaluations and ends the run at the plateau after the last of ``reductions``; ``steps`` multiplies it by ``factor``
    at each of ``milestones``, ``cosine`` lets it fall to 0, ``constant`` leaves it: these know no patience.
    ``learning_rate`` and ``weight_decay``: of runs that do not set them, where they are not the task's own defaults.
    ``size``: pixels, for data that can be scaled. ``precision``, ``activation_checkpointing`` and ``micro_batch`` as in
    ``VideoHashing``. ``quirks``: names out of :data:`QUIRKS`.
    """

    data: ImageData
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
    activation_checkpointing: bool = False
    micro_batch: int | None = None

    kind: ClassVar[str]
    """The task's name in identities."""
    trains_teacher: ClassVar[bool] = False
    """Whether a teacher of the task trains on its data."""
    one_class: ClassVar[str] = ""
    """Why each image must be of one class; empty where it need not be."""
    known_quirks: ClassVar[Mapping[str, str]] = QUIRKS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "milestones", tuple(self.milestones))
        object.__setattr__(self, "student", classifier_options("the student", self.student, own=False))
        check_names("schedule", [self.schedule_name], SCHEDULES)
        check_names("augmentation", [self.augment], AUGMENTS)
        only = getattr(self.data, "teacher_only", None)
        if only and not self.trains_teacher:
            raise StudyFileError(
                f"teacher_only={only}: {type(self).__name__} trains no teacher on its data; expected "
                "tasks.ImageClassification, or data without it"
            )
        if (self.schedule_name == "steps") != bool(self.milestones):
            raise StudyFileError(
                f"milestones are the epochs of schedule_name='steps', and it needs some; got "
                f"schedule_name={self.schedule_name!r} and milestones={self.milestones!r}"
            )
        if "per_image_average_precision" in self.quirks and not self.data.multi_label:
            raise StudyFileError("per_image_average_precision is for images of several classes; leave it out")
        if self.one_class and self.data.multi_label:
            raise StudyFileError(self.one_class)

    @property
    @override
    def metric(self) -> str:
        """Accuracy, or for images that show several classes mean average precision, by the data's official rule."""
        if not self.data.multi_label:
            return "accuracy"
        if "per_image_average_precision" in self.quirks:
            return "per-image AP"
        return "11-point mAP" if self.data.eleven_points else "mAP"

    @cached_property
    @override
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

    @override
    def identity(self) -> dict[str, Any]:
        return {"task": self.kind, **self._stored_options(), "parameters": dict(self.parameters)}

    @override
    def network(self, role: Role) -> ClassifierOptions:
        return cast("ClassifierOptions", self.teacher if role == "teacher" else self.student)

    @override
    def build_teacher(self) -> Classifier:
        return self.network("teacher").build(self.data.num_classes, pretrained=False)
