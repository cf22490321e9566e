"""Transfer by the soft labels of source networks (SSKT): declared without importing torch.

    ``L = target + alpha * sum over sources of transfer_loss(auxiliary head, source)``

A source is a frozen network of another task; its prediction for a target image, softened by T, is the label of an
auxiliary head of the student. No image of the source's own is needed. ``auxiliary`` names the loss: ``ce``, ``kd`` or
``focal`` (:mod:`kdsearch.distillation.transfer`; the first two with T^2; ``kd`` divides by the source's classes, so
that one ``alpha`` means 1000 times less there). The target's loss is cross entropy, focal loss, or binary cross entropy
where an image shows several classes. Source: Hong, Yoon, Choi and Kim, "Self-supervised knowledge transfer via loosely
supervised auxiliary tasks", WACV 2022, and its code: alpha 0.1 and T 3 for images; its 3-D code has alpha 1
and T 1.

The original leaves its sources in train mode (``teacher_train_mode``) and scores the test set in each epoch
(``best_epoch_on_test``); for VOC it reports ``per_image_average_precision``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from typing_extensions import override

from kdsearch.data.files import combined
from kdsearch.data.images.base import IMAGENET_MEAN, IMAGENET_STD
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Role, Scalar
from kdsearch.tasks.declared_data import ImageData
from kdsearch.tasks.identity import with_weights
from kdsearch.tasks.image_classification.task import ImageClassification
from kdsearch.tasks.images.task import SHARED, ImageTask
from kdsearch.tasks.options import ClassifierOptions, check_names, check_whole, classifier_options
from kdsearch.tasks.torch_task import TeacherRecipe

if TYPE_CHECKING:
    from kdsearch.models.classifiers.cifar import Classifier

AUXILIARY_LOSSES = ("ce", "kd", "focal")

DEFAULTS: dict[str, Scalar] = {"alpha": 0.1, "temperature": 3.0, "auxiliary": "ce", **SHARED}

_STUDENT = ClassifierOptions("resnet20")


@dataclass(frozen=True)
class SourceNetwork:
    """A frozen network of another task.

    ``network``: options of ``ClassifierOptions`` as a dict. With ``weights`` (a name of torchvision's or a file) it is
    ready, of so many ``classes``, and reads what ImageNet's networks read. Without, the study trains it, as its
    teacher, on ``data``, by the recipe in ``network``; one source of a task may be such. ``enlarge``: images are scaled
    to so many pixels before it sees them, its own data too (224 for ImageNet's networks; CIFAR by 7 and STL10 by 7/3 in
    the original).
    """

    name: str
    network: ClassifierOptions | Mapping[str, Any]
    _: KW_ONLY
    classes: int | None = None
    data: ImageData | None = None
    enlarge: int | None = None

    def __post_init__(self) -> None:
        network = classifier_options(f"source {self.name!r}", self.network, own=self.data is not None)
        object.__setattr__(self, "network", network)
        for name in ("classes", "enlarge"):
            if getattr(self, name) is not None:
                check_whole(f"source {self.name!r}: {name}", getattr(self, name))
        if not self.name.isidentifier():
            raise StudyFileError(f"a source's name is a word such as 'imagenet', got {self.name!r}")
        if (network.weights is None) == (self.data is None):
            raise StudyFileError(
                f"source {self.name!r}: give its network weights, or data to train it on; got "
                f"{'both' if self.data is not None else 'neither'}"
            )
        if self.data is None and self.classes is None:
            raise StudyFileError(f"source {self.name!r}: say how many classes its weights know, such as classes=1000")
        if self.data is not None and self.classes is not None:
            raise StudyFileError(f"source {self.name!r}: its data know how many classes they have; leave classes out")
        if self.data is not None and self.data.multi_label:
            raise StudyFileError(f"source {self.name!r}: its soft labels are of one class an image; choose other data")

    @property
    def options(self) -> ClassifierOptions:
        """The network, typed."""
        return cast("ClassifierOptions", self.network)

    @property
    def count(self) -> int:
        """Number of its classes."""
        return self.data.num_classes if self.data is not None else cast("int", self.classes)

    @property
    def statistics(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Mean and standard deviation of the pixels it was trained on."""
        return (IMAGENET_MEAN, IMAGENET_STD) if self.data is None else (self.data.mean, self.data.std)

    def __str__(self) -> str:
        return self.described()

    def described(self, teacher: str | None = None) -> str:
        """The source in words; ``teacher``: the file that its weights come from where they would else be trained."""
        seen = "" if self.enlarge is None else f", images enlarged to {self.enlarge}"
        learnt = f"{self.count} classes" if self.data is None else f"trained here on {self.data.description}"
        if self.data is not None and teacher is not None:
            learnt = f"{self.count} classes, from {teacher}"
        return f"source {self.name}: {self.network} ({learnt}{seen})"


@dataclass(frozen=True)
class Transfer(ImageTask):
    """A student with an auxiliary head for each of ``transfer_from``; with ``alpha`` 0 it learns its own task alone.

    ``transfer_module``: heads read the maps of all stages through bottlenecks of ``hidden`` channels; else each is one
    linear layer on the embedding. ``target_loss``: ``ce`` or ``focal``. All else as in ``ImageTask``. Raises
    :class:`~kdsearch.errors.StudyFileError` for unknown options, no source, or two that are to be trained.
    """

    transfer_from: Sequence[SourceNetwork] = ()
    _: KW_ONLY
    student: ClassifierOptions | Mapping[str, Any] = _STUDENT
    transfer_module: bool = True
    hidden: int = 1000
    target_loss: Literal["ce", "focal"] = "ce"

    workload: ClassVar[str] = "kdsearch.tasks.transfer.workload:make"
    teacher_parameters = ("alpha",)
    idle_without_teacher = ("temperature", "auxiliary")
    kind: ClassVar[str] = "transfer"
    defaults: ClassVar[Mapping[str, Scalar]] = DEFAULTS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "transfer_from", tuple(self.transfer_from))
        check_names("target_loss", [self.target_loss], ("ce", "focal"))
        if not all(isinstance(source, SourceNetwork) for source in self.transfer_from):
            raise StudyFileError("transfer_from holds kdsearch.tasks.SourceNetwork(name, network, ...) alone")
        check_whole("hidden", self.hidden)
        names = [source.name for source in self.transfer_from]
        if not names or len(set(names)) < len(names):
            raise StudyFileError(f"a transfer needs one source or more, each with a name of its own; got {names}")
        trained = [source.name for source in self.transfer_from if source.data is not None]
        if len(trained) > 1:
            raise StudyFileError(f"one source may be trained here, got {', '.join(trained)}; give the others weights")
        if self.target_loss == "focal" and self.data.multi_label:
            raise StudyFileError("images of several classes are learnt by binary cross entropy; leave target_loss out")

    @property
    def trained_source(self) -> SourceNetwork | None:
        """The source that the study trains as its teacher."""
        return next((source for source in self.transfer_from if source.data is not None), None)

    @override
    def network(self, role: Role) -> ClassifierOptions:
        """A trained source's options may hold a recipe."""
        source = self.trained_source
        return super().network(role) if role == "student" or source is None else source.options

    @property
    @override
    def has_teacher(self) -> bool:
        return self.trained_source is not None

    @override
    def build_teacher(self) -> Classifier:
        source = self.trained_source
        assert source is not None
        return source.options.build(source.count, pretrained=False)

    @override
    def chances_of(self, role: Role) -> tuple[float, float]:
        """A trained source has the chance of its own data."""
        source = self.trained_source
        if role == "student" or source is None or source.data is None:
            return self.chances
        return ImageClassification(source.data).chances

    @override
    def words(self, teacher: str | None) -> list[str]:
        heads = f"transfer module of {self.hidden}" if self.transfer_module else "auxiliary layer"
        loss = [f"{self.target_loss} loss"] if self.target_loss != "ce" else []
        sources = [source.described(teacher) for source in self.transfer_from]
        return [f"student {self.student} with {heads}", *sources, *loss]

    @property
    @override
    def weights(self) -> list[str | None]:
        return [*super().weights, *(source.options.weights for source in self.transfer_from)]

    @override
    def fingerprint(self) -> str:
        """Hash of the data that runs read, of sources' data, and of local files of weights.

        Raises :class:`~kdsearch.errors.StudyFileError` for a source that would train on images that validate here.
        """
        self._check_sources()
        parts = [self.data.fingerprint()]
        parts += [source.data.fingerprint() for source in self.transfer_from if source.data is not None]
        return with_weights(combined(parts), self.weights)

    def _check_sources(self) -> None:
        """Refuse a source that has learnt the labels of images which validate the student."""
        for source in self.transfer_from:
            seen = getattr(self.data, "learnt_from", None)
            shared = seen(source.data) if seen is not None and source.data is not None else 0
            if shared:
                raise StudyFileError(
                    f"source {source.name!r} would train on {shared} of the images that validate the student: its "
                    "labels of them are no measure of transfer. Give it other classes or other data"
                )

    @override
    def before_folds(self, validation: float | None = None) -> Self:
        """The data of a source that is trained are as they were too."""
        sources = [
            source if source.data is None else replace(source, data=source.data.before_folds())
            for source in self.transfer_from
        ]
        return super().before_folds(validation).with_options(transfer_from=tuple(sources))

    @property
    @override
    def recipe(self) -> TeacherRecipe:
        """A source's epoch is chosen on images of its own data, none of which validates a student."""
        return "validation"
