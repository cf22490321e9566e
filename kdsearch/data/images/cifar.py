"""CIFAR-10 and CIFAR-100: the official batches, CIFAR-10's images in re-encoded archives, or synthetic data for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from kdsearch.data.declaration import shows
from kdsearch.data.files import Stamp, check_zip, combined, digest, read_npz, stamp
from kdsearch.data.images.base import PARTS, Finder, Labels, Part, Reader, Rows
from kdsearch.data.images.declaration import ImageDeclaration, ImageOptions, declare
from kdsearch.data.images.files import decode, decoded_rows
from kdsearch.data.images.locate import OfficialFinder, below, official
from kdsearch.data.images.synthetic import SyntheticReader
from kdsearch.errors import DataError

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
"""Of CIFAR-10, as its repository has them."""
_SIDE = 32
_REENCODED = "CIFAR-10, JPEG re-encoded (not the official pixels)"


@dataclass(frozen=True)
class ArchiveReader(Reader):
    """An archive of CIFAR-10's images."""

    where: Path

    mean, std = MEAN, STD
    side = _SIDE

    @override
    def fingerprint(self) -> str:
        """Of the file's bytes."""
        return combined([digest(self.where)])


@dataclass(frozen=True)
class SubsetReader(ArchiveReader):
    """10,000 and 2,000 decoded images in one archive."""

    kind = "cifar10jpeg10k"
    description = f"{_REENCODED}, subset of 10,000 and 2,000"
    file: ClassVar[str] = "cifar10_subset_10k_2k.npz"

    @override
    def labels(self) -> Labels:
        held = _arrays(self.where, "y_train", "y_test", "classes")
        return _labels(self.where, held["y_train"], held["y_test"], held["classes"])

    @override
    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        held = _arrays(self.where, "x_train", "x_test")
        return np.concatenate([held[f"x_{part}"][rows[part]] for part in PARTS]).transpose(0, 3, 1, 2).copy()

    @override
    def read_all(self) -> None:
        labels, held = self.labels(), _arrays(self.where, "x_train", "x_test")
        for part in PARTS:
            want, came = (len(getattr(labels, part)), _SIDE, _SIDE, 3), held[f"x_{part}"].shape
            if came != want:
                raise DataError(f"{self.where}: expected x_{part} of shape {want}; came {came}. Get it again.")
        check_zip(self.where)


@dataclass(frozen=True)
class JpegReader(ArchiveReader):
    """All 60,000 images as JPEG streams in one archive."""

    kind = "cifar10jpeg"
    description = _REENCODED
    file: ClassVar[str] = "cifar10_full_jpeg.npz"

    @override
    def labels(self) -> Labels:
        held = _arrays(self.where, "train_labels", "test_labels", "classes")
        return _labels(self.where, held["train_labels"], held["test_labels"], held["classes"])

    @override
    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """Images ``[n, 3, 32, 32]``, decoded once (11 s for all) into a file of their pixels."""
        return decoded_rows(self.fingerprint(), rows, (3, _SIDE, _SIDE), self._image)

    def _image(self, part: Part, row: int) -> NDArray[np.uint8]:
        names = (f"{part}_{name}" for name in ("prefix", "jpeg", "offsets"))
        prefix, stream, offsets = _arrays(self.where, *names).values()
        what = f"{self.where}: {part} image {row}"
        if row + 1 >= len(offsets):
            raise DataError(f"{what}: expected its place in {part}_offsets; came {len(offsets)} offsets. Get it again.")
        pixels = decode(bytes(prefix) + bytes(stream[offsets[row] : offsets[row + 1]]), None, what)
        if pixels.shape != (3, _SIDE, _SIDE):
            raise DataError(f"{what}: expected 32 x 32 pixels; came {pixels.shape[1:]}. Get it again.")
        return pixels

    @override
    def read_all(self) -> None:
        labels = self.labels()
        for part in PARTS:
            for row in range(len(getattr(labels, part))):
                self._image(part, row)
        check_zip(self.where)


