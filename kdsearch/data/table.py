"""What is known of every clip before its frames are read: name, class, source video, split memberships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from typing import Protocol

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
