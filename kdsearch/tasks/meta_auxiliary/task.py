"""Meta auxiliary learning (MAXL): a second network makes the labels of an auxiliary task; imports no torch here.

Each class c is divided into psi sub-classes. The label generator theta_2 gives an image soft labels m among those of
its own class (masked softmax), and the network theta_1 learns both:

    ``L_1 = focal(primary, y) + auxiliary_weight * focal(auxiliary, m)``

Each epoch passes over the images twice. First theta_1 goes down L_1 with m fixed; then theta_2 goes down the primary
loss that theta_1 would have after one more step on its labels, a second derivative taken exactly:

    ``L_2 = focal(primary(theta_1 - learning_rate * dL_1/dtheta_1), y) + entropy_weight * sum_k m_k log m_k``

with m_k the batch's mean label. Source: Liu, Davison and Johns, "Self-supervised generalisation with meta auxiliary
learning", NeurIPS 2019; lorenmt/maxl: plain SGD 0.01 for theta_1, 0.001 with weight decay 5e-4 for theta_2, both halved
every 50 epochs, batch 100, 200 epochs, entropy_weight 0.2, psi 5. The original watches the test set in each epoch
(``best_epoch_on_test``). Its first-order variant loses the entropy's gradient and is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from typing_extensions import override

from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.images.task import QUIRKS, SHARED, ImageTask
from kdsearch.tasks.options import ClassifierOptions, check_whole

DEFAULTS: dict[str, Scalar] = {
    "auxiliary_weight": 1.0,
    "entropy_weight": 0.2,
    "generator_learning_rate": 1e-3,
    "generator_weight_decay": 5e-4,
    **SHARED,
    "learning_rate": 1e-2,
}

_STUDENT = ClassifierOptions("vgg16_bn")


@dataclass(frozen=True)
class MetaAuxiliary(ImageTask):
    """A network and its label generator, both with a body of ``student``; ``psi`` sub-classes a class.

    With ``auxiliary_weight`` 0 no generator is trained and the network learns its own task alone. The generator's rate
    falls with the network's, by the same factors. Both optimizers are plain SGD, since the virtual step is such. Runs
    train one by one: a step of two networks and a second derivative is not stacked. All else as in ``ImageTask``.
    Raises :class:`~kdsearch.errors.StudyFileError` for unknown options and images of several classes.
    """

    _: KW_ONLY
    student: ClassifierOptions | Mapping[str, Any] = _STUDENT
    psi: int = 5
    optimizer: str = "sgd"

    workload: ClassVar[str] = "kdsearch.tasks.meta_auxiliary.workload:MetaAuxiliaryWorkload"
    has_teacher = False
    teacher_parameters = ("auxiliary_weight",)
    idle_without_teacher = ("entropy_weight", "generator_learning_rate", "generator_weight_decay")
    trainer: ClassVar[str] = "kdsearch.tasks.meta_auxiliary.workload:train"
    kind: ClassVar[str] = "meta_auxiliary"
    one_class: ClassVar[str] = "MAXL divides the one class of an image: each image must be of one class"
    defaults: ClassVar[Mapping[str, Scalar]] = DEFAULTS
    known_quirks: ClassVar[Mapping[str, str]] = {"best_epoch_on_test": QUIRKS["best_epoch_on_test"]}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("psi", self.psi, 2)
        if self.optimizer != "sgd":
            raise StudyFileError(
                f"MAXL's virtual step is one of plain SGD: leave the optimizer, got {self.optimizer!r}"
            )
        if self.activation_checkpointing or self.micro_batch is not None or self.precision != "float32":
            raise StudyFileError(
                "MAXL trains in float32 on whole batches: leave activation_checkpointing, micro_batch and precision"
            )

    @override
    def words(self, teacher: str | None) -> list[str]:
        return [f"network and label generator {self.student}, {self.psi} sub-classes a class"]

    @property
    @override
    def stacks(self) -> bool:
        return False
