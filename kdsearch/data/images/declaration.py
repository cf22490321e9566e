"""A declaration of images: which of them train, validate and test, whatever files they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined
from kdsearch.data.folds import FIRST, Fold, checked_folds, checked_recipe, checked_split_seed
from kdsearch.data.images.base import Finder, ImageParts, Images, Reader, Rows, Statistics
from kdsearch.data.images.split import IntArray, carved, chosen, cut, kept_classes, renumbered
from kdsearch.data.partitions import checked_classes
from kdsearch.errors import DataError

BEFORE_FOLDS = 0.1
"""Share of the train images that validated before there were folds, and of the one part where there is one."""
SMALL = 10_000
"""Train images up to which a subset is cut into five folds where nothing else is said."""
_STREAM = 77


@dataclass(frozen=True)
class ImageDeclaration:
    """Images under an honest split; files are looked at when a property needs them, pixels are read by ``load`` alone.

    ``only`` keeps some classes, counted anew in the order of the data set; of these ``train`` and ``test`` take so many
    images, of each class alike, drawn with ``split_seed``.

    ``folds``: parts of train that validate in turn, cut with ``split_seed``, of each class alike; 1 holds out a tenth,
    cut anew for every partition. The functions that declare take 5 for subsets of up to 10,000 train images. Whole sets
    and larger subsets get 1: a tenth of them is thousands of images, whose luck is small beside that of a seed, and the
    five trainings of a large teacher, one for each fold, cost days. None is the older recipe, which carves the share
    ``validation`` away once for all runs. There is no ``holdout``: nothing tells which film an image is of, and the
    functions refuse the word. ``teacher_only``: so many further images of the official train list, of each class alike,
    on which teachers train beside those of their fold, and nobody else: they validate and test nothing. ``root`` is
    where to look and no part of the identity. ``DataError`` for any other value, and for both ``folds`` and
    ``validation`` or neither.
    """

    finder: Finder
    train: int | None = None
    test: int | None = None
    validation: float | None = None
    split_seed: int = 0
    only: tuple[str, ...] | None = None
    root: Path | None = None
    folds: int | None = 1
    teacher_only: int | None = None

    def __post_init__(self) -> None:
        if self.teacher_only is not None and self.train is None:
            raise DataError(f"teacher_only={self.teacher_only!r}: expected train= beside it, which leaves images over.")
        for name, value in (("train", self.train), ("test", self.test), ("teacher_only", self.teacher_only)):
            if value is not None and (not isinstance(value, int) or value < 4):
                raise DataError(f"{name}={value!r}: expected a whole number of images, 4 or more, or None for all.")
        object.__setattr__(self, "split_seed", checked_split_seed(self.split_seed))
        folds, validation = checked_recipe(self.folds, self.validation)
        object.__setattr__(self, "folds", folds)
        object.__setattr__(self, "validation", validation)
        object.__setattr__(self, "only", checked_classes(self.only))

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
        """Such as ``cifar10jpeg-n2000-5folds``, ``standin-cifar10-1fold`` or ``cifar10jpeg-4classes-n800-5folds``.

        ``cifar10jpeg-n2000`` where ``validation`` is given.
        """
        words = [self._reader.kind]
        if self.only is not None:
            words.append(f"{len(self.only)}classes")
        if self.train is not None:
            words.append(f"n{self.train}")
        if self.teacher_only is not None:
            words.append(f"teacher{self.teacher_only}")
        if self.folds is not None:
            words.append(f"{self.folds}fold{'s' if self.folds > 1 else ''}")
        if self.split_seed:
            words.append(f"{'carve' if self.folds is None else 'partition'}{self.split_seed}")
        return "-".join(words)

    @property
    def description(self) -> str:
        """One line: which data, how many images in each part."""
        parts, words = self.parts(), self._reader.words
        kept = "" if self.only is None else f" of {len(parts.classes)} classes ({', '.join(parts.classes)})"
        seed, held, test = f"(split seed {self.split_seed})", len(parts.validation), len(parts.test)
        if self.folds is None:
            carved = f"{held} validation images carved from train {seed}"
            return f"{words}{kept}: {len(parts.train)} train, {carved}, {test} test"
        if self.folds == 1:
            how = f"one part of {held} images held out of train {seed}"
        else:
            sizes = [len(self.parts(Fold(0, number)).validation) for number in range(self.folds)]
            count = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
            how = f"{self.folds} folds cut from train {seed}, each validates in turn ({count} images)"
        more = "" if self.teacher_only is None else f", {self.teacher_only} more that teachers alone train on"
        return f"{words}{kept}: {len(parts.train) + held} train{more}, {test} test; {how}"

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
            **({"validation": self.validation} if self.folds is None else {"folds": self.folds}),
            "split_seed": self.split_seed,
            "classes": None if self.only is None else list(self.only),
            **({} if self.teacher_only is None else {"teacher_only": self.teacher_only}),
        }

    def fingerprint(self) -> str:
        """Hash of the content that runs read, 16 hex digits."""
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

    def with_folds(self, folds: int) -> ImageDeclaration:
        """The same data cut into so many folds."""
        return replace(self, folds=checked_folds(folds, None, folds)[0], validation=None)

    def before_folds(self, validation: float = BEFORE_FOLDS) -> ImageDeclaration:
        """The same data under the older recipe, which carves a share of train away: itself where it has that recipe."""
        return self if self.folds is None else replace(self, folds=None, validation=validation)

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
    kept = kept_classes(declaration.only, found.classes)
    draws = _older_draws(declaration)
    train = chosen(found.train, kept, declaration.train, draws[0], "train")
    if declaration.teacher_only is not None:
        train = np.concatenate([train, _further(declaration, found.train, kept, train)])
    rows: Rows = {"train": train, "test": chosen(found.test, kept, declaration.test, draws[1], "test")}
    labels = np.concatenate([renumbered(found.train[rows["train"]], kept), renumbered(found.test[rows["test"]], kept)])
    labels.setflags(write=False)
    return rows, labels, tuple(found.classes[c] for c in kept)


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


def _further(declaration: ImageDeclaration, labels: NDArray[Any], kept: list[int], taken: IntArray) -> IntArray:
    """Rows of the train list that teachers alone train on: of each class alike, out of those that are not taken."""
    rest = np.setdiff1d(np.arange(len(labels)), taken)
    draws = np.random.default_rng(np.random.SeedSequence([declaration.split_seed, _STREAM, 2]))
    return rest[chosen(labels[rest], kept, declaration.teacher_only, draws, "teacher_only")]


def _validating(declaration: ImageDeclaration, labels: NDArray[Any], fold: Fold) -> IntArray:
    """Indices of the train images that validate in a fold, ascending."""
    folds = declaration.folds
    if folds is None:
        assert declaration.validation is not None
        return carved(labels, declaration.validation, _older_draws(declaration)[2])
    draws = np.random.default_rng(np.random.SeedSequence([declaration.split_seed, _STREAM, 1, fold.partition]))
    if folds == 1:
        return carved(labels, BEFORE_FOLDS, draws)
    held = np.flatnonzero(cut(labels, folds, draws) == fold.number)
    if not len(held):
        raise DataError(f"folds={folds}: fold {fold.number} would have none of {len(labels)} images. Ask for fewer.")
    return held


def _older_draws(declaration: ImageDeclaration) -> list[np.random.Generator]:
    """Of the train and test images that are taken, and of those that validate where there are no folds."""
    seeds = np.random.SeedSequence([declaration.split_seed, _STREAM])
    return [np.random.default_rng(seed) for seed in seeds.spawn(3)]


def declare(
    finder: Finder,
    train: int | None,
    test: int | None,
    folds: int | None,
    validation: float | None,
    split_seed: int,
    classes: Sequence[str] | None,
    root: Path | str | None,
    holdout: str | None,
    teacher_only: int | None = None,
) -> ImageDeclaration:
    """A declaration with checked arguments; reads nothing yet. ``DataError`` for what cannot be."""
    if holdout is not None:
        raise DataError(
            f"holdout={holdout!r}: images are cut one by one, for nothing here tells which film or video an image is "
            "of. Leave holdout out; videos have it, also as clips(hmdb51(holdout='film'), frames=16)."
        )
    few = isinstance(train, int) and train <= SMALL
    parts, share = checked_folds(folds, validation, 5 if few else 1)
    only = cast("tuple[str, ...] | None", classes)
    where = None if root is None else Path(root)
    return ImageDeclaration(finder, train, test, share, split_seed, only, where, parts, teacher_only)
