"""Files that hold CIFAR-10 or CIFAR-100: the official batches, and archives of CIFAR-10's images, JPEG re-encoded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined, digest, stamp
from kdsearch.data.images.base import PARTS, Labels, Part, Rows, Statistics
from kdsearch.data.images.cache import decoded_once
from kdsearch.data.images.files import decode
from kdsearch.data.images.locate import official
from kdsearch.errors import DataError

Which = Literal["cifar10", "cifar100"]

SUBSET, WHOLE = "cifar10_subset_10k_2k.npz", "cifar10_full_jpeg.npz"
OFFICIAL: dict[Which, str] = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
NAMES: dict[Which, str] = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}

# The CIFAR-10 repository's for CIFAR-10 and SSKT's for CIFAR-100.
MEAN: dict[Which, Statistics] = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4867, 0.4408)}
STD: dict[Which, Statistics] = {"cifar10": (0.2023, 0.1994, 0.2010), "cifar100": (0.2675, 0.2565, 0.2761)}

_SIDE = 32
_REENCODED = "CIFAR-10, JPEG re-encoded (not the official pixels)"


@dataclass(frozen=True)
class _Cifar:
    """What all forms of the files have in common."""

    path: Path
    which: Which = "cifar10"
    padding: int = 4
    side: int | None = _SIDE

    @property
    def mean(self) -> Statistics:
        """See ``Reader``."""
        return MEAN[self.which]

    @property
    def std(self) -> Statistics:
        """See ``Reader``."""
        return STD[self.which]

    def fingerprint(self) -> str:
        """Of the file's bytes."""
        return combined([digest(self.path)])

    def faults(self) -> Iterator[tuple[Path, str]]:
        """See ``Reader``."""
        try:
            self._read_all()
            damaged = None
            if self.path.is_file():
                with zipfile.ZipFile(self.path) as archive:
                    damaged = archive.testzip()  # arrays that training does not read may be damaged too
            if damaged is not None:
                raise DataError(f"{self.path}: expected whole arrays; came a damaged {damaged}. Get it again.")
        except DataError as error:
            yield self.path, str(error)

    def _read_all(self) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class SubsetReader(_Cifar):
    """10,000 and 2,000 decoded images in one archive, see ``Reader``."""

    kind: str = "cifar10jpeg10k"
    words: str = f"{_REENCODED}, subset of 10,000 and 2,000"

    def labels(self) -> Labels:
        """See ``Reader``."""
        held = _arrays(self.path, stamp(self.path), ("y_train", "y_test", "classes"))
        return _labels(self.path, held["y_train"], held["y_test"], held["classes"])

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size."""
        held = _arrays(self.path, stamp(self.path), ("x_train", "x_test"))
        return np.concatenate([held[f"x_{part}"][rows[part]] for part in PARTS]).transpose(0, 3, 1, 2).copy()

    def _read_all(self) -> None:
        labels, held = self.labels(), _arrays(self.path, stamp(self.path), ("x_train", "x_test"))
        for part in PARTS:
            want, came = (len(getattr(labels, part)), _SIDE, _SIDE, 3), held[f"x_{part}"].shape
            if came != want:
                raise DataError(f"{self.path}: expected x_{part} of shape {want}; came {came}. Get it again.")


@dataclass(frozen=True)
class JpegReader(_Cifar):
    """All 60,000 images as JPEG streams in one archive, see ``Reader``."""

    kind: str = "cifar10jpeg"
    words: str = _REENCODED

    def labels(self) -> Labels:
        """See ``Reader``."""
        held = _arrays(self.path, stamp(self.path), ("train_labels", "test_labels", "classes"))
        return _labels(self.path, held["train_labels"], held["test_labels"], held["classes"])

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size, and are decoded once (11 s for all) into a file of their pixels."""
        return decoded_once(self.fingerprint(), rows, (3, _SIDE, _SIDE), self._image)

    def _image(self, part: Part, row: int) -> NDArray[np.uint8]:
        names = tuple(f"{part}_{name}" for name in ("prefix", "jpeg", "offsets"))
        prefix, stream, offsets = _arrays(self.path, stamp(self.path), names).values()
        what = f"{self.path}: {part} image {row}"
        if row + 1 >= len(offsets):
            raise DataError(f"{what}: expected its place in {part}_offsets; came {len(offsets)} offsets. Get it again.")
        return decode(bytes(prefix) + bytes(stream[offsets[row] : offsets[row + 1]]), None, what)

    def _read_all(self) -> None:
        labels = self.labels()
        for part in PARTS:
            for row in range(len(getattr(labels, part))):
                came = self._image(part, row).shape
                if came != (3, _SIDE, _SIDE):
                    raise DataError(f"{self.path}: {part} image {row}: expected 32 x 32 pixels; came {came[1:]}.")


@dataclass(frozen=True)
class OfficialReader(_Cifar):
    """The official batches, by torchvision, which checks their md5 sums; ``path`` is the folder above them."""

    @property
    def kind(self) -> str:
        """See ``Reader``."""
        return self.which

    @property
    def words(self) -> str:
        """See ``Reader``."""
        return NAMES[self.which]

    def labels(self) -> Labels:
        """See ``Reader``."""
        train, test = (_official(self.which, self.path, part, self.fingerprint()) for part in PARTS)
        return _labels(self.path, train.targets, test.targets, train.classes)

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size."""
        key = self.fingerprint()
        found = [_official(self.which, self.path, part, key).data[rows[part]] for part in PARTS]
        return np.concatenate(found).transpose(0, 3, 1, 2).copy()

    def fingerprint(self) -> str:
        """Of the files' bytes."""
        files = sorted((self.path / OFFICIAL[self.which]).iterdir())
        return combined(digest(file) for file in files if file.is_file())

    def _read_all(self) -> None:
        self.labels()


@lru_cache(maxsize=4)
def _official(which: Which, path: Path, part: Part, fingerprint: str) -> Any:
    """``fingerprint`` is of what is read: files of a path may change under a running process."""
    how = f'Get them again with torchvision.datasets.{which.upper()}("{path}", download=True).'

    def make(datasets: Any) -> Any:
        kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[which]
        return kind(str(path), train=part == "train", download=False)

    return official(make, path / OFFICIAL[which], how)


@lru_cache(maxsize=8)
def _arrays(path: Path, key: object, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except Exception as error:  # numpy and zipfile raise many kinds for a file that is not whole
        raise DataError(f"{path}: expected an archive with {', '.join(names)}; came: {error}. Get it again.") from error


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
