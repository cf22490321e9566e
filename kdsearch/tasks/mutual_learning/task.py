"""Deep mutual learning: peers that teach one another, without a teacher; declared without importing torch.

    ``L_i = cross_entropy_batchmean_i + mutual_weight * T^2/(K-1) * sum_(j != i) KL(p_j || p_i)``

The peers learn from one forward pass on one batch, and each from its own loss alone: a peer's prediction is a target
for the others and carries no gradient there. Source: Zhang, Xiang, Hospedales and Lu, "Deep mutual learning", CVPR
2018, where ``mutual_weight`` and T are 1 and peers take turns; YingZhangDUT/Deep-Mutual-Learning, whose losses come
from one forward as here, and which sums over the K - 1 others (``summed_over_peers``; the same for two).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from typing_extensions import override

from kdsearch.tasks.base import Scalar
from kdsearch.tasks.images.task import QUIRKS, SHARED, ImageTask
from kdsearch.tasks.options import ClassifierOptions, check_whole

DEFAULTS: dict[str, Scalar] = {"mutual_weight": 1.0, "temperature": 1.0, **SHARED}

_STUDENT = ClassifierOptions("resnet20")


@dataclass(frozen=True)
class MutualLearning(ImageTask):
    """``peers`` classifiers of one kind; with ``mutual_weight`` 0 they learn side by side and share only batches.

    The metric is the mean over the peers, so that no peer is picked. ``student``: options of ``ClassifierOptions`` as a
    dict. All else as in ``ImageTask``. Raises :class:`~kdsearch.errors.StudyFileError` for unknown options, for fewer
    than two peers, and where an image shows several classes: the method compares distributions over classes.
    """

    _: KW_ONLY
    student: ClassifierOptions | Mapping[str, Any] = _STUDENT
    peers: int = 2

    workload: ClassVar[str] = "kdsearch.tasks.mutual_learning.workload:MutualLearningWorkload"
    has_teacher = False
    teacher_parameters = ("mutual_weight",)
    idle_without_teacher = ("temperature",)
    kind: ClassVar[str] = "mutual_learning"
    one_class: ClassVar[str] = "mutual learning compares distributions over classes: each image must be of one class"
    defaults: ClassVar[Mapping[str, Scalar]] = DEFAULTS
    known_quirks: ClassVar[Mapping[str, str]] = {
        "best_epoch_on_test": QUIRKS["best_epoch_on_test"],
        "summed_over_peers": "divergences are summed over the other peers, not averaged",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("peers", self.peers, 2)

    @override
    def words(self, teacher: str | None) -> list[str]:
        return [f"{self.peers} peers {self.student}"]
