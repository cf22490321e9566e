"""Synthetic data in place of UCF101 and HMDB51: six classes of JHMDB's drawn figures, as small colour clips."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import ClipTable
from kdsearch.data.files import combined
from kdsearch.data.jhmdb.synthetic import open_synthetic

CLASSES = 6  # of 14, 268 clips
# Raise it with every change of what is drawn: fingerprints of stored runs are made of it.
RECIPE = 1
_SEED = 20120101


def table(split: int, classes: int | None = None) -> ClipTable:
    """The first classes of the drawn figures, ``classes`` of them where that is fewer, with one column of splits."""
    drawn, count = open_synthetic("masks").table, _count(classes)
    rows = np.flatnonzero(drawn.labels < count)
    names, splits = tuple(drawn.names[row] for row in rows), drawn.splits[rows, split - 1 : split]
    return ClipTable(drawn.classes[:count], names, drawn.labels[rows], splits, drawn.groups[rows])


def fingerprint(classes: int | None = None) -> str:
    """Of the recipes' numbers and how many classes there are."""
    return combined(
        ["kdsearch action stand-in", str(RECIPE), open_synthetic("masks").fingerprint(), str(_count(classes))]
    )


@lru_cache(maxsize=2)
def pixels(frames: int, size: int, classes: int | None = None) -> NDArray[np.uint8]:
    """Drawn clips ``(N, frames, size, size, 3)``, rows as in ``table``; read-only, since they are cached."""
    reader = open_synthetic("masks")
    rows = np.flatnonzero(reader.table.labels < _count(classes))
    drawn = np.empty((len(rows), frames, size, size, 3), dtype=np.uint8)
    for i, row in enumerate(rows):
        drawn[i] = _coloured(reader.clip(int(row), frames), size, scene=int(reader.table.groups[row]))
    drawn.setflags(write=False)
    return drawn


def _coloured(masks: NDArray[np.generic], size: int, scene: int) -> NDArray[np.float64]:
    """Masks ``(T, 120, 160)`` as a bright figure before a dark ground, in colours of the source video's own.

    JHMDB's drawn frames have any two colours. There a network has to learn first that light on dark is what dark on
    light is, for which neither the clips nor the minutes of a small study are enough.
    """
    from PIL import Image

    draws = np.random.default_rng([_SEED, scene])
    ground, figure = draws.uniform(10, 90, 3), draws.uniform(140, 240, 3)
    squares = [Image.fromarray(mask[:, 20:140] * np.uint8(255)) for mask in masks]
    shape = np.stack([np.asarray(square.resize((size, size), Image.Resampling.BOX)) for square in squares]) / 255
    coloured: NDArray[np.float64] = ground + shape[..., None] * (figure - ground)
    return np.rint(coloured)


def _count(classes: int | None) -> int:
    return CLASSES if classes is None else min(classes, CLASSES)
