"""Image classification with a teacher's soft labels: declared without importing torch.

    ``L = (1 - alpha) * cross_entropy_batchmean + alpha * T^2 * soft``

``alpha`` weighs the soft term. ``mode`` says which one it is: ``cse``, the cross entropy with the teacher's softened
prediction, or ``mse``, half the squared distance of softened *probabilities*, mean over batch and classes; both with
their T^2 (:mod:`kdsearch.distillation.soft_targets`). Sources: Hinton, Vinyals and Dean, "Distilling the knowledge in a
neural network", 2015; JoonyoungYi/KD-pytorch, ``trainer.py``, of which the CIFAR-10 repository is a fork.

The original leaves the teacher in train mode (``teacher_train_mode``) and watches the test set in each epoch; whether
its table has the best or the last of them it does not say (``best_epoch_on_test``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from typing_extensions import override

from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.images.task import QUIRKS, SHARED, ImageTask
from kdsearch.tasks.options import ClassifierOptions, classifier_options
from kdsearch.tasks.torch_task import STAGES_FROM_BEST, TeacherRecipe

MODES = ("cse", "mse")

DEFAULTS: dict[str, Scalar] = {"alpha": 0.0, "temperature": 4.0, "mode": "cse", **SHARED}

_TEACHER = ClassifierOptions("vgg16_bn")
_STUDENT = ClassifierOptions("studentnet")


@dataclass(frozen=True)
class ImageClassification(ImageTask):
    """A student classifier that learns from labels and from a teacher; with ``alpha`` 0 from labels alone.

    ``teacher``, ``student``: options of ``ClassifierOptions`` as a dict; the teacher may have a recipe of its own, such
    as the original's ``{"network": "vgg16_bn", "optimizer": "sgd", "learning_rate": 0.1, "schedule": "steps",
    "milestones": (150, 250), "epochs": 300}``, whose three stages each begin at the best epoch so far with a new
    optimizer (the quirk ``stages_from_best``; without it the run goes on). It sees each image in the same crop and flip
    as the student; its outputs for all views are cached where they take less than a tenth of the free memory, else they
    are computed anew, as always with ``augment="resized-crop"``. ``teacher_recipe``: how its weights come about, a name
    out of ``TEACHER_RECIPES``; ``last`` where the data have folds. All else as in ``ImageTask``.

    Raises :class:`~kdsearch.errors.StudyFileError` for unknown options, and where an image shows several classes: what
    a soft label is then, the originals do not say.
    """

    _: KW_ONLY
    teacher: ClassifierOptions | Mapping[str, Any] = _TEACHER
    student: ClassifierOptions | Mapping[str, Any] = _STUDENT
    teacher_recipe: TeacherRecipe | None = None

    workload: ClassVar[str] = "kdsearch.tasks.image_classification.workload:ImageClassificationWorkload"
    has_teacher = True
    teacher_parameters = ("alpha",)
    idle_without_teacher = ("temperature", "mode")
    kind: ClassVar[str] = "image_classification"
    trains_teacher: ClassVar[bool] = True
    one_class: ClassVar[str] = "images of several classes: declare kdsearch.tasks.Transfer, whose terms read them"
    known_quirks: ClassVar[Mapping[str, str]] = QUIRKS | {
        STAGES_FROM_BEST: "each stage of the teacher's schedule begins at its best epoch so far, with a new optimizer",
    }
    defaults: ClassVar[Mapping[str, Scalar]] = DEFAULTS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "teacher", classifier_options("the teacher", self.teacher, own=True))
        if STAGES_FROM_BEST in self.quirks and self.recipe in ("last", "averaged"):
            raise StudyFileError(
                f"{STAGES_FROM_BEST} chooses the teacher's best epochs, which must not be on what validates its "
                "students: give teacher_recipe='nested', or data with validation=0.1 in place of folds"
            )
        if STAGES_FROM_BEST in self.quirks and not self.restarts_of("teacher"):
            raise StudyFileError(
                f"{STAGES_FROM_BEST} is of a teacher whose schedule is 'steps', with milestones, got "
                f"{self.network('teacher').schedule or self.schedule_name!r}: give it one, or leave the quirk out"
            )

    @override
    def words(self, teacher: str | None) -> list[str]:
        return [f"student {self.student}", f"teacher {self.teacher}{self.recipe_words(teacher)}"]
