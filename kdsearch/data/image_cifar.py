"""CIFAR-10 and CIFAR-100: the official files, CIFAR-10's re-encoded archives, or for the former a stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined
from kdsearch.data.files import digest
from kdsearch.data.files import stamp
from kdsearch.data.image_cache import decode
from kdsearch.data.image_cache import decoded_once
from kdsearch.data.image_places import below
from kdsearch.data.image_places import official_root
from kdsearch.data.image_standin import StandinReader
from kdsearch.data.images import PARTS
from kdsearch.data.images import ImageDeclaration
from kdsearch.data.images import Labels
from kdsearch.data.images import Part
from kdsearch.data.images import Reader
from kdsearch.data.images import Rows
from kdsearch.data.images import Statistics
from kdsearch.data.images import declare
from kdsearch.errors import DataError

SUBSET, WHOLE = "cifar10_subset_10k_2k.npz", "cifar10_full_jpeg.npz"
OFFICIAL = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
NAMES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}

# Seed 004's for CIFAR-10 and seed 002's (SSKT) for CIFAR-100.
MEAN: dict[str, Statistics] = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4867, 0.4408)}
STD: dict[str, Statistics] = {"cifar10": (0.2023, 0.1994, 0.2010), "cifar100": (0.2675, 0.2565, 0.2761)}

_REENCODED = "CIFAR-10, JPEG re-encoded (not the official pixels)"


@dataclass(frozen=True)
class _Cifar:
    """What all forms of the files have in common."""

    path: Path
    which: Literal["cifar10", "cifar100"] = "cifar10"
    padding: int = 4

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


@dataclass(frozen=True)
class SubsetReader(_Cifar):
    """10,000 and 2,000 decoded images in one archive, see ``Reader``."""

    kind: str = "cifar10jpeg10k"
    words: str = f"{_REENCODED}, subset of 10,000 and 2,000"

    def labels(self) -> Labels:
        """See ``Reader``."""
        held = _arrays(self.path, stamp(self.path), ("y_train", "y_test", "classes"))
        return _labels(held["y_train"], held["y_test"], held["classes"])

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size."""
        held = _arrays(self.path, stamp(self.path), ("x_train", "x_test"))
        return np.concatenate([held[f"x_{part}"][rows[part]] for part in PARTS]).transpose(0, 3, 1, 2).copy()


@dataclass(frozen=True)
class JpegReader(_Cifar):
    """All 60,000 images as JPEG streams in one archive, see ``Reader``."""

    kind: str = "cifar10jpeg"
    words: str = _REENCODED

    def labels(self) -> Labels:
        """See ``Reader``."""
        held = _arrays(self.path, stamp(self.path), ("train_labels", "test_labels", "classes"))
        return _labels(held["train_labels"], held["test_labels"], held["classes"])

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size, and are decoded once (some seconds) into a file of their pixels."""
        names = [f"{part}_{name}" for part in PARTS for name in ("prefix", "jpeg", "offsets")]
        held = _arrays(self.path, stamp(self.path), tuple(names))

        def image(part: Part, row: int) -> NDArray[np.uint8]:
            first, last = held[f"{part}_offsets"][row : row + 2]
            content = bytes(held[f"{part}_prefix"]) + bytes(held[f"{part}_jpeg"][first:last])
            return decode(content, None, f"{self.path}: {part} image {row}")

        return decoded_once(self.fingerprint(), rows, (3, 32, 32), image)


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
        train, test = (_official(self.which, self.path, part) for part in PARTS)
        return _labels(train.targets, test.targets, train.classes)

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size."""
        found = [_official(self.which, self.path, part).data[rows[part]] for part in PARTS]
        return np.concatenate(found).transpose(0, 3, 1, 2).copy()

    def fingerprint(self) -> str:
        """Of the files' bytes."""
        files = sorted((self.path / OFFICIAL[self.which]).iterdir())
        return combined(digest(file) for file in files if file.is_file())


@lru_cache(maxsize=4)
def _official(which: str, path: Path, part: Part) -> Any:
    from kdsearch.torchvision_shim import import_torchvision

    import_torchvision()
    from torchvision import datasets

    try:
        made = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[which]
        return made(str(path), train=part == "train", download=False)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
        raise DataError(
            f"{path / OFFICIAL[which]}: expected {NAMES[which]}'s official files, whole; came: {error}. Get them again "
            f'with torchvision.datasets.{which.upper()}("{path}", download=True).'
        ) from error


@lru_cache(maxsize=8)
def _arrays(path: Path, key: object, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except Exception as error:  # numpy and zipfile raise many kinds for a file that is not whole
        raise DataError(f"{path}: expected an archive with {', '.join(names)}; came: {error}. Get it again.") from error


def _labels(train: Any, test: Any, classes: Any) -> Labels:
    return Labels(np.asarray(train, np.int64), np.asarray(test, np.int64), tuple(str(name) for name in classes))


@dataclass(frozen=True)
class CifarFinder:
    """Looks for the official files, then for archives; ``small`` is content with the decoded subset."""

    which: Literal["cifar10", "cifar100"]
    small: bool = False
    multi_label: bool = False

    def find(self, root: Path | None) -> Reader:
        """See ``Finder``; CIFAR-10 has a stand-in."""
        folder = official_root(root, OFFICIAL[self.which], self.which)
        if folder is not None:
            return OfficialReader(folder, self.which)
        if self.which == "cifar100":
            raise DataError(
                f"CIFAR-100: expected the folder {OFFICIAL['cifar100']} below KDSEARCH_DATA (directly or in cifar100), "
                'found none. Get it with torchvision.datasets.CIFAR100("<that folder>", download=True).'
            )
        for name, reader in ((SUBSET, SubsetReader), (WHOLE, JpegReader))[:: 1 if self.small else -1]:
            path = below(root, "cifar10", name)
            if path is not None:
                return reader(path)
        return StandinReader()


def cifar10(
    *,
    train: int | None = None,
    test: int | None = None,
    validation: float = 0.1,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare CIFAR-10; reads nothing yet. Arguments as in :class:`ImageDeclaration`.

    Below KDSEARCH_DATA, directly or in ``cifar10``, the official folder ``cifar-10-batches-py`` comes first, then the
    archives of re-encoded images: the decoded subset where ``train`` and ``test`` ask for no more than its 10,000 and
    2,000, else the whole set. Without any, drawn shapes stand in.
    """
    small = train is not None and train <= 10_000 and test is not None and test <= 2_000
    chosen = None if classes is None else tuple(classes)
    return declare(CifarFinder("cifar10", small), train, test, validation, split_seed, chosen, root)


def cifar100(
    *,
    train: int | None = None,
    test: int | None = None,
    validation: float = 0.1,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare CIFAR-100, read by torchvision from ``cifar-100-python``; reads nothing yet. ``DataError`` without it."""
    chosen = None if classes is None else tuple(classes)
    return declare(CifarFinder("cifar100"), train, test, validation, split_seed, chosen, root)
