"""Images for classification, and what is asked of the files that they are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.clips import check_indices
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


class Reader(ABC):
    """Files of one data set, found; subclasses are hashable, equal where they are the same files."""

    where: Path
    """The file or folder that holds them, for tables and errors."""
    kind: str
    """Short name of the files, part of the stored study name, such as ``cifar10jpeg``."""
    description: str
    """What they are, for every table; names re-encoded pixels and synthetic data as such."""
    mean: Statistics = IMAGENET_MEAN
    std: Statistics = IMAGENET_STD
    """Mean and standard deviation of pixel / 255, by channel."""
    padding: int = 4
    """Pixels by which random crops are padded."""
    side: int | None
    """Height and width of images that all have one size and are not scaled; None for those that are."""
    is_synthetic: bool = False

    @abstractmethod
    def labels(self) -> Labels:
        """All labels; decodes no image. ``DataError`` names the file that is missing, foreign or damaged."""

    @abstractmethod
    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """Images ``[n, 3, H, W]`` of the rows of train, then of test; ``size`` in pixels, where they can be scaled."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the content, 16 hex digits."""

    def read_all(self) -> None:
        """Read the files to their end and ask no cache; ``DataError`` names what is missing or damaged."""
        self.labels()

    def faults(self) -> Iterator[tuple[Path, str]]:
        """Files that are not whole, and why: all of them are read to the end."""
        try:
            self.read_all()
        except DataError as error:
            yield self.where, str(error)


class Finder(ABC):
    """Looks for a data set's files below a folder; subclasses are hashable."""

    multi_label: bool = False
    """Whether an image may show several classes."""
    eleven_points: bool = False
    """Whether the official average precision is that of 11 recall levels."""

    @abstractmethod
    def find(self, root: Path | None) -> Reader:
        """The files, or synthetic data; ``DataError`` where there are neither."""


@dataclass(frozen=True, eq=False)
class ImageParts:
    """Labels ``[N]`` or ``[N, C]`` of the images of a declaration, and the indices of its parts, disjoint.

    ``teacher_only``: on these teachers train beside ``train``, and nobody else.
    """

    labels: NDArray[Any]
    classes: tuple[str, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    teacher_only: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class Images:
    """uint8 ``inputs`` ``[N, 3, H, W]``, read-only; a file mapped into memory where decoding takes long."""

    inputs: NDArray[np.uint8]
    parts: ImageParts

    def check(self) -> Images:
        """Return self, or raise ``DataError`` saying which promise of inputs, labels or parts is broken.

        No pixel is read: a file that is mapped into memory stays on disk.
        """
        inputs, parts = self.inputs, self.parts
        if inputs.dtype != np.uint8 or inputs.ndim < 4 or inputs.shape[1] != 3:
            raise _refused("uint8 inputs [N, 3, H, W]", f"{inputs.dtype} {list(inputs.shape)}")
        if len(parts.labels) != len(inputs):
            raise _refused(f"{len(inputs)} labels, one an image", len(parts.labels))
        _check_labels(parts.labels, len(parts.classes))
        for key in ("train", "validation", "test"):
            check_indices("images", key, getattr(parts, key), len(inputs))
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            shared = np.intersect1d(getattr(parts, first), getattr(parts, second))
            if shared.size:
                raise _refused(f"no image in both {first} and {second}", f"{shared.size}, such as {int(shared[0])}")
        return self


def _check_labels(labels: NDArray[Any], classes: int) -> None:
    if labels.ndim == 1:
        if labels.dtype != np.int64 or labels.size == 0 or labels.min() < 0 or labels.max() >= classes:
            span = f"{labels.min()} to {labels.max()}" if labels.size else "none"
            raise _refused(f"int64 labels from 0 to {classes - 1}", f"{labels.dtype}, {span}")
    elif labels.dtype != np.uint8 or labels.shape[1:] != (classes,) or not np.isin(labels, (0, 1, 255)).all():
        raise _refused(f"uint8 labels [N, {classes}] of 0, 1 or 255", f"{labels.dtype} {list(labels.shape)}")


def _refused(expected: str, came: object) -> DataError:
    return DataError(f"images: expected {expected}; came {came}. Run `kdsearch data verify`.")
