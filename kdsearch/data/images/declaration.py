"""A declaration of images: which of them train, validate and test, whatever files they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from kdsearch.data.declaration import Declaration, Options, fields_of
from kdsearch.data.files import combined
from kdsearch.data.folds import FIRST, Fold, describe_folds
from kdsearch.data.images.base import PARTS, Finder, ImageParts, Images, Reader, Rows, Statistics
from kdsearch.data.images.split import IntArray, chosen, class_indices, cut, held_out, renumbered
from kdsearch.data.partitions import checked_classes
from kdsearch.errors import DataError

SHARE = 0.1
"""Share of the train images that validates where there is one part or none, as before there were folds."""
SMALL = 10_000
"""Train images up to which a subset is cut into five folds where nothing else is said."""
_STREAM = 77


@dataclass(frozen=True)
class ImageDeclaration(Declaration):
    """Images of a data set, or of some of its classes, under an honest split.

    ``only`` keeps some classes, counted anew in the order of the data set; of these ``train`` and ``test`` take so many
    images, of each class alike, drawn with ``split_seed``. ``teacher_only``: so many further images of the official
    train list, of each class alike, on which teachers train beside those of their fold, and nobody else: they validate
    and test nothing.

    Folds are of each class alike; one holds out a tenth, cut anew for every partition. The functions that declare take
    5 for subsets of up to 10,000 train images. Whole sets and larger subsets get 1: a tenth of them is thousands of
    images, whose luck is small beside that of a seed, and the five trainings of a large teacher, one for each fold,
    cost days. There is no ``holdout``: nothing tells which film an image is of, and the functions refuse the word.
    """

    finder: Finder
    train: int | None = None
    test: int | None = None
    only: tuple[str, ...] | None = None
    teacher_only: int | None = None

    _share_before = SHARE

    def __post_init__(self) -> None:
        if self.teacher_only is not None and self.train is None:
            raise DataError(f"teacher_only={self.teacher_only!r}: expected train= beside it, which leaves images over.")
        for name, value in (("train", self.train), ("test", self.test), ("teacher_only", self.teacher_only)):
            if value is not None and (not isinstance(value, int) or value < 4):
                raise DataError(f"{name}={value!r}: expected a whole number of images, 4 or more, or None for all.")
        super().__post_init__()
        self._set(only=checked_classes(self.only))

    @property
    @override
    def is_synthetic(self) -> bool:
        return self._reader.is_synthetic

    @property
    def multi_label(self) -> bool:
        """Whether an image may show several classes."""
        return self.finder.multi_label

    @property
    def eleven_points(self) -> bool:
        """Whether the official average precision is that of 11 recall levels, as VOC2007's."""
        return self.finder.eleven_points

    @property
    @override
    def label(self) -> str:
        """Such as ``cifar10jpeg-n2000-5folds``, ``standin-cifar10-1fold`` or ``cifar10jpeg-4classes-n800-5folds``.

        ``cifar10jpeg-n2000`` where ``validation`` is given.
        """
        words = [self._reader.kind]
        words += [] if self.only is None else [f"{len(self.only)}classes"]
        words += [] if self.train is None else [f"n{self.train}"]
        words += [] if self.teacher_only is None else [f"teacher{self.teacher_only}"]
        return self._label(words, self.split_seed)

    @property
    @override
    def description(self) -> str:
        parts, head = self.parts(), self._reader.description
        if self.only is not None:
            head += f" of {len(parts.classes)} classes ({', '.join(parts.classes)})"
        train, held, test = len(parts.train), len(parts.validation), len(parts.test)
        if self.folds is None:
            words = f"{held} validation images held out of train (split seed {self.split_seed})"
            return f"{head}: {train} train, {words}, {test} test"
        sizes = [len(self.parts(Fold(0, number)).validation) for number in range(self.folds)]
        more = "" if self.teacher_only is None else f", {self.teacher_only} more that teachers alone train on"
        how = describe_folds(sizes, "images", self.split_seed)
        return f"{head}: {train + held} train{more}, {test} test; {how}"

    @property
    @override
    def num_classes(self) -> int:
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

    @override
    def identity(self) -> dict[str, Any]:
        return {
            "data": self._reader.kind,
            "train": self.train,
            "test": self.test,
            **self._recipe(),
            "split_seed": self.split_seed,
            "classes": None if self.only is None else list(self.only),
            **({} if self.teacher_only is None else {"teacher_only": self.teacher_only}),
        }

    @override
    def fingerprint(self) -> str:
        recipe = self.validation if self.folds is None else f"{self.folds} folds"
        chosen = [self.train, self.test, recipe, self.split_seed, self.only]
        chosen += [] if self.teacher_only is None else [self.teacher_only]
        return combined([self._reader.fingerprint(), repr(chosen)])

    def parts(self, fold: Fold = FIRST) -> ImageParts:
        """Labels and parts; decodes no image.

        ``fold``: which images validate; the others of train train, and the test images are alike in all. ``DataError``
        for a fold that these data do not have.
        """
        fold.check(self.folds)
        reader = self._reader
        return _parts(self, reader, reader.fingerprint(), fold)

    def query_groups(self) -> None:
        """None: each test image is a group of its own."""

    def learnt_from(self, other: object) -> int:
        """How many of the images that validate here, in any fold, are among those that train in ``other``.

        Where either of the two has folds, those that validate in ``other`` count as well: they train in its other
        folds, or choose what is learnt. 0 for data that are no declaration of the same files: whether other files hold
        the same images is not looked at.
        """
        if not isinstance(other, ImageDeclaration):
            return 0
        if self._reader.kind != other._reader.kind or self._reader.fingerprint() != other._reader.fingerprint():
            return 0
        own, others = self.parts(), other.parts()
        validate, train = own.validation, others.train
        if self.folds is not None:
            validate = np.concatenate([own.train, validate])
        if self.folds is not None or other.folds is not None:
            train = np.concatenate([train, others.validation])
        # Rows of the official train part: the test part is another, and nobody trains on it.
        rows, other_rows = (_rows(data, data._reader, data._reader.fingerprint())[0]["train"] for data in (self, other))
        return len(np.intersect1d(rows[validate], other_rows[train]))

    def load(self, size: int | None = None) -> Images:
        """Read all images of the declaration, and check them; parts are those of the first fold.

        ``size``: height and width in pixels (default 224), for data that are scaled. ``DataError`` for data that are
        not, and naming the file that is missing, foreign or damaged.
        """
        reader = self._reader
        if size is not None and (size < 8 or reader.side not in (None, size)):
            have = "8 pixels or more" if reader.side is None else f"none, or {reader.side}: {reader.kind} is not scaled"
            raise DataError(f"size={size}: expected {have}. Correct it.")
        fingerprint = reader.fingerprint()
        inputs = reader.pixels(_rows(self, reader, fingerprint)[0], size)
        inputs.setflags(write=False)
        return Images(inputs, _parts(self, reader, fingerprint, FIRST)).check()

    @property
    def _reader(self) -> Reader:
        return self.finder.find(self.root)


