"""Video retrieval by deep hashing with a teacher, declared without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from typing_extensions import override

from kdsearch.errors import StudyFileError
from kdsearch.metrics.chance import chance_average_precision
from kdsearch.models.registry import ENCODERS, default_encoder
from kdsearch.tasks.base import Role, Scalar
from kdsearch.tasks.declared_data import ClipData
from kdsearch.tasks.options import NetworkOptions, check_names, check_whole, network_options
from kdsearch.tasks.torch_task import TeacherRecipe, TorchTask

if TYPE_CHECKING:
    from kdsearch.models.heads.hashing import HashingNetwork
    from kdsearch.training.steppers import Precision


QUIRKS: dict[str, str] = {
    "triplet_per_sample_repeat": "triplets of a class with m clips in the batch count m times",
    "plateau_on_running_best": "the plateau sees the best objective before each evaluation, one evaluation late",
    "teacher_train_mode": "the teacher's batch norm uses the batch's statistics; its outputs are not cached",
    "best_epoch_on_test": "score at the best epoch on test (optimistic)",
    # Costs a GPU run its asynchrony: the host waits for every batch's loss.
    "skip_zero_loss": "the optimizer step is skipped when a batch's loss is exactly 0",
    "stable_ties": "ties in Hamming distance stand in stored order instead of being averaged",
}
"""What the original does and this task does not, unless asked to by name."""

DEFAULTS: dict[str, Scalar] = {
    "triplet_weight": 0.1,
    "classification_weight": 1.0,
    "representation_weight": 0.0,
    "alpha": 0.0,
    "temperature": 4.0,
    "learning_rate": 1e-2,
    "weight_decay": 5e-4,
    "patience": 4,
    "vary": "initialisation+order",
}
"""Parameters that a space or a baseline may set."""

_TEACHER, _STUDENT = NetworkOptions(frames=20, width=96), NetworkOptions(frames=10, width=32)


@dataclass(frozen=True)
class VideoHashing(TorchTask):
    """Clips to 48-bit codes by which clips of the same class are found; a teacher of more frames or width may help.

    The loss of a run is, with every term as its own docstring defines it,

        ``triplet_weight * triplet_mean + representation_weight * representation_mse_mean
        + classification_weight * ((1 - alpha) * cross_entropy_batchmean + alpha * soft_targets_kl_batchmean)``

    With ``representation_weight`` and ``alpha`` 0 it is the *student alone*: triplets and cross entropy, and no teacher
    is touched. The teacher learns by that same loss with its own frames and width; ``teacher_recipe`` says how its
    weights come about, a name out of ``TEACHER_RECIPES``: ``last`` where the data have folds. The original (zhongzhh8/
    Video-Retrieval-with-Knowledge-Distillation) has no prediction term: ``classification_weight=0``, ``alpha=0``.

    ``data``: such as ``kdsearch.data.jhmdb(protocol="split1")``. ``teacher``, ``student``: options of
    :class:`NetworkOptions` as a dict; the student sees every ``teacher frames // student frames``-th of the teacher's
    frames. ``margin`` belongs to ``bits``: a little more than a quarter of them. ``batch`` in clips, ``epochs`` at
    most, ``evaluate_every`` in epochs; ``patience`` (a searched parameter) counts evaluations, and the run ends at the
    plateau that comes after the learning rate has been reduced ``reductions`` times. ``size``: pixels, for images.
    ``learning_rate``: of runs that do not set it, where it is not the default of Adam on small networks.
    ``vary`` (a parameter) names the random streams that follow the run's seed. There is no augmentation, as in the
    original, so the teacher's outputs are constants and are cached exactly.
    ``quirks``: names out of :data:`QUIRKS`.

    Large networks: ``precision="bfloat16"`` runs them under autocast, ``activation_checkpointing`` keeps the inputs of
    the encoder's blocks alone and runs these again for their gradients (exact), ``micro_batch`` runs so many clips at a
    time with the exact gradient of the whole batch's triplets (batch norm's statistics are then of as many clips). Such
    runs train one by one. A dataset that takes more than 0.4 of a GPU's free memory stays in the host's.

    Raises :class:`~kdsearch.errors.StudyFileError` for unknown options.
    """

    data: ClipData
    teacher: NetworkOptions | Mapping[str, Scalar] = _TEACHER
    student: NetworkOptions | Mapping[str, Scalar] = _STUDENT
    bits: int = 48
    margin: float = 14.0
    batch: int = 120
    epochs: int = 120
    evaluate_every: int = 5
    reductions: int = 2
    optimizer: str = "adam"
    encoder: str | None = None
    size: int | None = None
    quirks: tuple[str, ...] = ()
    precision: Precision = "float32"
    activation_checkpointing: bool = False
    micro_batch: int | None = None
    learning_rate: float | None = None
    teacher_recipe: TeacherRecipe | None = None

    workload: ClassVar[str] = "kdsearch.tasks.video_hashing.workload:VideoHashingWorkload"
    has_teacher = True
    metric = "mAP"
    """Mean average precision of retrieval, ties averaged unless the quirk ``stable_ties`` is on."""
    teacher_parameters = ("representation_weight", "alpha")
    idle_without_teacher = ("temperature",)
    defaults: ClassVar[Mapping[str, Scalar]] = DEFAULTS
    known_quirks: ClassVar[Mapping[str, str]] = QUIRKS
    added_later: ClassVar[Mapping[str, Any]] = {
        "precision": "float32",
        "recompute": False,
        "micro_batch": None,
        "learning_rate": None,
        "teacher_recipe": None,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "teacher", network_options("teacher", self.teacher))
        object.__setattr__(self, "student", network_options("student", self.student))
        if self.encoder is not None:
            check_names("encoder", [self.encoder], tuple(ENCODERS))
        check_whole("bits", self.bits)
        teacher, student = self.network("teacher").frames, self.network("student").frames
        if teacher % student:
            raise StudyFileError(
                f"the student's {student} frames are every k-th of the teacher's, got {teacher} teacher frames; "
                f"choose a multiple of {student} for the teacher"
            )

    @override
    def network(self, role: Role) -> NetworkOptions:
        return cast("NetworkOptions", self.teacher if role == "teacher" else self.student)

    def encoder_name(self, role: Role) -> str:
        """Name of the encoder of ``role``: its own, else the task's, else the first that reads the data's modality."""
        name = self.network(role).encoder or self.encoder
        if name is None:
            return default_encoder(self.data.modality)
        readable = ENCODERS[name].modalities
        if self.data.modality not in readable:
            raise StudyFileError(f"encoder {name!r} reads {', '.join(readable)}, the data are {self.data.modality}")
        return name

    def build(self, role: Role, classes: int, pretrained: bool = True) -> HashingNetwork:
        """The network of ``role``, drawn from torch's default generator; its ``weights`` only where ``pretrained``."""
        from kdsearch.models.heads.hashing import HashingNetwork

        options = self.network(role)
        weights = options.weights if pretrained else None
        encoder = ENCODERS[self.encoder_name(role)].build(options.width, weights)
        return HashingNetwork(encoder, self.bits, classes)

    @override
    def build_teacher(self) -> HashingNetwork:
        return self.build("teacher", len(self.data.parts().classes), pretrained=False)

    @override
    def words(self, teacher: str | None) -> list[str]:
        words = []
        for role in ("student", "teacher"):
            network = self.network(role)
            width = "" if network.width is None else f" width {network.width}"
            recipe = self.recipe_words(teacher) if role == "teacher" else ""
            words.append(f"{role} {self.encoder_name(role)}{width}, {network.frames} frames{recipe}")
        return [*words, f"{self.bits} bits"]

    @cached_property
    @override
    def chances(self) -> tuple[float, float]:
        """mAP of constant codes for the validation queries and for the test queries; reads no clip."""
        parts = self.data.parts()
        labels = parts.labels
        return (
            chance_average_precision(labels[parts.validation], labels[parts.train]),
            chance_average_precision(labels[parts.query], labels[parts.database]),
        )

    @override
    def identity(self) -> dict[str, Any]:
        options = self._stored_options()
        teacher = {**options.pop("teacher"), "encoder": self.encoder_name("teacher")}
        student = {**options.pop("student"), "encoder": self.encoder_name("student")}
        networks = {"teacher": teacher, "student": student}
        return {"task": "video_hashing", **options, **networks, "parameters": dict(self.parameters)}
