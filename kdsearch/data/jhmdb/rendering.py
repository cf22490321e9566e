"""Drawn figures as pixels: masks, silhouettes and coloured frames of given joints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import Modality
from kdsearch.data.jhmdb.silhouettes import GRAYS, MARGIN, SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

# Pairs of joints and the limb's thickness in body scales; thick ones first, as a torso is.
_LIMBS = (
    (0, 1, 0.26), (1, 5, 0.18), (1, 6, 0.18), (0, 3, 0.14), (0, 4, 0.14), (0, 2, 0.1),
    (5, 9, 0.12), (6, 10, 0.12), (9, 13, 0.09), (10, 14, 0.09),
    (3, 7, 0.09), (4, 8, 0.09), (7, 11, 0.07), (8, 12, 0.07),
)  # fmt: skip
_HEAD = 0.11
_FINE = 4  # pixels drawn for one silhouette pixel and side


def render(
    poses: NDArray[np.float32], wanted: list[int], modality: Modality, size: int, scene: int
) -> NDArray[np.uint8]:
    """The ``wanted`` frames of joints ``(T, 15, 2)`` in the shapes and values of the real modality.

    ``scene`` picks the colours of a source video; ``size`` is the side of frames in pixels.
    """
    if modality == "masks":
        scale = 52.0
        return np.stack([np.asarray(_figure(poses[i] * scale + (80, 60), scale, (160, 120))) for i in wanted]) // 255
    if modality == "silhouettes":
        return np.stack([_silhouette(points) for points in _boxed(poses)[wanted]])
    return np.stack([_frame(poses[i], size, scene) for i in wanted])


def _boxed(poses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Joints in the unit square of the clip's box, with the body scale as a third coordinate."""
    low, high = poses.min(axis=(0, 1)) - _HEAD, poses.max(axis=(0, 1)) + _HEAD
    side = float((high - low).max()) * MARGIN
    unit = (poses - (low + high) / 2) / side + 0.5
    return np.concatenate([unit, np.full((*unit.shape[:2], 1), 1 / side)], axis=2).astype(np.float32)


def _silhouette(points: NDArray[np.float32]) -> NDArray[np.uint8]:
    fine = SIDE * _FINE
    image = _figure(points[:, :2] * fine, float(points[0, 2]) * fine, (fine, fine)).reduce(_FINE)
    gray: NDArray[np.float32] = np.asarray(image, dtype=np.float32) * (GRAYS / 255)
    return np.rint(gray).astype(np.uint8)


def _frame(joints: NDArray[np.float32], size: int, scene: int) -> NDArray[np.uint8]:
    colours = np.random.default_rng(scene).integers(30, 226, (2, 3), dtype=np.uint8)
    scale = size * 0.42
    shape = np.asarray(_figure(joints * scale + size / 2, scale, (size, size)))[..., None] > 0
    frame: NDArray[np.uint8] = np.where(shape, colours[0], colours[1])
    return frame


def _figure(points: NDArray[np.float32], scale: float, size: tuple[int, int]) -> Image:
    """An 8-bit image of width and height ``size``, 255 on the figure; ``points`` ``(15, 2)`` in pixels."""
    from PIL import Image, ImageDraw

    image = Image.new("L", size)
    pen = ImageDraw.Draw(image)
    at = [(float(x), float(y)) for x, y in points]
    for start, end, thickness in _LIMBS:
        pen.line((at[start], at[end]), fill=255, width=max(1, round(thickness * scale)))
    for joint, radius in ((2, _HEAD), (9, 0.055), (10, 0.055), (7, 0.045), (8, 0.045)):  # head, knees, elbows
        x, y = at[joint]
        reach = max(0.5, radius * scale)
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    return image
