"""STL10's labelled images, from the official binary files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined, digest
from kdsearch.data.images.base import IMAGENET_MEAN, IMAGENET_STD, PARTS, Labels, Part, Rows, Statistics
from kdsearch.data.images.cache import decoded_once
from kdsearch.data.images.locate import official
from kdsearch.errors import DataError

FOLDER = "stl10_binary"
_SIDE = 96


@dataclass(frozen=True)
class Stl10Reader:
    """STL10's 5,000 and 8,000 labelled images of 96 pixels, see ``Reader``; ``path`` holds ``stl10_binary``."""

    path: Path
    kind: str = "stl10"
    words: str = "STL10"
    mean: Statistics = IMAGENET_MEAN
    std: Statistics = IMAGENET_STD
    padding: int = 4
    side: int | None = _SIDE

    def labels(self) -> Labels:
        """See ``Reader``. Read here and not by torchvision, which sums up 3 GB of images each time it is asked."""
        try:
            names = tuple((self.path / FOLDER / "class_names.txt").read_text().split())
            train, test = (np.fromfile(self._file(part, "y"), np.uint8).astype(np.int64) - 1 for part in PARTS)
            lengths = {part: self._file(part, "X").stat().st_size for part in PARTS}
        except OSError as error:
            raise self._broken(error) from error
        for part, labels in zip(PARTS, (train, test), strict=True):
            if labels.size == 0 or labels.min() < 0 or labels.max() >= len(names):
                raise self._broken(f"{part} labels outside 1 to {len(names)}")
            want, came = len(labels) * 3 * _SIDE**2, lengths[part]
            if came != want:
                raise self._broken(f"{part}_X.bin of {came:,} bytes where {len(labels):,} labels need {want:,}")
        return Labels(train, test, names)

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size, and are turned upright once into a file of their pixels."""
        opened, lock = dict[Part, Any](), Lock()

        def image(part: Part, row: int) -> NDArray[np.uint8]:
            with lock:
                if part not in opened:
                    opened[part] = self._open(part)
            return np.ascontiguousarray(opened[part].data[row])

        return decoded_once(self.fingerprint(), rows, (3, _SIDE, _SIDE), image)

    def fingerprint(self) -> str:
        """Of the labelled files' bytes."""
        return combined(digest(self._file(part, name)) for part in PARTS for name in ("X", "y"))

    def faults(self) -> Iterator[tuple[Path, str]]:
        """See ``Reader``; torchvision compares the md5 sums of all files."""
        try:
            self.labels()
            self._open("test")
        except DataError as error:
            yield self.path / FOLDER, str(error)

    def _file(self, part: Part, name: str) -> Path:
        return self.path / FOLDER / f"{part}_{name}.bin"

    def _open(self, part: Part) -> Any:
        def make(datasets: Any) -> Any:
            return datasets.STL10(str(self.path), split=part, download=False)

        return official(make, self.path / FOLDER, self._how)

    @property
    def _how(self) -> str:
        return f'Get them again with torchvision.datasets.STL10("{self.path}", download=True).'

    def _broken(self, came: object) -> DataError:
        return DataError(f"{self.path / FOLDER}: expected the official files, whole; came: {came}. {self._how}")
