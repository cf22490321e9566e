"""JHMDB for video hashing: which clips train, validate, query and answer, read from wherever they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch.data import places
from kdsearch.data.clips import Clips
from kdsearch.data.names import CLASSES
from kdsearch.data.places import Location
from kdsearch.data.protocols import PROTOCOLS
from kdsearch.data.protocols import SEED_DATABASE
from kdsearch.data.protocols import SEED_QUERY
from kdsearch.data.protocols import SEED_TRAIN
from kdsearch.data.protocols import Parts
from kdsearch.data.protocols import Protocol
from kdsearch.data.protocols import make_parts
from kdsearch.data.table import MODALITIES
from kdsearch.data.table import Modality
from kdsearch.data.table import Source
from kdsearch.data.table import Table
from kdsearch.errors import DataError

FRAME_SIZE = 112


@dataclass(frozen=True)
class Jhmdb:
    """A declaration of JHMDB data; files are looked at when a property needs them, frames are read by ``load`` alone.

    ``root`` (default: the environment variable KDSEARCH_DATA) is where to look and no part of the identity.
    """

    protocol: Protocol = "split1"
    modality: Modality = "poses"
    split_seed: int = 0
    validation: float = 0.2
    root: Path | None = None

    def locate(self, root: Path | None = None) -> Location:
        """Where this modality is read from; ``DataError`` when a root is named and is no folder."""
        return places.locate(self.modality, self.root if root is None else root)

    @property
    def is_standin(self) -> bool:
        """Whether no real data was found, so that drawn figures take its place."""
        return self.locate().path is None

    @property
    def label(self) -> str:
        """Such as ``poses-split1``, ``poses-seed0`` or ``standin-poses-split1``; part of the stored study name."""
        protocol = f"seed{self.split_seed}" if self.protocol == "seed" else self.protocol
        # With official lists the split seed still decides which clips validate.
        carve = f"-carve{self.split_seed}" if self.protocol != "seed" and self.split_seed else ""
        return f"{'standin-' if self.is_standin else ''}{self.modality}-{protocol}{carve}"

    @property
    def description(self) -> str:
        """One line: which data, how many clips of which protocol in each part; begins with stand-in where it is one."""
        table, parts = self._table(), self.parts()
        count = f"{len(table)} clips of {len(table.present)}"
        if self.is_standin:
            head = f"stand-in, not JHMDB: drawn figures as {self.modality}, {count} classes"
        else:
            head = f"JHMDB {self.modality}, {count} of {len(CLASSES)} classes"
        carved = (
            f"{len(parts.validation)} validation clips carved from train by source video (split seed {self.split_seed})"
        )
        return f"{head}, {self._protocol_words(parts)}; {carved}"

    @property
    def num_classes(self) -> int:
        """Number of classes that have clips."""
        return len(self._table().present)

    def identity(self) -> dict[str, Any]:
        """All that makes these data what they are, as JSON values; the content has its own ``fingerprint``."""
        return {
            "data": "jhmdb",
            "modality": self.modality,
            "protocol": self.protocol,
            "split_seed": self.split_seed,
            "validation": self.validation,
            "source": "stand-in" if self.is_standin else "real",
        }

    def fingerprint(self) -> str:
        """Hash of the content that runs read, 16 hex digits; packed and official files need not agree."""
        return self._source().fingerprint()

    def parts(self) -> Parts:
        """Labels and the parts of the protocol, from names and lists alone: no frame is read."""
        return make_parts(self._table(), self.protocol, self.split_seed, self.validation)

    def load(self, frames: int, size: int | None = None) -> Clips:
        """Read ``frames`` frames of every clip.

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

    def _source(self, size: int = FRAME_SIZE) -> Source:
        return places.open_source(self.locate(), self.modality, size)

    def _table(self) -> Table:
        return places.open_table(self.locate(), self.modality)

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
    split_seed: int = 0,
    validation: float = 0.2,
    root: Path | str | None = None,
) -> Jhmdb:
    """Declare JHMDB clips; reads nothing yet.

    ``protocol``: ``split1``, ``split2``, ``split3`` (official: query = test list, database = train list) or ``seed``
    (10 train, 20 database, 10 query clips a class, drawn with ``split_seed``). ``modality``: ``poses``, ``masks``,
    ``silhouettes`` or ``frames``. ``validation``: fraction of train that is carved away by source video with
    ``split_seed``. ``DataError`` for any other value.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"protocol {protocol!r}: expected one of {', '.join(PROTOCOLS)}.")
    if modality not in MODALITIES:
        raise DataError(f"modality {modality!r}: expected one of {', '.join(MODALITIES)}.")
    if not 0 < validation < 1:
        raise DataError(f"validation={validation}: expected a fraction between 0 and 1, such as 0.2.")
    if split_seed < 0:
        raise DataError(f"split_seed={split_seed}: expected 0 or more.")
    where = None if root is None else Path(root)
    return Jhmdb(protocol, modality, split_seed, validation, where)
