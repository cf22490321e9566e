"""Synthetic data in place of CIFAR-10: textured shapes with noise, ten classes, drawn alike every time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from kdsearch.data.files import combined
from kdsearch.data.images.base import PARTS, Labels, Part, Reader, Rows
from kdsearch.data.synthetic import not_real

# Raise it with every change of what is drawn: fingerprints of stored runs are made of it.
RECIPE = 1
SIDE = 32
COUNTS: dict[Part, int] = {"train": 4000, "test": 2000}
# Those of CIFAR-10, so that a study that takes some of them runs here too.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_NOISE = 55.0


@dataclass(frozen=True)
class SyntheticReader(Reader):
    """Drawn images. Class c is a shape (five) of one of two textures, anywhere, in any colour."""

    kind = "standin-cifar10"
    description = f"{not_real('CIFAR-10')}: drawn shapes under its classes' names"
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)
    side = SIDE
    is_synthetic = True

    @override
    def labels(self) -> Labels:
        train, test = (np.arange(COUNTS[part]) % len(CLASSES) for part in PARTS)
        return Labels(train, test, CLASSES)

    @override
    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        return np.concatenate([_drawn(part)[rows[part]] for part in PARTS])

    @override
    def fingerprint(self) -> str:
        """Of the recipe's number."""
        return combined(["kdsearch image stand-in", str(RECIPE)])


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
