"""A small synthetic dataset in the shape of ``kdsearch.data.jhmdb`` for the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch.data import jhmdb
from kdsearch.data.clips import Clips
from kdsearch.data.folds import FIRST, Fold
from kdsearch.tasks.video_hashing.task import VideoHashing


def drawn(root: Path, **options: Any) -> VideoHashing:
    """A task of small networks on drawn figures: ``root`` holds no data."""
    networks = {"teacher": {"frames": 20, "width": 8}, "student": {"frames": 10, "width": 4}}
    usual = {"epochs": 4, "evaluate_every": 1, "batch": 40, "reductions": 0}
    return VideoHashing(jhmdb(root=root), **{**networks, **usual, **options})


@dataclass(frozen=True)
class TinyData:
    """60 clips of 3 classes, moving sticks with noise; hard enough that training shows in the metric."""

    modality: str = "poses"
    noise: float = 1.0

    folds = None
    num_classes = 3

    @property
    def label(self) -> str:
        return "tiny"

    @property
    def description(self) -> str:
        return "tiny synthetic clips"

    def identity(self) -> dict[str, Any]:
        return {"data": "tiny", "modality": self.modality, "noise": self.noise}

    def fingerprint(self) -> str:
        return f"tiny-{self.modality}-{self.noise}"

    def query_groups(self) -> None:
        return None

    def parts(self, fold: Fold = FIRST) -> Clips:
        return self.load(1)

    def load(self, frames: int, size: int | None = None) -> Clips:
        rng = np.random.default_rng(0)
        labels = np.arange(60) % 3
        centres = rng.normal(size=(3, 8, 15, 2))
        full = centres[labels] + self.noise * 3 * rng.normal(size=(60, 8, 15, 2))
        inputs = full[:, np.arange(frames) * 8 // frames].astype(np.float32)
        if self.modality == "silhouettes":
            inputs = (np.abs(np.tile(inputs[..., :1], (1, 1, 1, 15))) * 4).clip(0, 15).astype(np.uint8)
        if self.modality == "frames":
            grey = (128 + 8 * np.tile(inputs[..., :1], (1, 1, 2, 32))[:, :, :28]).clip(0, 255)
            inputs = np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)
        rows = np.arange(60)
        return Clips(
            inputs=inputs,
            labels=labels,
            groups=rows,
            names=tuple(f"clip{i}" for i in rows),
            classes=("a", "b", "c"),
            train=rows[:30],
            validation=rows[30:42],
            database=rows[:42],
            query=rows[42:],
        )
