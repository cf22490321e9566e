"""Image files decoded once, and what Pascal VOC and folders of images have in common."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from kdsearch.data.decoded_cache import decoded_once
from kdsearch.data.files import combined, stamp
from kdsearch.data.images.base import PARTS, Labels, Part, Reader, Rows
from kdsearch.data.inventory import Finding, finding_of
from kdsearch.data.video import centre_square, open_image
from kdsearch.errors import DataError

SIZE = 224
_CHUNK = 1024
# Raise it with every change of how a file becomes pixels: files of decoded images are named by it.
_DECODING = 1


def decoded_rows(
    name: str, rows: Rows, shape: tuple[int, int, int], image: Callable[[Part, int], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """uint8 pixels ``[n, *shape]`` of these rows, mapped read-only; ``image(part, row)`` is asked where no file is.

    ``name`` must hold all that the pixels of a row depend on; each choice of rows has a file of its own.
    """
    wanted = [(part, int(row)) for part in PARTS for row in rows[part]]
    choice = hashlib.sha256(b"|".join(rows[part].tobytes() for part in PARTS)).hexdigest()
    shapes = (len(wanted), *shape)
    return decoded_once("images", f"{_DECODING} {name} {choice}", shapes, lambda place: image(*wanted[place]))


@dataclass(frozen=True)
class FilesReader(Reader):
    """Image files that are scaled, cut and decoded once; ``where`` is the folder they are found in."""

    where: Path
    kind: str
    description: str

    padding = 0
    side = None

    @abstractmethod
    def listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        """Path and label of each image, in order."""

    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """All classes, in the order of the labels."""

    @override
    def labels(self) -> Labels:
        train, test = (np.asarray([label for _, label in self.listed(part)]) for part in PARTS)
        return Labels(train, test, self.class_names())

    @override
    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """Images ``[n, 3, size, size]`` of the rows of train, then of test; ``size`` is 224 where none is given."""
        side = size or SIZE
        listed = {part: self.listed(part) for part in PARTS}

        def image(part: Part, row: int) -> NDArray[np.uint8]:
            return _decoded(Path(listed[part][row][0]), side)

        return decoded_rows(f"{self.fingerprint()} {side}", rows, (3, side, side), image)

    @override
    def fingerprint(self) -> str:
        """Of names, sizes and labels: reading all bytes of a large set would take longer than a study."""
        return _fingerprint(self)

    @override
    def faults(self) -> Iterator[tuple[Path, str]]:
        try:
            self.labels()
            paths = [Path(path) for part in PARTS for path, _ in self.listed(part)]
        except DataError as error:
            yield self.where, str(error)
            return

        def check(path: Path) -> Finding:
            return finding_of(path, lambda: str(_decoded(path, None).shape))

        with ThreadPoolExecutor() as pool:
            for first in range(0, len(paths), _CHUNK):  # not all at once: a set may be of a million files
                found = pool.map(check, paths[first : first + _CHUNK])
                yield from ((finding.file, finding.message) for finding in found if not finding.ok)


def _decoded(path: Path, side: int | None) -> NDArray[np.uint8]:
    try:
        return decode(path.read_bytes(), side, str(path))
    except OSError as error:
        raise DataError(f"{path}: expected an image; came: {error.strerror}. Get it again.") from error


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
    ``_DECODING``.
    """
    image = open_image(io.BytesIO(content), what)
    pixels = np.asarray(image) if size is None else centre_square(image, size)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
