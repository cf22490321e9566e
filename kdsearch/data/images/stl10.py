"""STL10's labelled images, from the official binary files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from kdsearch.data.declaration import shows
from kdsearch.data.files import combined, digest
from kdsearch.data.images.base import PARTS, Labels, Part, Reader, Rows
from kdsearch.data.images.declaration import ImageDeclaration, ImageOptions, declare
from kdsearch.data.images.files import decoded_rows
from kdsearch.data.images.locate import OfficialFinder, official
from kdsearch.errors import DataError

_SIDE = 96


@dataclass(frozen=True)
class Stl10Reader(Reader):
    """STL10's 5,000 and 8,000 labelled images of 96 pixels; ``where`` is ``stl10_binary``."""

    where: Path

    kind = "stl10"
    description = "STL10"
    side = _SIDE

    @override
    def labels(self) -> Labels:
        """Read here and not by torchvision, which sums up 3 GB of images each time it is asked."""
        try:
            names = tuple((self.where / "class_names.txt").read_text().split())
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

    @override
    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """Images ``[n, 3, 96, 96]``, turned upright once into a file of their pixels."""
        opened, lock = dict[Part, Any](), Lock()

        def image(part: Part, row: int) -> NDArray[np.uint8]:
            with lock:
                if part not in opened:
                    opened[part] = self._open(part)
            return np.ascontiguousarray(opened[part].data[row])

        return decoded_rows(self.fingerprint(), rows, (3, _SIDE, _SIDE), image)

    @override
    def fingerprint(self) -> str:
        """Of the labelled files' bytes."""
        return combined(digest(self._file(part, name)) for part in PARTS for name in ("X", "y"))

    @override
    def read_all(self) -> None:
        """Torchvision compares the md5 sums of all files."""
        self.labels()
        self._open("test")

    def _file(self, part: Part, name: str) -> Path:
        return self.where / f"{part}_{name}.bin"

    def _open(self, part: Part) -> Any:
        def make(datasets: Any) -> Any:
            return datasets.STL10(str(self.where.parent), split=part, download=False)

        return official(make, self.where, self._how)

    @property
    def _how(self) -> str:
        return f'Get them again with torchvision.datasets.STL10("{self.where.parent}", download=True).'

    def _broken(self, came: object) -> DataError:
        return DataError(f"{self.where}: expected the official files, whole; came: {came}. {self._how}")


STL10 = OfficialFinder(Stl10Reader, "STL10", "stl10_binary", "stl10", 'STL10("<that folder>", download=True)')


@shows(ImageOptions)
def stl10(**options: Unpack[ImageOptions]) -> ImageDeclaration:
    """Declare STL10's labelled images; reads nothing yet. Options are the fields of :class:`ImageDeclaration`.

    ``DataError`` where there is none when it is used.
    """
    return declare(STL10, **options)
