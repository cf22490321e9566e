"""A stand-in for CIFAR-10: textured shapes with noise, ten classes, drawn alike every time; it says that it is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined
from kdsearch.data.images.base import PARTS, Labels, Part, Rows, Statistics

# Raise it with every change of what is drawn: fingerprints of stored runs are made of it.
RECIPE = 1
SIDE = 32
COUNTS: dict[Part, int] = {"train": 4000, "test": 2000}
# Those of CIFAR-10, so that a study that takes some of them runs here too.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_NOISE = 55.0


@dataclass(frozen=True)
class StandinReader:
    """Drawn images, see ``Reader``. Class c is a shape (five) of one of two textures, anywhere, in any colour."""

    kind: str = "standin-cifar10"
    words: str = "stand-in, not CIFAR-10: drawn shapes under its classes' names"
    mean: Statistics = (0.5, 0.5, 0.5)
    std: Statistics = (0.25, 0.25, 0.25)
    padding: int = 4
    side: int | None = SIDE

    def labels(self) -> Labels:
        """See ``Reader``."""
        train, test = (np.arange(COUNTS[part]) % len(CLASSES) for part in PARTS)
        return Labels(train, test, CLASSES)

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size."""
        return np.concatenate([_drawn(part)[rows[part]] for part in PARTS])

    def fingerprint(self) -> str:
        """Of the recipe's number."""
        return combined(["kdsearch image stand-in", str(RECIPE)])

    def faults(self) -> Iterator[tuple[Path, str]]:
        """None: there are no files."""
        return iter(())


@lru_cache(maxsize=2)
def _drawn(part: Part) -> NDArray[np.uint8]:
    draws = np.random.default_rng([20091, RECIPE, part == "test"])
    count = COUNTS[part]
    classes = np.arange(count) % len(CLASSES)
    shape, texture = classes % 5, classes // 5
    y, x = np.mgrid[:SIDE, :SIDE]
    centre = draws.uniform(11, 21, (count, 2, 1, 1))
    radius, angle = draws.uniform(6, 10, (count, 1, 1)), draws.uniform(0, np.pi, (count, 1, 1))
    u, v = x - centre[:, 0], y - centre[:, 1]
    u, v = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    distance = np.hypot(u, v)
    shapes = np.stack(
        [
            distance < radius,
            np.maximum(abs(u), abs(v)) < radius * 0.85,
            np.minimum(abs(u), abs(v)) < radius * 0.35,
            (distance < radius) & (distance > radius * 0.55),
            (v > -radius * 0.6) & (v + 2 * abs(u) < radius),
        ],
        1,
    )
    inside = shapes[np.arange(count), shape] & (distance < 1.5 * radius)
    stripes = np.sin(1.6 * np.where(texture[:, None, None] == 0, u, u + v) + draws.uniform(0, 6, (count, 1, 1)))
    rings = np.sin(1.6 * distance)
    pattern = np.where(texture[:, None, None] == 0, stripes, rings)
    front, back = draws.uniform(40, 215, (2, count, 3, 1, 1))
    colour = np.where(inside[:, None], front + 35 * pattern[:, None], back)
    noisy = colour + draws.normal(0, _NOISE, colour.shape)
    images: NDArray[np.uint8] = noisy.clip(0, 255).astype(np.uint8)
    images.setflags(write=False)
    return images
