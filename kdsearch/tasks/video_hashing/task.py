"""Video retrieval by deep hashing with a teacher, declared without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from kdsearch.errors import StudyFileError
from kdsearch.metrics.chance import chance_average_precision
from kdsearch.models.registry import ENCODERS, default_encoder
from kdsearch.tasks.base import VARY, Role, Scalar
from kdsearch.tasks.identity import measured_on, named, with_weights
from kdsearch.tasks.options import OPTIMIZER_NAMES, NetworkOptions, check_names, network_options
from kdsearch.tasks.torch_task import TeacherRecipe, TorchTask, check_recipe

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing.data import DataLike
    from kdsearch.training.schedules import Schedule


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


_LATER = {
    "precision": "float32",
    "recompute": False,
    "micro_batch": None,
    "learning_rate": None,
    "teacher_recipe": None,
}
"""Options that studies stored before them do not name: left out of the identity where they change nothing."""

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

    Large networks: ``precision="bfloat16"`` runs them under autocast, ``recompute`` keeps the inputs of the encoder's
    blocks alone and runs these again for their gradients (exact), ``micro_batch`` runs so many clips at a time with the
    exact gradient of the whole batch's triplets (batch norm's statistics are then of as many clips). Such runs train
    one by one. A dataset that takes more than 0.4 of a GPU's free memory stays in the host's.

    Raises :class:`~kdsearch.errors.StudyFileError` for unknown options.
    """

    data: DataLike
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
    precision: Literal["float32", "bfloat16"] = "float32"
    recompute: bool = False
    micro_batch: int | None = None
    learning_rate: float | None = None
    teacher_recipe: TeacherRecipe | None = None

    workload: ClassVar[str] = "kdsearch.tasks.video_hashing.workload:VideoHashingWorkload"

    def __post_init__(self) -> None:
        object.__setattr__(self, "teacher", network_options("teacher", self.teacher))
        object.__setattr__(self, "student", network_options("student", self.student))
        given: Any = self.quirks  # a bare name or a list in place of a tuple is what people write
        object.__setattr__(self, "quirks", tuple(sorted({given} if isinstance(given, str) else {*given})))
        check_names("quirk", self.quirks, tuple(QUIRKS))
        check_names("optimizer", [self.optimizer], OPTIMIZER_NAMES)
        if self.encoder is not None:
            check_names("encoder", [self.encoder], tuple(ENCODERS))
        check_names("precision", [self.precision], ("float32", "bfloat16"))
        if self.micro_batch is not None and (not isinstance(self.micro_batch, int) or self.micro_batch < 2):
            raise StudyFileError(f"micro_batch must be a whole number of at least 2, got {self.micro_batch!r}")
        for name, least in (("bits", 1), ("batch", 2), ("epochs", 1), ("evaluate_every", 1), ("reductions", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise StudyFileError(f"{name} must be a whole number of at least {least}, got {value!r}")
        check_recipe(self.teacher_recipe, self.folds)
        teacher, student = self.network("teacher").frames, self.network("student").frames
        if teacher % student:
            raise StudyFileError(
                f"the student's {student} frames are every k-th of the teacher's, got {teacher} teacher frames; "
                f"choose a multiple of {student} for the teacher"
            )

    def network(self, role: Role) -> NetworkOptions:
        """Options of the teacher's or the student's network."""
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

    @property
    def label(self) -> str:
        """Short name of data and protocol."""
        return self.data.label

    @property
    def description(self) -> str:
        """Data, encoders, frames, bits and quirks in one line."""
        return self.described()

    def described(self, teacher: str | None = None) -> str:
        """See ``TorchTask``."""
        parts = [self.data.description]
        for role in ("student", "teacher"):
            network = self.network(role)
            width = "" if network.width is None else f" width {network.width}"
            recipe = self.recipe_words(teacher) if role == "teacher" else ""
            parts.append(f"{role} {self.encoder_name(role)}{width}, {network.frames} frames{recipe}")
        parts.append(f"{self.bits} bits")
        parts.extend(f"as the original: {QUIRKS[quirk]}" for quirk in self.quirks)
        return "; ".join(parts)

    @property
    def metric(self) -> str:
        """Mean average precision of retrieval, ties averaged unless the quirk ``stable_ties`` is on."""
        return "mAP"

    @property
    def chance(self) -> float:
        """mAP of constant codes for validation queries; from the data's labels and lists, once."""
        return self.chances[0]

    @cached_property
    def chances(self) -> tuple[float, float]:
        """mAP of constant codes for the validation queries and for the test queries; reads no clip."""
        parts = self.data.parts()
        labels = parts.labels
        return (
            chance_average_precision(labels[parts.validation], labels[parts.train]),
            chance_average_precision(labels[parts.query], labels[parts.database]),
        )

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """Weights of the terms, temperature, learning rate, weight decay, patience, with their defaults."""
        own = {} if self.learning_rate is None else {"learning_rate": self.learning_rate}
        return {**DEFAULTS, VARY: f"{DEFAULTS[VARY]}{self.streams}", **own}

    @property
    def teacher_parameters(self) -> tuple[str, ...]:
        """The two weights that bring a teacher in."""
        return ("representation_weight", "alpha")

    @property
    def idle_without_teacher(self) -> tuple[str, ...]:
        """What only matters where ``alpha`` is not 0."""
        return ("temperature",)

    @property
    def has_teacher(self) -> bool:
        """A teacher belongs to the task; runs whose teacher weights are 0 do without."""
        return True

    def identity(self) -> dict[str, Any]:
        """All that makes this task what it is, as JSON values."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("data", "teacher", "student")}
        for name, usual in _LATER.items():
            if own[name] == usual:
                del own[name]
        return {
            "task": "video_hashing",
            "data": self.data.identity(),
            **own,
            "quirks": list(self.quirks),
            "teacher": self._identity_of("teacher"),
            "student": self._identity_of("student"),
            "parameters": dict(self.parameters),
        }

    def _identity_of(self, role: Role) -> dict[str, Any]:
        """A network's options; its weights by name, since their content is in the fingerprint."""
        given = self.network(role).given()
        weights = {"weights": named(str(given["weights"]))} if "weights" in given else {}
        return {**given, "encoder": self.encoder_name(role), **weights}

    def fingerprint(self) -> str:
        """Hash of the data that runs read, and of local files of weights."""
        return with_weights(self.data.fingerprint(), (self.network(role).weights for role in ("teacher", "student")))

    def measured_on(self) -> str:
        """See ``kdsearch.tasks.identity``."""
        return measured_on(self.data, self.metric, self.quirks)

    def with_options(self, **options: Any) -> VideoHashing:
        """The same task with some options changed; ``teacher`` and ``student`` are merged into what is there."""
        check_names("option of VideoHashing", options, tuple(f.name for f in fields(self)))
        for role in ("teacher", "student"):
            if role in options:
                given = options[role]
                given = given.given() if isinstance(given, NetworkOptions) else dict(given)
                options[role] = self.network(role).given() | given
        return replace(self, **options)

    def chances_of(self, role: Role) -> tuple[float, float]:
        """The same for both roles."""
        return self.chances

    def optimizer_of(self, role: Role) -> str:
        """The same for both roles."""
        return self.optimizer

    def epochs_of(self, role: Role) -> int:
        """Epochs at most; the teacher may have its own."""
        return (role == "teacher" and self.network("teacher").epochs) or self.epochs

    def teacher_numbers(self) -> Mapping[str, Scalar]:
        """Parameters in which the teacher's recipe differs from the task's defaults."""
        return {name: value for name, value in self.network("teacher").given().items() if name in DEFAULTS}

    def schedule(self, role: Role, params: Mapping[str, Scalar]) -> Schedule:
        """The plateau of the objective; a teacher that looks at none has a cosine, or a constant rate."""
        from kdsearch.training.schedules import Cosine, Plateau, StepDecay

        rate = float(params["learning_rate"])
        if role == "teacher" and self.recipe == "last":
            return Cosine(rate, self.epochs_of(role))
        if role == "teacher" and self.recipe == "averaged":
            return StepDecay(rate, milestones=())
        return Plateau(
            rate,
            int(params["patience"]),
            reductions=self.reductions,
            plateau_input="best_before" if "plateau_on_running_best" in self.quirks else "current",
        )

    def check_teacher(self, path: Path) -> None:
        """Raise ``DataError`` unless the file holds the weights of this task's teacher."""
        from kdsearch.tasks.video_hashing.teacher import load_network

        load_network(self, path, len(self.data.parts().classes))
