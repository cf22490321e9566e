"""The students that are timed: those of the population benchmark, with run lengths of real runs, or tiny ones.

Masks are drawn as rectangles here, for the stand-in of JHMDB's needs Pillow: times do not depend on what they show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdsearch import data
from kdsearch.data.clips import Clips, Parts
from kdsearch.data.folds import FIRST, Fold
from kdsearch.models.classifiers.cifar import CifarResNet, StudentNet
from tests.benchmarks.population.students import STUDENTS, Hashing, Student, images

EPOCHS = 120
"""Of a run of video hashing, as the task's default."""

STEPS = 400
"""Of a run on images: about an epoch of CIFAR-10's 50,000 in batches of 128."""


@dataclass(frozen=True)
class Rectangles:
    """JHMDB's clips and first fold, each frame a mask ``height`` x ``width`` with a rectangle that moves."""

    height: int = 120
    width: int = 160
    label: str = "rectangles"
    description: str = "rectangles as masks"
    modality: str = "masks"
    folds: int | None = None

    def identity(self) -> dict[str, Any]:
        """See ``DataDeclaration``."""
        return {"data": "rectangles", "height": self.height, "width": self.width}

    def fingerprint(self) -> str:
        """See ``DataDeclaration``."""
        return f"rectangles{self.height}x{self.width}"

    def parts(self, fold: Fold = FIRST) -> Parts:
        """See ``DataDeclaration``."""
        fold.check(self.folds)
        return data.jhmdb(protocol="split1").parts()

    def load(self, frames: int, size: int | None = None) -> Clips:
        """See ``ClipData``; inputs ``[N, frames, height, width]`` of 0 and 1."""
        parts = self.parts()
        count = len(parts.labels)
        clip, frame = np.arange(count)[:, None], np.arange(frames)[None]
        rows = _between((clip * 7 + frame) % (self.height // 2), self.height // 2, self.height)
        columns = _between((clip * 11 + 2 * frame) % (self.width // 2), self.width // 2, self.width)
        inputs = rows[..., :, None] & columns[..., None, :]
        names = tuple(f"clip{row}" for row in range(count))
        return Clips(**vars(parts), inputs=inputs.view(np.uint8), groups=np.arange(count), names=names)


def _between(first: NDArray[np.int64], length: int, side: int) -> NDArray[np.bool_]:
    """Which of ``side`` places lie in ``length`` from ``first`` ``[N, T]`` on, ``[N, T, side]``."""
    away = np.arange(side) - first[..., None]
    return (away >= 0) & (away < length)


FULL: Mapping[str, Callable[[], Student]] = {
    "pose": lambda: STUDENTS["pose"](EPOCHS),
    "studentnet": lambda: STUDENTS["studentnet"](STEPS // 2),
    "masks": lambda: Hashing(Rectangles(), 8, EPOCHS),
    "resnet20": lambda: STUDENTS["resnet20"](STEPS // 2),
}
"""Name to maker; the order is that of their worth in the table."""

TINY: Mapping[str, Callable[[], Student]] = {
    "pose": lambda: Hashing(data.jhmdb(protocol="split1"), 4, 2, batch=64),
    "studentnet": lambda: images(lambda: StudentNet(width=4), 4, batch=4),
    "masks": lambda: Hashing(Rectangles(12, 16), 2, 2, batch=8),
    "resnet20": lambda: images(lambda: CifarResNet(depth=8, width=4), 4, batch=4),
}
"""The same by networks and batches that a CPU trains at once: a rehearsal, whose figures mean nothing."""