@dataclass(frozen=True)
class OfficialReader(Reader):
    """The official batches of CIFAR-10, by torchvision, which checks their md5 sums."""

    where: Path

    kind = "cifar10"
    description = "CIFAR-10"
    mean, std = MEAN, STD
    side = _SIDE

    @override
    def labels(self) -> Labels:
        train, test = (_official(self, part, self.fingerprint()) for part in PARTS)
        return _labels(self.where, train.targets, test.targets, train.classes)

    @override
    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        key = self.fingerprint()
        found = [_official(self, part, key).data[rows[part]] for part in PARTS]
        return np.concatenate(found).transpose(0, 3, 1, 2).copy()

    @override
    def fingerprint(self) -> str:
        """Of the files' bytes."""
        return combined(digest(file) for file in sorted(self.where.iterdir()) if file.is_file())


@dataclass(frozen=True)
class Cifar100Reader(OfficialReader):
    """The official files of CIFAR-100; mean and standard deviation are those of SSKT."""

    kind = "cifar100"
    description = "CIFAR-100"
    mean = (0.5071, 0.4867, 0.4408)
    std = (0.2675, 0.2565, 0.2761)


@lru_cache(maxsize=4)
def _official(reader: OfficialReader, part: Part, fingerprint: str) -> Any:
    """``fingerprint`` is of what is read: files of a path may change under a running process."""
    name, path = reader.kind.upper(), reader.where.parent
    how = f'Get them again with torchvision.datasets.{name}("{path}", download=True).'

    def make(datasets: Any) -> Any:
        return getattr(datasets, name)(str(path), train=part == "train", download=False)

    return official(make, reader.where, how)


def _arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    return _read(stamp(path), names)


@lru_cache(maxsize=8)
def _read(key: Stamp, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    return read_npz(Path(key[0]), names)


def _labels(path: Path, train: Any, test: Any, classes: Any) -> Labels:
    found = Labels(np.asarray(train, np.int64), np.asarray(test, np.int64), tuple(str(name) for name in classes))
    for part in PARTS:
        labels = getattr(found, part)
        if labels.size and not 0 <= labels.min() <= labels.max() < len(found.classes):
            came = f"{labels.min()} to {labels.max()}"
            raise DataError(
                f"{path}: expected {part} labels from 0 to {len(found.classes) - 1}; came {came}. Get it again."
            )
    return found


CIFAR10 = OfficialFinder(
    OfficialReader, "CIFAR-10", "cifar-10-batches-py", "cifar10", 'CIFAR10("<that folder>", download=True)'
)
CIFAR100 = OfficialFinder(
    Cifar100Reader, "CIFAR-100", "cifar-100-python", "cifar100", 'CIFAR100("<that folder>", download=True)'
)


@dataclass(frozen=True)
class Cifar10Finder(Finder):
    """Looks for the official files, then for archives; ``small`` is content with the decoded subset."""

    small: bool = False

    @override
    def find(self, root: Path | None) -> Reader:
        for reader in (SubsetReader, JpegReader)[:: 1 if self.small else -1]:
            path = below(root, "cifar10", reader.file)
            if path is not None:
                return CIFAR10.look(root) or reader(path)
        return CIFAR10.look(root) or SyntheticReader()


@shows(ImageOptions)
def cifar10(**options: Unpack[ImageOptions]) -> ImageDeclaration:
    """Declare CIFAR-10; reads nothing yet. Options are the fields of :class:`ImageDeclaration`.

    Below KDSEARCH_DATA, directly or in ``cifar10``, the official folder ``cifar-10-batches-py`` comes first, then the
    archives of re-encoded images: the decoded subset where ``train`` with ``teacher_only`` and ``test`` ask for no more
    than it has of the classes (1,000 and 200 each), else the whole set. Without any, the images are drawn shapes. Label
    and identity name which.
    """
    classes, train, test = options.get("classes"), options.get("train"), options.get("test")
    count = 10 if classes is None else len(set(classes))
    small = train is not None and train + (options.get("teacher_only") or 0) <= 1000 * count
    return declare(Cifar10Finder(small and test is not None and test <= 200 * count), **options)


@shows(ImageOptions)
def cifar100(**options: Unpack[ImageOptions]) -> ImageDeclaration:
    """Declare CIFAR-100, read by torchvision from ``cifar-100-python``; reads nothing yet. ``DataError`` without it."""
    return declare(CIFAR100, **options)
