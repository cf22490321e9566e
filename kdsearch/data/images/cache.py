"""Images of a choice of rows, decoded once; see :mod:`~kdsearch.data.decoded_cache`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kdsearch.data import decoded_cache
from kdsearch.data.images.base import PARTS, Part, Rows
from kdsearch.errors import DataError

Shape = tuple[int, int, int]

FOLDER: decoded_cache.What = "images"
# Raise it with every change of how a file becomes pixels: files of decoded images are named by it.
_DECODING = 1


def decoded_once(
    name: str, rows: Rows, shape: Shape, image: Callable[[Part, int], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """uint8 pixels ``[n, *shape]`` of these rows, mapped read-only; ``image(part, row)`` is asked where no file is.

    ``name`` must hold all that the pixels of a row depend on; each choice of rows has a file of its own.
    """
    wanted = [(part, int(row)) for part in PARTS for row in rows[part]]
    chosen = hashlib.sha256()
    for part in PARTS:
        chosen.update(rows[part].tobytes() + b"|")

    def item(place: int) -> NDArray[np.uint8]:
        part, row = wanted[place]
        pixels = image(part, row)
        if pixels.shape != shape or pixels.dtype != np.uint8:
            came = f"{pixels.dtype} {pixels.shape}"
            raise DataError(f"{part} image {row}: expected uint8 {shape}; came {came}. Get it again.")
        return pixels

    return decoded_cache.decoded_once(f"{_DECODING} {name} {chosen.hexdigest()}", (len(wanted), *shape), item, FOLDER)
