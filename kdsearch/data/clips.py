"""Clips, the table of what is known of each, and the parts that a protocol makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kdsearch.errors import DataError

Modality = Literal["poses", "masks", "silhouettes", "frames"]
MODALITIES: tuple[Modality, ...] = ("poses", "masks", "silhouettes", "frames")

IntArray = NDArray[np.int64]
TRAIN, TEST = 1, 2


@dataclass(frozen=True, eq=False)
class ClipTable:
    """One row a clip.

    ``labels`` ``(N,)`` index ``classes``; ``splits`` ``(N, 3)`` hold 1 (train) or 2 (test) for the three official
    splits; ``groups`` ``(N,)`` name the source video.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: IntArray
    splits: IntArray
    groups: IntArray

    @classmethod
    def of(cls, classes: Sequence[str], rows: Sequence[tuple[str, str, str, Sequence[int]]]) -> ClipTable:
        """The table of each clip's class, name, source video (with its class) and official parts."""
        label = {name: i for i, name in enumerate(classes)}
        labels, splits = np.array([label[c] for c, *_ in rows]), np.array([parts for *_, parts in rows], dtype=np.int64)
        groups = np.unique([source for _, _, source, _ in rows], return_inverse=True)[1].astype(np.int64)
        return cls(tuple(classes), tuple(name for _, name, *_ in rows), labels, splits, groups)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def present(self) -> tuple[str, ...]:
        """The classes that have clips, in the order of ``classes``."""
        return tuple(self.classes[i] for i in np.unique(self.labels))


class ClipReader(ABC):
    """What the clips of ``table`` are read from: a packed archive, the official files or synthetic data."""

    table: ClipTable

    @abstractmethod
    def clip(self, row: int, count: int | None) -> NDArray[np.generic]:
        """``count`` frames of one clip by the uniform rule, ``(T, ...)``; ``None`` gives every frame."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the content, 16 hex digits."""

    def summary(self) -> str:
        """How much there is and its fingerprint, in words."""
        return f"{len(self.table)} clips of {len(self.table.present)} classes, fingerprint {self.fingerprint()}"


def check_table(table: ClipTable, file: object) -> None:
    """Raise ``DataError`` naming ``file`` unless the rows of ``table`` fit each other."""
    count = len(table)

    def refuse(expected: str, came: object) -> None:
        raise DataError(f"{file}: expected {expected}; came {came}. Pack or download the file again.")

    if count == 0:
        refuse("at least one clip", "none")
    for key, shape in (("labels", (count,)), ("splits", (count, 3)), ("groups", (count,))):
        came = getattr(table, key).shape
        if came != shape:
            refuse(f"{key} of shape {shape} for {count} clip names", came)
    if table.labels.min() < 0 or table.labels.max() >= len(table.classes):
        refuse(f"labels from 0 to {len(table.classes) - 1}", f"{table.labels.min()} to {table.labels.max()}")
    foreign = sorted(set(np.unique(table.splits).tolist()) - {TRAIN, TEST})
    if foreign:
        refuse("split values 1 (train) or 2 (test)", foreign)
    if len(set(table.names)) != count:
        refuse("every clip name once", f"{count - len(set(table.names))} repeated names")
    for split in range(3):
        train = table.splits[:, split] == TRAIN
        shared = np.intersect1d(table.groups[train], table.groups[~train])
        if shared.size:
            refuse(f"no source video in both train and test of split {split + 1}", f"{shared.size} such videos")


def few(names: Sequence[str]) -> str:
    """The first three names and how many more there are, for errors."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def check_indices(what: str, key: str, part: IntArray, count: int) -> None:
    """Raise ``DataError`` unless ``part`` holds indices below ``count``, at least one and each once."""
    if part.ndim != 1 or part.size == 0:
        raise DataError(f"{what}: expected at least one index in {key}; came an array of shape {part.shape}")
    if part.min() < 0 or part.max() >= count or np.unique(part).size != part.size:
        raise DataError(f"{what}: expected indices below {count} in {key}, each once; came others or repeats")


def sample_uniform(length: int, count: int) -> list[int]:
    """Indices ``round(i * length / count)`` for i = 0 .. count - 1, ties to the even one, clamped to the last frame.

    A clip shorter than ``count`` repeats frames. Taking every k-th of ``k * count`` indices gives the indices of
    ``count``, so that a student's frames are a subset of its teacher's wherever the counts divide.
    """
    if length < 1 or count < 1:
        raise DataError(
            f"expected at least one frame to sample and to sample from; came length {length}, count {count}"
        )
    # The quotient is exact where it is a tie, so the built-in rounding is the rule itself and not an approximation.
    return [min(round(i * length / count), length - 1) for i in range(count)]


@dataclass(frozen=True, eq=False)
class Parts:
    """Labels of all clips, sorted row indices of each part, and the classes too small for what the protocol asks.

    ``labels`` ``(N,)`` index ``classes``, those that have clips. ``train`` (gradients) and ``validation`` are cut from
    the train list; ``database`` (at test: the whole train list) and ``query`` (at test) are alike in all folds.
    ``small``: classes with fewer clips than the protocol draws. ``shared``: classes too small to keep the source videos
    of query and database apart.
    """

    labels: IntArray
    classes: tuple[str, ...]
    train: IntArray
    validation: IntArray
    database: IntArray
    query: IntArray
    small: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Clips(Parts):
    """N clips of T frames and the parts that a protocol makes of them.

    ``inputs`` ``(N, T, 15, 2)`` float32 for poses (``pos_world``: body scales), ``(N, T, H, W)`` uint8 for masks
    (0 or 1) and silhouettes (0 to 15), ``(N, T, H, W, 3)`` uint8 RGB for frames. ``groups`` ``(N,)`` name source
    videos.
    """

    inputs: NDArray[np.generic]
    groups: IntArray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def check(self) -> Clips:
        """Return self, or raise ``DataError`` saying which of the promises above is broken."""
        count = len(self.names)
        for key in ("inputs", "labels", "groups"):
            if len(getattr(self, key)) != count:
                raise DataError(f"clips: expected {count} rows of {key}, one a name; came {len(getattr(self, key))}")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise DataError(f"clips: expected labels below {len(self.classes)}; came up to {self.labels.max()}")
        if np.issubdtype(self.inputs.dtype, np.floating) and not np.isfinite(self.inputs).all():
            raise DataError("clips: expected finite inputs; came NaN or infinity. Run `kdsearch data verify`.")
        for key in ("train", "validation", "database", "query"):
            check_indices("clips", key, getattr(self, key), count)
        groups, listed = self.groups, np.concatenate([self.train, self.validation])
        allowed = [self.classes.index(name) for name in self.shared]
        apart = self.query[~np.isin(self.labels[self.query], allowed)]
        for rule, broken in (
            ("no clip may be in both train and validation", np.intersect1d(self.train, self.validation)),
            ("no clip may be in both query and database", np.intersect1d(self.query, self.database)),
            ("no clip of train or validation may be outside the database", np.setdiff1d(listed, self.database)),
            (
                "no source video may be in both train and validation",
                np.intersect1d(groups[self.train], groups[self.validation]),
            ),
            (
                "no source video may be in both query and database",
                np.intersect1d(groups[apart], groups[self.database]),
            ),
        ):
            if broken.size:
                raise DataError(f"clips: {rule}; {broken.size} are, such as {int(broken[0])}. Draw the split anew.")
        return self
