"""Sets of image files that are decoded once: what Pascal VOC and folders of images have in common."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined, stamp
from kdsearch.data.images.base import IMAGENET_MEAN, IMAGENET_STD, PARTS, Labels, Part, Rows, Statistics
from kdsearch.data.images.cache import decoded_once
from kdsearch.data.video import centre_square
from kdsearch.errors import DataError

SIZE = 224
_CHUNK = 1024


@dataclass(frozen=True)
class FilesReader:
    """Image files that are scaled, cut and decoded once, see ``Reader``; ``path`` is the folder they are found in."""

    path: Path
    kind: str
    words: str
    mean: Statistics = IMAGENET_MEAN
    std: Statistics = IMAGENET_STD
    padding: int = 0
    side: int | None = None

    def listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        """Path and label of each image, in order."""
        raise NotImplementedError

    def class_names(self) -> tuple[str, ...]:
        """All classes, in the order of the labels."""
        raise NotImplementedError

    def labels(self) -> Labels:
        """See ``Reader``."""
        train, test = (np.asarray([label for _, label in self.listed(part)]) for part in PARTS)
        return Labels(train, test, self.class_names())

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; ``size`` is 224 where none is given."""
        side = size or SIZE
        listed = {part: self.listed(part) for part in PARTS}

        def image(part: Part, row: int) -> NDArray[np.uint8]:
            return _decoded(Path(listed[part][row][0]), side)

        return decoded_once(f"{self.fingerprint()} {side}", rows, (3, side, side), image)

    def fingerprint(self) -> str:
        """Of names, sizes and labels: reading all bytes of a large set would take longer than a study."""
        return _fingerprint(self)

    def faults(self) -> Iterator[tuple[Path, str]]:
        """See ``Reader``."""
        try:
            self.labels()
            paths = [Path(path) for part in PARTS for path, _ in self.listed(part)]
        except DataError as error:
            yield self.path, str(error)
            return
        with ThreadPoolExecutor() as pool:
            for first in range(0, len(paths), _CHUNK):  # not all at once: a set may be of a million files
                chunk = paths[first : first + _CHUNK]
                yield from ((path, why) for path, why in zip(chunk, pool.map(_fault, chunk), strict=True) if why)


def _decoded(path: Path, side: int | None) -> NDArray[np.uint8]:
    try:
        return decode(path.read_bytes(), side, str(path))
    except OSError as error:
        raise DataError(f"{path}: expected an image; came: {error.strerror}. Get it again.") from error


def _fault(path: Path) -> str | None:
    try:
        _decoded(path, None)
    except DataError as error:
        return str(error)
    return None


@lru_cache(maxsize=8)
def _fingerprint(reader: FilesReader) -> str:
    """Made once a process: a set may be of a million files."""
    lines = []
    for part in PARTS:
        for path, label in reader.listed(part):
            lines.append(f"{part} {Path(path).name} {stamp(Path(path))[2]} {np.asarray(label).tolist()}")
    return combined(lines)


def decode(content: bytes, size: int | None, what: str) -> NDArray[np.uint8]:
    """RGB pixels ``[3, H, W]`` of an image file's content; ``DataError`` names ``what`` where it is none.

    ``size``: the shorter side is scaled to ``size * 8 / 7`` (256 for 224, as ImageNet's networks are evaluated) and the
    centre of ``size`` x ``size`` is kept. ``None`` keeps the image as it is. A change here is a change of
    ``image_cache._DECODING``.
    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        pixels = np.asarray(image) if size is None else centre_square(image, size)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{what} cannot be decoded: {error}. Get it again.") from error
