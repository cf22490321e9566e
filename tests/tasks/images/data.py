"""A small synthetic data set in the shape of ``kdsearch.data.images.base`` for the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TinyImages:
    """90 noisy images of 3 classes: 54 train, 18 validate, 18 test; hard enough that training shows in the metric."""

    classes: int = 3
    count: int = 90
    side: int = 32
    noise: float = 60.0
    seed: int = 0
    multi_label: bool = False
    eleven_points: bool = False
    padding: int = 2
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)

    @property
    def label(self) -> str:
        return "tiny"

    @property
    def description(self) -> str:
        return "tiny synthetic images"

    @property
    def num_classes(self) -> int:
        return self.classes

    def identity(self) -> dict[str, Any]:
        return {"data": "tiny", "seed": self.seed, "classes": self.classes, "multi_label": self.multi_label}

    def fingerprint(self) -> str:
        return f"tiny-{self.classes}-{self.count}-{self.side}-{self.noise}-{self.seed}-{self.multi_label}"

    def parts(self) -> Any:
        rows, fifth = np.arange(self.count), self.count // 5
        labels: Any = rows % self.classes
        if self.multi_label:
            shown = np.zeros((self.count, self.classes), np.uint8)
            shown[rows, labels] = 1
            shown[rows, (labels + rows // 7) % self.classes] = 1
            shown[::11, 0] = 255
            labels = shown
        return SimpleNamespace(
            labels=labels,
            classes=tuple(str(c) for c in range(self.classes)),
            train=rows[2 * fifth :],
            validation=rows[:fifth],
            test=rows[fifth : 2 * fifth],
        )

    def load(self, size: int | None = None) -> Any:
        rng = np.random.default_rng(self.seed)
        centres = rng.uniform(60, 196, size=(self.classes, 3, self.side, self.side))
        pixels = centres[np.arange(self.count) % self.classes] + self.noise * rng.normal(
            size=(self.count, 3, self.side, self.side)
        )
        return SimpleNamespace(inputs=pixels.clip(0, 255).astype(np.uint8))
