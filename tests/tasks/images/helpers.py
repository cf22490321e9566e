"""Every task on images, small, on drawn images, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdsearch.data.folds import FIRST, Fold
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.image_classification.task import ImageClassification
from kdsearch.tasks.images.task import ImageTask
from kdsearch.tasks.meta_auxiliary.task import MetaAuxiliary
from kdsearch.tasks.mutual_learning.task import MutualLearning
from kdsearch.tasks.transfer.task import SourceNetwork, Transfer
from tests.tasks.images.data import TinyImages

USUAL: dict[str, Any] = {"batch": 20, "epochs": 3, "schedule_name": "constant"}
STUDENT = {"network": "studentnet", "width": 4}


def classification(**options: Any) -> ImageClassification:
    teacher = {"network": "studentnet", "width": 8, "epochs": 2}
    return ImageClassification(TinyImages(), **({"teacher": teacher, "student": STUDENT, **USUAL} | options))


def mutual(**options: Any) -> MutualLearning:
    return MutualLearning(TinyImages(), **({"student": STUDENT, "peers": 3, **USUAL} | options))


def transfer(**options: Any) -> Transfer:
    data = options.pop("data", TinyImages())
    network = {"network": "studentnet", "width": 8, "epochs": 2}
    source = SourceNetwork("other", network, data=TinyImages(classes=4, count=100, seed=3), enlarge=40)
    given = {"transfer_from": (source,), "student": STUDENT, "hidden": 8, **USUAL} | options
    return Transfer(data, **given)


def meta(**options: Any) -> MetaAuxiliary:
    return MetaAuxiliary(TinyImages(), **({"student": STUDENT, "psi": 3, **USUAL} | options))


TASKS = {"classification": classification, "mutual": mutual, "transfer": transfer, "meta": meta}

DISTIL: dict[str, dict[str, Any]] = {
    "classification": {"alpha": 0.6, "temperature": 3.0},
    "mutual": {"mutual_weight": 0.7, "temperature": 2.0},
    "transfer": {"alpha": 0.3},
    "meta": {"auxiliary_weight": 0.8, "generator_learning_rate": 0.5},
}
"""Parameters by which each task's other networks have a say."""


def run(task: ImageTask, workspace: Path, teacher: Path | None = None, seed: int = 7, **request: Any) -> RunResult:
    report = request.pop("report", lambda epoch, objective: None)
    role, params = request.pop("role", "student"), request.pop("params", {})
    fold = request.pop("fold", FIRST)
    return task.train(
        RunRequest(role, params, seed, teacher, fold), RunContext(workspace, keep_weights=True, report=report)
    )


def train_teacher(task: ImageTask, workspace: Path, fold: Fold = FIRST) -> Path | None:
    """The weights of the task's teacher; ``None`` where it has none."""
    if not task.has_teacher:
        return None
    return run(task, workspace, role="teacher", seed=9, fold=fold).weights
