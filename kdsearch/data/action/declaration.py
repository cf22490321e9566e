"""UCF101 and HMDB51 for video hashing: which clips train, validate, query and answer, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from kdsearch.data.action import standin
from kdsearch.data.action.lists import Listed
from kdsearch.data.action.locate import content_of, find_clips, kept, listed, media_folder, table_of
from kdsearch.data.action.sets import ACTION_SETS, ActionName, ActionSet
from kdsearch.data.clips import TEST, TRAIN, Clips, IntArray, Table
from kdsearch.data.decoded_cache import decoded_once
from kdsearch.data.files import combined
from kdsearch.data.folds import FIRST, Fold, checked_folds, checked_recipe, checked_split_seed
from kdsearch.data.partitions import Cutting, Holdout, checked_classes, checked_sources, films_of
from kdsearch.data.splits import Parts, carve
from kdsearch.data.video import read_clip
from kdsearch.errors import DataError

FRAME_SIZE = 112
# Raise it with every change of how a clip becomes pixels: files of decoded clips are named by it.
_DECODING = 1
BEFORE_FOLDS = 0.1
"""Share of the train list that validated before there were folds."""
ONE_PART = 0.2
"""Share that validates where one part is held out, that of five folds."""


@dataclass(frozen=True)
class ActionVideos:
    """A declaration of UCF101 or HMDB51; files are looked at when a property needs them, frames read by ``load`` alone.

    The protocol is the original's: the database is the whole train list of an official ``split``, queries are its test
    list. ``folds``: parts of the train list that validate in turn, cut with ``split_seed``; None for the older recipe,
    which carves the share ``validation`` away once for all. ``holdout`` and ``always_train`` as in ``Cutting``.
    ``only`` keeps some classes. ``root`` (default: the environment variable KDSEARCH_DATA) is where to look and no part
    of the identity. ``DataError`` for any other value, and for both ``folds`` and ``validation`` or neither.
    """

    name: ActionName
    split: int = 1
    validation: float | None = None
    split_seed: int = 0
    only: tuple[str, ...] | None = None
    root: Path | None = None
    folds: int | None = 5
    holdout: Holdout = "video"
    always_train: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in ACTION_SETS:
            raise DataError(f"name {self.name!r}: expected one of {', '.join(ACTION_SETS)}.")
        if self.split not in (1, 2, 3):
            raise DataError(f"split={self.split!r}: expected 1, 2 or 3.")
        object.__setattr__(self, "split_seed", checked_split_seed(self.split_seed))
        folds, validation = checked_recipe(self.folds, self.validation)
        holdout, always_train = checked_sources(self.holdout, self.always_train, folds)
        object.__setattr__(self, "folds", folds)
        object.__setattr__(self, "validation", validation)
        # Groups are the only sources that the names of UCF101 tell, so that both words are one declaration.
        object.__setattr__(self, "holdout", "video" if self.name == "ucf101" else holdout)
        object.__setattr__(self, "always_train", always_train)
        object.__setattr__(self, "only", checked_classes(self.only))

    @property
    def modality(self) -> str:
        """RGB frames."""
        return "frames"

    @property
    def is_standin(self) -> bool:
        """Whether no videos were found, so that drawn figures take their place."""
        return self._media is None

    @property
    def label(self) -> str:
        """Such as ``ucf101-split1-5folds``, ``ucf101-split1-6classes-5folds`` or ``standin-hmdb51-split2-1fold-film``.

        ``ucf101-split1`` where ``validation`` is given.
        """
        words = ["standin"] if self.is_standin else []
        words += [self.name, f"split{self.split}"]
        if self.only is not None:
            words.append(f"{len(self.only)}classes")
        cutting = self._cutting
        if cutting is not None:
            words += cutting.label_words(self.split_seed)
        elif self.split_seed:
            words.append(f"carve{self.split_seed}")
        return "-".join(words)

    @property
    def description(self) -> str:
        """One line: which data, how many clips in each part; begins with stand-in where it is one."""
        parts, title = self.parts(), self._set.title
        count, classes = len(parts.labels), len(parts.classes)
        if self.is_standin:
            head = f"stand-in, not {title}: drawn figures as frames, {count} clips of {classes} classes, split"
        else:
            named = "" if self.only is None or classes > 10 else f" ({', '.join(parts.classes)})"
            head = f"{title} frames, {count} clips of {classes} of {self._set.classes} classes{named}, official split"
        cutting = self._cutting
        if cutting is not None:
            words = cutting.words(self._table(), parts.database, self._films)
        else:
            seed = f"(split seed {self.split_seed})"
            words = f"{len(parts.validation)} validation clips carved from train by source video {seed}"
        return f"{head} {self.split}: {len(parts.database)} train (database), {len(parts.query)} test (query); {words}"

    @property
    def num_classes(self) -> int:
        """Number of classes that have clips."""
        return len(self._table().present)

    def identity(self) -> dict[str, Any]:
        """All that makes these data what they are, as JSON values; the content has its own ``fingerprint``."""
        cutting = self._cutting
        return {
            "data": self.name,
            "modality": self.modality,
            "split": self.split,
            "split_seed": self.split_seed,
            **({"validation": self.validation} if cutting is None else cutting.identity()),
            "classes": None if self.only is None else list(self.only),
            "source": "stand-in" if self.is_standin else "real",
        }

    def fingerprint(self) -> str:
        """Hash of the lists and of the names and sizes of the videos, 16 hex digits; no video is read."""
        media = self._media
        if media is None:
            return combined([self.name, standin.standin_fingerprint(self._count)])
        rows = self._listed(media)
        return combined([content_of(rows, find_clips(self._set, media, rows)), *(str(row.part) for row in rows)])

    def parts(self, fold: Fold = FIRST) -> Parts:
        """Labels and the parts of the protocol, from names and lists alone: no frame is read.

        ``fold``: which clips validate; the others of the train list train, and database and query are alike in all.
        ``DataError`` for a fold that these data do not have.
        """
        fold.check(self.folds)
        table, cutting = self._table(), self._cutting
        train, query = (np.flatnonzero(table.splits[:, 0] == part) for part in (TRAIN, TEST))
        if cutting is None:
            assert self.validation is not None
            carved = carve(table, train, self.validation, self.split_seed)
        else:
            cutting.check_query(table, query)
            carved = cutting.validating(table, train, fold, self._films)
        labels = np.unique(table.labels, return_inverse=True)[1].astype(np.int64)
        return Parts(labels, table.present, np.setdiff1d(train, carved), carved, train, query)

    def query_groups(self) -> IntArray:
        """Source video of each query ``(queries,)``, in the order of ``parts().query``."""
        table = self._table()
        groups: IntArray = table.groups[table.splits[:, 0] == TEST]
        return groups

    def with_folds(self, folds: int) -> ActionVideos:
        """The same data cut into so many folds."""
        return replace(self, folds=checked_folds(folds, None, folds)[0], validation=None)

    def before_folds(self, validation: float = BEFORE_FOLDS) -> ActionVideos:
        """The same data under the older recipe, which carves a share of train away: itself where it has that recipe."""
        if self.folds is None:
            return self
        return replace(self, folds=None, validation=validation, holdout="video", always_train=())

    def load(self, frames: int, size: int | None = None) -> Clips:
        """``frames`` frames of every clip by the uniform rule, at ``size`` x ``size`` pixels (default 112).

        Parts are those of the first fold. Videos are decoded once for each number of frames and size; ``inputs`` is the
        file of their pixels, mapped read-only (``decoded``). Gives checked ``Clips``; ``DataError`` names what is
        missing or damaged.
        """
        if frames < 1 or (size is not None and size < 8):
            raise DataError(f"frames={frames}, size={size}: expected one frame or more and 8 pixels or more.")
        side, table, parts, media = size or FRAME_SIZE, self._table(), self.parts(), self._media
        if media is None:
            inputs = standin.standin_pixels(frames, side, self._count)
        else:
            rows = self._listed(media)
            found = find_clips(self._set, media, rows)
            inputs = decoded_once(
                f"clips {_DECODING} {content_of(rows, found)}",
                (len(rows), frames, side, side, 3),
                lambda row: read_clip(found[row].path, frames, side),
            )
        return Clips(
            inputs=inputs,
            labels=parts.labels,
            groups=table.groups,
            names=table.names,
            classes=parts.classes,
            train=parts.train,
            validation=parts.validation,
            database=parts.database,
            query=parts.query,
        ).check()

    @property
    def _set(self) -> ActionSet:
        return ACTION_SETS[self.name]

    @property
    def _cutting(self) -> Cutting | None:
        if self.folds is None:
            return None
        return Cutting(self.folds, self.split_seed, self.holdout, self.always_train, ONE_PART)

    @property
    def _films(self) -> IntArray | None:
        # Groups of UCF101 and drawn figures are films themselves.
        hmdb = self.name == "hmdb51" and self.holdout == "film" and not self.is_standin
        return films_of(self._table()) if hmdb else None

    @property
    def _media(self) -> Path | None:
        return media_folder(self._set, self.root)

    @property
    def _count(self) -> int | None:
        # The stand-in's classes have names of their own, so that it keeps as many as were asked for.
        return None if self.only is None else len(self.only)

    def _listed(self, media: Path) -> tuple[Listed, ...]:
        return kept(self._set, listed(self._set, media, self.root, self.split), self.only)

    def _table(self) -> Table:
        media = self._media
        return standin.standin_table(self.split, self._count) if media is None else table_of(self._listed(media))


def ucf101(
    split: int = 1,
    *,
    folds: int | None = None,
    split_seed: int = 0,
    holdout: str = "video",
    always_train: Sequence[str] = (),
    validation: float | None = None,
    classes: Sequence[str] | None = None,
    root: Path | str | None = None,
) -> ActionVideos:
    """Declare UCF101's clips (13,320 videos of 101 classes); reads nothing yet.

    ``split``: 1, 2 or 3 of the official ones. ``folds`` (default 5): parts of the train list that validate in turn, cut
    by whole groups (g01 to g25) of every class with ``split_seed``; 1 holds out one part of about a fifth.
    ``holdout``: ``video`` or ``film``, which are one here. ``always_train``: names of clips that validate no run,
    because a given teacher saw them, and with them their group's other clips. ``validation``: the older recipe, a share
    of the train list that is carved away once for all runs (0.1 before there were folds, half of what five folds hold
    out), for studies that were begun with it. ``classes``: two or more, for small studies; the stand-in
    draws as many. Looked for below ``root`` (default: KDSEARCH_DATA), directly or in ``ucf101``, ``UCF101`` or
    ``UCF-101``: ``<class>/<video>.avi`` or ``<class>/<video>/*.jpg``, also in ``UCF-101``, ``videos`` or ``frames``
    therein, and the lists in ``ucfTrainTestlist`` or ``action_splits``. Without videos drawn figures stand in.
    ``DataError`` for any other value, and for both ``folds`` and ``validation``.
    """
    recipe = checked_folds(folds, validation, 5)
    return _declare("ucf101", split, recipe, split_seed, holdout, always_train, classes, root)


def hmdb51(
    split: int = 1,
    *,
    folds: int | None = None,
    split_seed: int = 0,
    holdout: str = "video",
    always_train: Sequence[str] = (),
    validation: float | None = None,
    classes: Sequence[str] | None = None,
    root: Path | str | None = None,
) -> ActionVideos:
    """Declare HMDB51's clips (6,766 videos of 51 classes, 5,100 of them in a split); reads nothing yet.

    As :func:`ucf101`, with source films in place of groups, in ``hmdb51`` or ``HMDB51``, the videos also in
    ``hmdb51_org`` and the lists in ``testTrainMulti_7030_splits``. ``holdout="video"`` keeps a film's clips together
    within a class, ``holdout="film"`` across classes.
    """
    recipe = checked_folds(folds, validation, 5)
    return _declare("hmdb51", split, recipe, split_seed, holdout, always_train, classes, root)


def _declare(
    name: ActionName,
    split: int,
    recipe: tuple[int | None, float | None],
    split_seed: int,
    holdout: str,
    always_train: Sequence[str],
    classes: Sequence[str] | None,
    root: Path | str | None,
) -> ActionVideos:
    only, always = cast("tuple[str, ...] | None", classes), cast("tuple[str, ...]", always_train)
    folds, share = recipe
    where = None if root is None else Path(root)
    return ActionVideos(name, split, share, split_seed, only, where, folds, cast("Holdout", holdout), always)
