"""JHMDB for video hashing: which clips train, validate, query and answer, read from wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from kdsearch.data.clips import MODALITIES, Clips, IntArray, Modality, Source, Table
from kdsearch.data.folds import FIRST, Fold, checked_folds, checked_recipe, checked_split_seed
from kdsearch.data.jhmdb import locate
from kdsearch.data.jhmdb.locate import Location
from kdsearch.data.jhmdb.names import CLASSES
from kdsearch.data.partitions import Cutting, Holdout, checked_sources, films_of
from kdsearch.data.splits import PROTOCOLS, SEED_DATABASE, SEED_QUERY, SEED_TRAIN, Parts, Protocol, make_parts
from kdsearch.errors import DataError

FRAME_SIZE = 112
BEFORE_FOLDS = 0.2
"""Share of the train list that validated before there were folds."""


@dataclass(frozen=True)
class Jhmdb:
    """A declaration of JHMDB data; files are looked at when a property needs them, frames are read by ``load`` alone.

    ``folds``: parts of the train list that validate in turn, cut with ``split_seed``; None for the older recipe, which
    carves the share ``validation`` away once for all. ``holdout`` and ``always_train`` as in ``Cutting``. ``root``
    (default: the environment variable KDSEARCH_DATA) is where to look and no part of the identity. ``DataError`` for
    any other value, and for both ``folds`` and ``validation`` or neither.
    """

    protocol: Protocol = "split1"
    modality: Modality = "poses"
    split_seed: int = 0
    validation: float | None = None
    root: Path | None = None
    folds: int | None = 5
    holdout: Holdout = "video"
    always_train: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise DataError(f"protocol {self.protocol!r}: expected one of {', '.join(PROTOCOLS)}.")
        if self.modality not in MODALITIES:
            raise DataError(f"modality {self.modality!r}: expected one of {', '.join(MODALITIES)}.")
        object.__setattr__(self, "split_seed", checked_split_seed(self.split_seed))
        folds, validation = checked_recipe(self.folds, self.validation)
        _, always_train = checked_sources(self.holdout, self.always_train, folds)
        object.__setattr__(self, "folds", folds)
        object.__setattr__(self, "validation", validation)
        object.__setattr__(self, "always_train", always_train)

    def locate(self, root: Path | None = None) -> Location:
        """Where this modality is read from; ``DataError`` when a root is named and is no folder."""
        return locate.locate(self.modality, self.root if root is None else root)

    @property
    def is_standin(self) -> bool:
        """Whether no real data was found, so that drawn figures take its place."""
        return self.locate().path is None

    @property
    def label(self) -> str:
        """Such as ``poses-split1-5folds`` or ``standin-poses-seed0-1fold-film``; part of the stored study name.

        ``poses-split1`` where ``validation`` is given.
        """
        words = ["standin"] if self.is_standin else []
        words += [self.modality, f"seed{self.split_seed}" if self.protocol == "seed" else self.protocol]
        # With official lists the split seed still decides which clips validate.
        seed, cutting = 0 if self.protocol == "seed" else self.split_seed, self._cutting
        if cutting is not None:
            words += cutting.label_words(seed)
        elif seed:
            words.append(f"carve{seed}")
        return "-".join(words)

    @property
    def description(self) -> str:
        """One line: which data, how many clips of which protocol in each part; begins with stand-in where it is one."""
        table, parts = self._table(), self.parts()
        count = f"{len(table)} clips of {len(table.present)}"
        if self.is_standin:
            head = f"stand-in, not JHMDB: drawn figures as {self.modality}, {count} classes"
        else:
            head = f"JHMDB {self.modality}, {count} of {len(CLASSES)} classes"
        return f"{head}, {self._protocol_words(parts)}; {self._validation_words(parts)}"

    @property
    def num_classes(self) -> int:
        """Number of classes that have clips."""
        return len(self._table().present)

    def identity(self) -> dict[str, Any]:
        """All that makes these data what they are, as JSON values; the content has its own ``fingerprint``."""
        cutting = self._cutting
        return {
            "data": "jhmdb",
            "modality": self.modality,
            "protocol": self.protocol,
            "split_seed": self.split_seed,
            **({"validation": self.validation} if cutting is None else cutting.identity()),
            "source": "stand-in" if self.is_standin else "real",
        }

    def fingerprint(self) -> str:
        """Hash of the content that runs read, 16 hex digits; packed and official files need not agree."""
        return self._source().fingerprint()

    def parts(self, fold: Fold = FIRST) -> Parts:
        """Labels and the parts of the protocol, from names and lists alone: no frame is read.

        ``fold``: which clips validate; the others of the train list train, and database and query are alike in all.
        ``DataError`` for a fold that these data do not have.
        """
        fold.check(self.folds)
        table, cutting = self._table(), self._cutting
        if cutting is None:
            assert self.validation is not None
            return make_parts(table, self.protocol, self.split_seed, self.validation)
        films = self._films(table)
        parts = make_parts(
            table, self.protocol, self.split_seed, lambda listed: cutting.validating(table, listed, fold, films)
        )
        cutting.check_query(table, parts.query)
        return parts

    def query_groups(self) -> IntArray:
        """Source video of each query ``(queries,)``, in the order of ``parts().query``."""
        return self._table().groups[self.parts().query]

    def with_folds(self, folds: int) -> Jhmdb:
        """The same data cut into so many folds."""
        return replace(self, folds=checked_folds(folds, None, folds)[0], validation=None)

    def before_folds(self, validation: float = BEFORE_FOLDS) -> Jhmdb:
        """The same data under the older recipe, which carves a share of train away: itself where it has that recipe."""
        if self.folds is None:
            return self
        return replace(self, folds=None, validation=validation, holdout="video", always_train=())

    def load(self, frames: int, size: int | None = None) -> Clips:
        """Read ``frames`` frames of every clip; parts are those of the first fold.

        ``size``: height and width of RGB frames in pixels (default 112); other modalities have their own size and take
        none. Gives checked ``Clips``; ``DataError`` names the file that is missing, foreign or damaged.
        """
        if size is not None and (self.modality != "frames" or size < 8):
            raise DataError(f"size={size}: expected a size of 8 pixels or more, and for frames only; drop it here.")
        source, parts = self._source(size or FRAME_SIZE), self.parts()
        table = source.table
        first = source.clip(0, frames)
        inputs = np.empty((len(table), *first.shape), dtype=first.dtype)
        for row in range(len(table)):
            inputs[row] = first if row == 0 else source.clip(row, frames)
        return Clips(
            inputs=inputs,
            labels=parts.labels,
            groups=table.groups.copy(),
            names=table.names,
            classes=parts.classes,
            train=parts.train,
            validation=parts.validation,
            database=parts.database,
            query=parts.query,
            shared_classes=parts.shared,
        ).check()

    @property
    def _cutting(self) -> Cutting | None:
        if self.folds is None:
            return None
        return Cutting(self.folds, self.split_seed, self.holdout, self.always_train, BEFORE_FOLDS)

    def _films(self, table: Table) -> IntArray | None:
        # Drawn figures: each source video is a film.
        return films_of(table) if self.holdout == "film" and not self.is_standin else None

    def _source(self, size: int = FRAME_SIZE) -> Source:
        return locate.open_source(self.locate(), self.modality, size)

    def _table(self) -> Table:
        return locate.open_table(self.locate(), self.modality)

    def _validation_words(self, parts: Parts) -> str:
        cutting, listed = self._cutting, np.union1d(parts.train, parts.validation)
        if cutting is not None:
            table = self._table()
            return cutting.words(table, listed, self._films(table))
        return (
            f"{len(parts.validation)} validation clips carved from train by source video (split seed {self.split_seed})"
        )

    def _protocol_words(self, parts: Parts) -> str:
        train = len(parts.train) + len(parts.validation)
        if self.protocol != "seed":
            official = "split" if self.is_standin else "official split"
            return f"{official} {self.protocol[-1]}: {train} train (database), {len(parts.query)} test (query)"
        words = (
            f"{SEED_TRAIN} train, {SEED_DATABASE} database, {SEED_QUERY} query clips a class (split seed "
            f"{self.split_seed}): {train} train, {len(parts.database)} database (train among them), "
            f"{len(parts.query)} query"
        )
        if parts.small:
            words += f", fewer in {', '.join(parts.small)} (too small)"
        if parts.shared:
            return f"{words}, source videos shared between query and database in {', '.join(parts.shared)} (too small)"
        return f"{words}, no source video in both query and database"


def jhmdb(
    protocol: str = "split1",
    modality: str = "poses",
    *,
    folds: int | None = None,
    split_seed: int = 0,
    holdout: str = "video",
    always_train: Sequence[str] = (),
    validation: float | None = None,
    root: Path | str | None = None,
) -> Jhmdb:
    """Declare JHMDB clips; reads nothing yet.

    ``protocol``: ``split1``, ``split2``, ``split3`` (official: query = test list, database = train list) or ``seed``
    (10 train, 20 database, 10 query clips a class, drawn with ``split_seed``). ``modality``: ``poses``, ``masks``,
    ``silhouettes`` or ``frames``. ``folds`` (default 5): parts of the train list that validate in turn, cut by source
    with ``split_seed``; 1 holds out one part of about a fifth. ``holdout``: ``video``, a source video within its class,
    or ``film``, which keeps the clips of one film together whatever their classes. ``always_train``: names of clips
    that validate no run, because a given teacher saw them, and with them their source's other clips. ``validation``:
    the older recipe, a fraction of train that is carved away once for all runs, for studies that were begun with it.
    ``DataError`` for any other value, and for both ``folds`` and ``validation``.
    """
    parts, share = checked_folds(folds, validation, 5)
    return Jhmdb(
        cast("Protocol", protocol),
        cast("Modality", modality),
        split_seed,
        share,
        None if root is None else Path(root),
        parts,
        cast("Holdout", holdout),
        cast("tuple[str, ...]", always_train),
    )
