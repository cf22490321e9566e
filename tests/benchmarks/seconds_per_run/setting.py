"""What all variants share: task, weights of the terms, raw clips, parts of the protocol and a trained teacher."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdsearch.data import Clips, jhmdb
from kdsearch.data.jhmdb.locate import open_reader
from kdsearch.tasks import RunContext, RunRequest, VideoHashing
from kdsearch.tasks.base import Scalar

_NEVER = 1_000_000
"""A patience that no run reaches, so that every variant trains all epochs at one learning rate."""

PARAMS: dict[str, Scalar] = {
    "triplet_weight": 0.1,
    "classification_weight": 1.0,
    "representation_weight": 1.0,
    "alpha": 0.5,
    "temperature": 4.0,
    "learning_rate": 1e-2,
    "weight_decay": 5e-4,
    "patience": _NEVER,
}


@dataclass(frozen=True)
class Setting:
    """``task`` with ``params`` for the student; the raw material of a plain loop beside it.

    ``ragged`` holds every clip with all its frames, ``(L, 15, 2)``; ``clips`` the labels and the protocol's parts.
    """

    task: VideoHashing
    ragged: list[NDArray[np.float32]]
    clips: Clips
    teacher: Path
    params: dict[str, Scalar] = field(default_factory=lambda: dict(PARAMS))

    @property
    def evaluated_epochs(self) -> list[int]:
        """The epochs after which codes are evaluated; the last is always one."""
        epochs, every = self.task.epochs, self.task.evaluate_every
        return [epoch for epoch in range(1, epochs + 1) if epoch % every == 0 or epoch == epochs]


def make_setting(folder: Path, epochs: int, teacher_epochs: int) -> Setting:
    """Poses of JHMDB, or synthetic ones, with the networks of the shipped study; trains the teacher once."""
    data = jhmdb(protocol="split1", modality="poses")
    task = VideoHashing(
        data=data,
        teacher={"frames": 20, "width": 96, "epochs": teacher_epochs},
        student={"frames": 10, "width": 32},
        epochs=epochs,
    )
    teacher = task.train(RunRequest("teacher", {}, seed=0), RunContext(folder / "teacher"))
    if teacher.weights is None:
        raise RuntimeError("the teacher's run left no weights")
    reader = open_reader(data.locate(), data.modality)
    clips = data.load(task.network("teacher").frames)
    ragged = [np.asarray(reader.clip(row, None), dtype=np.float32) for row in range(len(clips))]
    return Setting(task, ragged, clips, teacher.weights)