@lru_cache(maxsize=32)
def _rows(
    declaration: ImageDeclaration, reader: Reader, fingerprint: str
) -> tuple[Rows, NDArray[Any], tuple[str, ...]]:
    """The rows of the data set that the declaration's images are, their labels, and the classes that these index.

    ``fingerprint``: files of a path may be changed.
    """
    found = reader.labels()
    indices = class_indices(declaration.only, found.classes)
    draws = _older_draws(declaration)
    train = chosen(found.train, indices, declaration.train, draws[0], "train")
    if declaration.teacher_only is not None:
        # Of each class alike, out of the images that are not taken.
        rest = np.setdiff1d(np.arange(len(found.train)), train)
        own = np.random.default_rng(np.random.SeedSequence([declaration.split_seed, _STREAM, 2]))
        further = chosen(found.train[rest], indices, declaration.teacher_only, own, "teacher_only")
        train = np.concatenate([train, rest[further]])
    rows: Rows = {"train": train, "test": chosen(found.test, indices, declaration.test, draws[1], "test")}
    labels = np.concatenate([renumbered(getattr(found, part)[rows[part]], indices) for part in PARTS])
    labels.setflags(write=False)
    return rows, labels, tuple(found.classes[c] for c in indices)


# Few: of a set of a million images a fold is ten megabytes of indices.
@lru_cache(maxsize=16)
def _parts(declaration: ImageDeclaration, reader: Reader, fingerprint: str, fold: Fold) -> ImageParts:
    rows, labels, classes = _rows(declaration, reader, fingerprint)
    listed = len(rows["train"])
    count = listed - (declaration.teacher_only or 0)
    validation = _validating(declaration, labels[:count], fold)
    train, test = np.setdiff1d(np.arange(count), validation), np.arange(listed, len(labels))
    teacher_only = np.arange(count, listed)
    for array in (train, validation, test, teacher_only):
        array.setflags(write=False)
    return ImageParts(labels, classes, train, validation, test, teacher_only)


def _validating(declaration: ImageDeclaration, labels: NDArray[Any], fold: Fold) -> IntArray:
    """Indices of the train images that validate in a fold, ascending."""
    folds = declaration.folds
    if folds is None:
        assert declaration.validation is not None
        return held_out(labels, declaration.validation, _older_draws(declaration)[2])
    draws = np.random.default_rng(np.random.SeedSequence([declaration.split_seed, _STREAM, 1, fold.partition]))
    if folds == 1:
        return held_out(labels, SHARE, draws)
    held = np.flatnonzero(cut(labels, folds, draws) == fold.number)
    if not len(held):
        raise DataError(f"folds={folds}: fold {fold.number} would have none of {len(labels)} images. Ask for fewer.")
    return held


def _older_draws(declaration: ImageDeclaration) -> list[np.random.Generator]:
    """Of the train and test images that are taken, and of those that validate where there are no folds."""
    seeds = np.random.SeedSequence([declaration.split_seed, _STREAM])
    return [np.random.default_rng(seed) for seed in seeds.spawn(3)]


class FolderOptions(Options, total=False):
    """Keywords of every function that declares images; ``classes`` is the field ``only``."""

    classes: Sequence[str] | None
    train: int | None
    test: int | None
    teacher_only: int | None
    holdout: str | None


class ImageOptions(FolderOptions, total=False):
    """The same, and where to look."""

    root: Path | str | None


def declare(finder: Finder, **options: Unpack[ImageOptions]) -> ImageDeclaration:
    """A declaration with checked arguments; reads nothing yet. ``DataError`` for what cannot be."""
    holdout, train = options.pop("holdout", None), options.get("train")
    if holdout is not None:
        raise DataError(
            f"holdout={holdout!r}: images are cut one by one, for nothing here tells which film or video an image is "
            "of. Leave holdout out; videos have it, also as clips(hmdb51(holdout='film'), frames=16)."
        )
    return ImageDeclaration(finder, **fields_of(options, 5 if isinstance(train, int) and train <= SMALL else 1))
