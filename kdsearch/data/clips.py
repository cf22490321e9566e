"""Clips and the table of what is known of each: sampled frames, labels, source videos, the parts of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from kdsearch.errors import DataError

Modality = Literal["poses", "masks", "silhouettes", "frames"]
MODALITIES: tuple[Modality, ...] = ("poses", "masks", "silhouettes", "frames")

IntArray = NDArray[np.int64]
TRAIN, TEST = 1, 2


@dataclass(frozen=True, eq=False)
class Table:
    """One row a clip.

    ``labels`` ``(N,)`` index ``classes``; ``splits`` ``(N, 3)`` hold 1 (train) or 2 (test) for the three official
    splits; ``groups`` ``(N,)`` name the source video.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: IntArray
    splits: IntArray
    groups: IntArray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def present(self) -> tuple[str, ...]:
        """The classes that have clips, in the order of ``classes``."""
        return tuple(self.classes[i] for i in np.unique(self.labels))


class Source(Protocol):
    """Where clips are read from: a packed archive, the official files or the stand-in."""

    @property
    def table(self) -> Table:
        """The clips, one row each."""

    def clip(self, row: int, count: int | None) -> NDArray[np.generic]:
        """``count`` frames of one clip by the uniform rule, ``(T, ...)``; ``None`` gives every frame."""

    def fingerprint(self) -> str:
        """Hash of the content, 16 hex digits."""


def check_table(table: Table, file: object) -> None:
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
class Clips:
    """N clips of T frames and the parts that a protocol makes of them.

    ``inputs`` ``(N, T, 15, 2)`` float32 for poses (``pos_world``: body scales), ``(N, T, H, W)`` uint8 for masks
    (0 or 1) and silhouettes (0 to 15), ``(N, T, H, W, 3)`` uint8 RGB for frames. ``labels`` ``(N,)`` index ``classes``;
    ``groups`` ``(N,)`` name source videos. ``train`` (gradients), ``validation``, ``database`` (at test: the whole
    train list) and ``query`` (at test) are sorted index arrays. ``shared_classes``: classes too small to keep the
    source videos of query and database apart.
    """

    inputs: NDArray[np.generic]
    labels: IntArray
    groups: IntArray
    names: tuple[str, ...]
    classes: tuple[str, ...]
    train: IntArray
    validation: IntArray
    database: IntArray
    query: IntArray
    shared_classes: tuple[str, ...] = ()

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
            self._check_part(key, getattr(self, key), count)
        self._check_disjoint()
        return self

    @staticmethod
    def _check_part(key: str, part: IntArray, count: int) -> None:
        if part.ndim != 1 or part.size == 0:
            raise DataError(f"clips: expected at least one index in {key}; came an array of shape {part.shape}")
        if part.min() < 0 or part.max() >= count or np.unique(part).size != part.size:
            raise DataError(f"clips: expected indices below {count} in {key}, each once; came others or repeats")

    def _check_disjoint(self) -> None:
        def refuse(rule: str, indices: IntArray) -> None:
            if indices.size:
                raise DataError(f"clips: {rule}; {indices.size} are, such as {int(indices[0])}. Draw the split anew.")

        refuse("no clip may be in both train and validation", np.intersect1d(self.train, self.validation))
        refuse("no clip may be in both query and database", np.intersect1d(self.query, self.database))
        carved = np.concatenate([self.train, self.validation])
        refuse("no clip of train or validation may be outside the database", np.setdiff1d(carved, self.database))
        groups = self.groups
        refuse(
            "no source video may be in both train and validation",
            np.intersect1d(groups[self.train], groups[self.validation]),
        )
        allowed = [self.classes.index(name) for name in self.shared_classes]
        held = self.query[~np.isin(self.labels[self.query], allowed)]
        refuse("no source video may be in both query and database", np.intersect1d(groups[held], groups[self.database]))
