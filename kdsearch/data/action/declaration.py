"""UCF101 and HMDB51 for video hashing: which clips train, validate, query and answer, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from kdsearch.data.action import synthetic
from kdsearch.data.action.lists import Listed
from kdsearch.data.action.locate import content_of, find_clips, listed, media_folder, of_classes, table_of
from kdsearch.data.action.sets import ACTION_SETS, ActionName, ActionSet
from kdsearch.data.clips import ClipTable
from kdsearch.data.declaration import ClipDeclaration, ClipOptions, fields_of, shows
from kdsearch.data.decoded_cache import decoded_once
from kdsearch.data.files import combined
from kdsearch.data.partitions import checked_classes
from kdsearch.data.video import read_clip
from kdsearch.errors import DataError

# Raise it with every change of how a clip becomes pixels: files of decoded clips are named by it.
_DECODING = 1


@dataclass(frozen=True)
class ActionVideos(ClipDeclaration):
    """A declaration of UCF101 or HMDB51.

    The protocol is the original's: the database is the whole train list of an official ``split``, queries are its test
    list. ``only`` keeps some classes.
    """

    name: ActionName
    split: int = 1
    only: tuple[str, ...] | None = None

    modality = "frames"
    _share_before = 0.1

    def __post_init__(self) -> None:
        if self.name not in ACTION_SETS:
            raise DataError(f"name {self.name!r}: expected one of {', '.join(ACTION_SETS)}.")
        if self.split not in (1, 2, 3):
            raise DataError(f"split={self.split!r}: expected 1, 2 or 3.")
        super().__post_init__()
        if self.name == "ucf101":
            # Groups are the only sources that its names tell, so that both words are one declaration.
            self._set(holdout="video")
        self._set(only=checked_classes(self.only))

    @property
    @override
    def is_synthetic(self) -> bool:
        return self._media is None

    @property
    @override
    def label(self) -> str:
        """Such as ``ucf101-split1-5folds``, ``ucf101-split1-6classes-5folds`` or ``standin-hmdb51-split2-1fold-film``.

        ``ucf101-split1`` where ``validation`` is given.
        """
        classes = [] if self.only is None else [f"{len(self.only)}classes"]
        return self._label([self.name, f"split{self.split}", *classes], self.split_seed)

    @property
    @override
    def description(self) -> str:
        parts, dataset = self.parts(), self._dataset
        named = "" if self.only is None or len(parts.classes) > 10 else f" ({', '.join(parts.classes)})"
        protocol = self._official(self.split, parts)
        return self._described(dataset.title, f"{dataset.classes} classes{named}", protocol, parts)

    @override
    def identity(self) -> dict[str, Any]:
        return {
            "data": self.name,
            "modality": self.modality,
            "split": self.split,
            "split_seed": self.split_seed,
            **self._recipe(),
            "classes": None if self.only is None else list(self.only),
            "source": self._source,
        }

    @override
    def fingerprint(self) -> str:
        """Hash of the lists and of the names and sizes of the videos, 16 hex digits; no video is read."""
        media = self._media
        if media is None:
            return combined([self.name, synthetic.fingerprint(self._count)])
        rows = self._listed(media)
        return combined([content_of(rows, find_clips(self._dataset, media, rows)), *(str(row.part) for row in rows)])

    @override
    def table(self) -> ClipTable:
        media = self._media
        return synthetic.table(self.split, self._count) if media is None else table_of(self._listed(media))

    @override
    def read(self, frames: int, size: int) -> NDArray[np.generic]:
        """Videos are decoded once for each number of frames and size, into a file that is mapped read-only."""
        media = self._media
        if media is None:
            return synthetic.pixels(frames, size, self._count)
        rows = self._listed(media)
        paths = find_clips(self._dataset, media, rows)
        name, shape = f"{_DECODING} {content_of(rows, paths)}", (len(rows), frames, size, size, 3)
        return decoded_once("clips", name, shape, lambda row: read_clip(paths[row], frames, size))

    @property
    def _dataset(self) -> ActionSet:
        return ACTION_SETS[self.name]

    @property
    def _media(self) -> Path | None:
        return media_folder(self._dataset, self.root)

    @property
    def _count(self) -> int | None:
        # Synthetic classes have names of their own, so that there are as many as were asked for.
        return None if self.only is None else len(self.only)

    def _listed(self, media: Path) -> tuple[Listed, ...]:
        return of_classes(self._dataset, listed(self._dataset, media, self.root, self.split), self.only)


class ActionOptions(ClipOptions, total=False):
    """The same, and ``classes``, which is the field ``only``."""

    classes: Sequence[str] | None


@shows(ActionOptions)
def ucf101(split: int = 1, **options: Unpack[ActionOptions]) -> ActionVideos:
    """Declare UCF101's clips (13,320 videos of 101 classes); reads nothing yet.

    ``split``: 1, 2 or 3 of the official ones. Options as of :func:`~kdsearch.data.jhmdb.declaration.jhmdb`, and
    ``classes``: two or more, for small studies; synthetic data have as many. Folds are cut by whole groups (g01 to g25)
    of every class, so that ``holdout`` has one meaning; ``validation`` was 0.1 before there were folds, half of what
    five folds hold out.

    Looked for below ``root``, directly or in ``ucf101``, ``UCF101`` or ``UCF-101``: ``<class>/<video>.avi`` or
    ``<class>/<video>/*.jpg``, also in ``UCF-101``, ``videos`` or ``frames`` therein, and the lists in
    ``ucfTrainTestlist`` or ``action_splits``. Without videos the clips are drawn figures.
    """
    return ActionVideos("ucf101", split, **fields_of(options, 5))


@shows(ActionOptions)
def hmdb51(split: int = 1, **options: Unpack[ActionOptions]) -> ActionVideos:
    """Declare HMDB51's clips (6,766 videos of 51 classes, 5,100 of them in a split); reads nothing yet.

    As :func:`ucf101`, with source films in place of groups, in ``hmdb51`` or ``HMDB51``, the videos also in
    ``hmdb51_org`` and the lists in ``testTrainMulti_7030_splits``. ``holdout="video"`` keeps a film's clips together
    within a class, ``holdout="film"`` across classes.
    """
    return ActionVideos("hmdb51", split, **fields_of(options, 5))
