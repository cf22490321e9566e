"""A declaration of images: which of them train, validate and test, whatever files they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch.data.files import combined
from kdsearch.data.image_split import carved
from kdsearch.data.image_split import chosen
from kdsearch.data.image_split import kept_classes
from kdsearch.data.image_split import renumbered
from kdsearch.data.images import Finder
from kdsearch.data.images import ImageParts
from kdsearch.data.images import Images
from kdsearch.data.images import Reader
from kdsearch.data.images import Rows
from kdsearch.data.images import Statistics
from kdsearch.errors import DataError


@dataclass(frozen=True)
class ImageDeclaration:
    """Images under an honest split; files are looked at when a property needs them, pixels are read by ``load`` alone.

    ``only`` keeps some classes, counted anew in the order of the data set; of these ``train`` and ``test`` take so many
    images, of each class alike. ``validation``: the share of train that is carved away, of each class alike, with
    ``split_seed``: the same for every run. ``root`` is where to look and no part of the identity.
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
    def eleven_points(self) -> bool:
        """Whether the official average precision is that of 11 recall levels, as VOC2007's."""
        return self.finder.eleven_points

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

    def learnt_from(self, other: object) -> int:
        """How many of the images that validate here are among those that train in ``other``.

        0 for data that are no declaration of the same files: whether other files hold the same images is not looked at.
        """
        if not isinstance(other, ImageDeclaration):
            return 0
        if self._reader.kind != other._reader.kind or self._reader.fingerprint() != other._reader.fingerprint():
            return 0
        (own, rows), (others, other_rows) = (
            _parts(data, data._reader, data._reader.fingerprint()) for data in (self, other)
        )
        # Rows of the official train part: the test part is another, and nobody trains on it.
        return len(np.intersect1d(rows["train"][own.validation], other_rows["train"][others.train]))

    def load(self, size: int | None = None) -> Images:
        """Read all images of the declaration, and check them.

        ``size``: height and width in pixels (default 224), for data that are scaled. ``DataError`` for data that are
        not, and naming the file that is missing, foreign or damaged.
        """
        reader = self._reader
        if size is not None and (size < 8 or reader.side not in (None, size)):
            have = "8 pixels or more" if reader.side is None else f"none, or {reader.side}: {reader.kind} is not scaled"
            raise DataError(f"size={size}: expected {have}. Correct it.")
        parts, rows = _parts(self, reader, reader.fingerprint())
        inputs = reader.pixels(rows, size)
        inputs.setflags(write=False)
        return Images(inputs, parts).check()

    @property
    def _reader(self) -> Reader:
        return self.finder.find(self.root)


@lru_cache(maxsize=32)
def _parts(declaration: ImageDeclaration, reader: Reader, fingerprint: str) -> tuple[ImageParts, Rows]:
    """The parts, and the rows of the data set that the declaration's images are; files of a path may be changed."""
    found = reader.labels()
    kept = kept_classes(declaration.only, found.classes)
    seeds = np.random.SeedSequence([declaration.split_seed, 77])
    draws = [np.random.default_rng(seed) for seed in seeds.spawn(3)]
    rows: Rows = {
        "train": chosen(found.train, kept, declaration.train, draws[0], "train"),
        "test": chosen(found.test, kept, declaration.test, draws[1], "test"),
    }
    labels = np.concatenate([renumbered(found.train[rows["train"]], kept), renumbered(found.test[rows["test"]], kept)])
    count = len(rows["train"])
    validation = carved(labels[:count], declaration.validation, draws[2])
    train, test = np.setdiff1d(np.arange(count), validation), np.arange(count, len(labels))
    for array in (labels, train, validation, test):
        array.setflags(write=False)
    return ImageParts(labels, tuple(found.classes[c] for c in kept), train, validation, test), rows


def declare(
    finder: Finder,
    train: int | None,
    test: int | None,
    validation: float,
    split_seed: int,
    classes: Sequence[str] | None,
    root: Path | str | None,
) -> ImageDeclaration:
    """A declaration with checked arguments; reads nothing yet. ``DataError`` for what cannot be."""
    for name, value in (("train", train), ("test", test)):
        if value is not None and (not isinstance(value, int) or value < 4):
            raise DataError(f"{name}={value!r}: expected a whole number of images, 4 or more, or None for all.")
    if not 0 < validation < 1:
        raise DataError(f"validation={validation}: expected a fraction between 0 and 1, such as 0.1.")
    if split_seed < 0:
        raise DataError(f"split_seed={split_seed}: expected 0 or more.")
    if classes is not None and (isinstance(classes, str) or len(set(classes)) < 2):
        raise DataError(f"classes={classes!r}: expected the names of two classes or more, or None for all.")
    # Sorted, so that one choice has one identity however it is written.
    only = None if classes is None else tuple(sorted(set(classes)))
    return ImageDeclaration(finder, train, test, validation, split_seed, only, None if root is None else Path(root))
