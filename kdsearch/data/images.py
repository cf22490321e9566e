"""Images for classification: which of them train, validate and test, whatever files they are read from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from typing import Literal
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined
from kdsearch.errors import DataError

Part = Literal["train", "test"]
PARTS: tuple[Part, Part] = ("train", "test")
Rows = dict[Part, NDArray[np.int64]]
"""Rows of the stored order, by part."""
Statistics = tuple[float, float, float]

IMAGENET_MEAN: Statistics = (0.485, 0.456, 0.406)
IMAGENET_STD: Statistics = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Labels:
    """A data set's labels in stored order: int64 ``[n]`` or, of several classes an image, uint8 ``[n, C]``.

    Of the latter, 1 is shown, 0 is not, and 255 is to be ignored (VOC's difficult objects).
    """

    train: NDArray[Any]
    test: NDArray[Any]
    classes: tuple[str, ...]


class Reader(Protocol):
    """Files of one data set, found; hashable, equal where they are the same files."""

    @property
    def kind(self) -> str:
        """Short name of the files, part of the stored study name, such as ``cifar10jpeg``."""

    @property
    def words(self) -> str:
        """What they are, for every table; names re-encoded pixels and stand-ins as such."""

    @property
    def mean(self) -> Statistics:
        """Of pixel / 255, by channel."""

    @property
    def std(self) -> Statistics:
        """Of pixel / 255, by channel."""

    @property
    def padding(self) -> int:
        """Pixels by which random crops are padded."""

    def labels(self) -> Labels:
        """All labels; decodes no image. ``DataError`` names the file that is missing, foreign or damaged."""

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """Images ``[n, 3, H, W]`` of the rows of train, then of test; ``size`` in pixels, where they can be scaled."""

    def __hash__(self) -> int: ...

    def fingerprint(self) -> str:
        """Hash of the content, 16 hex digits."""


class Finder(Protocol):
    """Looks for a data set's files below a folder; hashable."""

    @property
    def multi_label(self) -> bool:
        """Whether an image may show several classes."""

    def find(self, root: Path | None) -> Reader:
        """The files, or a stand-in; ``DataError`` where there are none and nothing stands in for them."""


@dataclass(frozen=True, eq=False)
class ImageParts:
    """Labels ``[N]`` or ``[N, C]`` of the images of a declaration, and the indices of its three parts, disjoint."""

    labels: NDArray[Any]
    classes: tuple[str, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Images:
    """uint8 ``inputs`` ``[N, 3, H, W]``, read-only; a file mapped into memory where decoding takes long."""

    inputs: NDArray[np.uint8]
    parts: ImageParts


@dataclass(frozen=True)
class ImageDeclaration:
    """Images under an honest split; files are looked at when a property needs them, pixels are read by ``load`` alone.

    ``train`` and ``test`` take so many images, as equal a number of each class as there are; ``classes`` keeps some,
    counted anew in the order of the data set. ``validation``: the share of train that is carved away, of each class
    alike, with ``split_seed``: the same for every run. ``root`` is where to look and no part of the identity.
    """

    finder: Finder
    train: int | None = None
    test: int | None = None
    validation: float = 0.1
    split_seed: int = 0
    only: tuple[str, ...] | None = None
    root: Path | None = None

    @property
    def multi_label(self) -> bool:
        """Whether an image may show several classes."""
        return self.finder.multi_label

    @property
    def label(self) -> str:
        """Such as ``cifar10jpeg-n2000``, ``standin-cifar10`` or ``cifar10jpeg-4classes-n800``."""
        words = [self._reader.kind]
        if self.only is not None:
            words.append(f"{len(self.only)}classes")
        if self.train is not None:
            words.append(f"n{self.train}")
        if self.split_seed:
            words.append(f"carve{self.split_seed}")
        return "-".join(words)

    @property
    def description(self) -> str:
        """One line: which data, how many images in each part."""
        parts, words = self.parts(), self._reader.words
        kept = "" if self.only is None else f" of {len(parts.classes)} classes ({', '.join(parts.classes)})"
        return (
            f"{words}{kept}: {len(parts.train)} train, {len(parts.validation)} validation images carved from train "
            f"(split seed {self.split_seed}), {len(parts.test)} test"
        )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.parts().classes)

    @property
    def mean(self) -> Statistics:
        """Of pixel / 255, by channel."""
        return self._reader.mean

    @property
    def std(self) -> Statistics:
        """Of pixel / 255, by channel."""
        return self._reader.std

    @property
    def padding(self) -> int:
        """Pixels by which random crops are padded."""
        return self._reader.padding

    def identity(self) -> dict[str, Any]:
        """All that makes these data what they are, as JSON values; the content has its own ``fingerprint``."""
        return {
            "data": self._reader.kind,
            "train": self.train,
            "test": self.test,
            "validation": self.validation,
            "split_seed": self.split_seed,
            "classes": None if self.only is None else list(self.only),
        }

    def fingerprint(self) -> str:
        """Hash of the content that runs read, 16 hex digits."""
        chosen = [self.train, self.test, self.validation, self.split_seed, self.only]
        return combined([self._reader.fingerprint(), repr(chosen)])

    def parts(self) -> ImageParts:
        """Labels and parts; decodes no image."""
        reader = self._reader
        return _parts(self, reader, reader.fingerprint())[0]

    def load(self, size: int | None = None) -> Images:
        """Read all images of the declaration. ``size``: height and width in pixels, for data that can be scaled."""
        reader = self._reader
        parts, rows = _parts(self, reader, reader.fingerprint())
        inputs = reader.pixels(rows, size)
        inputs.setflags(write=False)
        return Images(inputs, parts)

    @property
    def _reader(self) -> Reader:
        return self.finder.find(self.root)


@lru_cache(maxsize=32)
def _parts(declaration: ImageDeclaration, reader: Reader, fingerprint: str) -> tuple[ImageParts, Rows]:
    """The parts, and the rows of the data set that the declaration's images are; files of a path may be changed."""
    found = reader.labels()
    kept = _kept(declaration.only, found.classes)
    seeds = np.random.SeedSequence([declaration.split_seed, 77])
    draws = [np.random.default_rng(seed) for seed in seeds.spawn(3)]
    rows: Rows = {
        "train": _chosen(found.train, kept, declaration.train, draws[0], "train"),
        "test": _chosen(found.test, kept, declaration.test, draws[1], "test"),
    }
    labels = np.concatenate(
        [_renumbered(found.train[rows["train"]], kept), _renumbered(found.test[rows["test"]], kept)]
    )
    count = len(rows["train"])
    validation = _carved(labels[:count], declaration.validation, draws[2])
    train = np.setdiff1d(np.arange(count), validation)
    classes = tuple(found.classes[c] for c in kept)
    for array in (labels, train, validation):
        array.setflags(write=False)
    test = np.arange(count, len(labels))
    return ImageParts(labels, classes, train, validation, test), rows


def _kept(only: tuple[str, ...] | None, classes: tuple[str, ...]) -> list[int]:
    if only is None:
        return list(range(len(classes)))
    unknown = [name for name in only if name not in classes]
    if unknown or len(only) < 2:
        raise DataError(
            f"classes: expected two or more of {', '.join(classes)}; got {', '.join(unknown or only)}. Correct them."
        )
    return sorted(classes.index(name) for name in set(only))


def _chosen(
    labels: NDArray[Any], kept: list[int], count: int | None, draws: np.random.Generator, part: str
) -> NDArray[np.int64]:
    """Rows ascending: those of the kept classes, or so many of them, of each class alike."""
    single = labels.ndim == 1
    rows = np.flatnonzero(np.isin(labels, kept)) if single else np.flatnonzero((labels[:, kept] == 1).any(1))
    if count is None:
        return rows
    if count > len(rows):
        raise DataError(f"{part}={count}: there are {len(rows)} such images; ask for as many at most, or leave it out.")
    if not single:
        return np.sort(draws.permutation(rows)[:count])
    taken = []
    for place, label in enumerate(kept):
        own = draws.permutation(rows[labels[rows] == label])
        wanted = count // len(kept) + (place < count % len(kept))
        if wanted > len(own):
            raise DataError(
                f"{part}={count}: that is {wanted} images of class {label}, which has {len(own)}; ask for fewer."
            )
        taken.append(own[:wanted])
    return np.sort(np.concatenate(taken))


def _renumbered(labels: NDArray[Any], kept: list[int]) -> NDArray[Any]:
    return np.searchsorted(kept, labels).astype(np.int64) if labels.ndim == 1 else labels[:, kept]


def _carved(labels: NDArray[Any], share: float, draws: np.random.Generator) -> NDArray[np.int64]:
    """Indices that validate: of each class its share, one at least and never all."""
    if labels.ndim == 2:
        return np.sort(draws.permutation(len(labels))[: max(1, round(share * len(labels)))])
    taken = []
    for label in np.unique(labels):
        own = draws.permutation(np.flatnonzero(labels == label))
        if len(own) < 2:
            raise DataError(f"class {label} has {len(own)} training image: one trains and one validates; take more.")
        taken.append(own[: min(len(own) - 1, max(1, round(share * len(own))))])
    return np.sort(np.concatenate(taken))


def declare(
    finder: Finder,
    train: int | None,
    test: int | None,
    validation: float,
    split_seed: int,
    classes: tuple[str, ...] | None,
    root: Path | str | None,
) -> ImageDeclaration:
    """A declaration with checked numbers; reads nothing yet. ``DataError`` for what cannot be."""
    for name, value in (("train", train), ("test", test)):
        if value is not None and (not isinstance(value, int) or value < 4):
            raise DataError(f"{name}={value!r}: expected a whole number of images, 4 or more, or None for all.")
    if not 0 < validation < 1:
        raise DataError(f"validation={validation}: expected a fraction between 0 and 1, such as 0.1.")
    if split_seed < 0:
        raise DataError(f"split_seed={split_seed}: expected 0 or more.")
    only = None if classes is None else tuple(classes)
    return ImageDeclaration(finder, train, test, validation, split_seed, only, None if root is None else Path(root))
