"""JHMDB for video hashing: which clips train, validate, query and answer, read from wherever they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from kdsearch.data.clips import MODALITIES, ClipReader, ClipTable, Modality, Parts
from kdsearch.data.declaration import FRAME_SIZE, ClipDeclaration, ClipOptions, fields_of, shows
from kdsearch.data.jhmdb import locate
from kdsearch.data.jhmdb.locate import Location
from kdsearch.data.jhmdb.names import CLASSES
from kdsearch.data.splits import PROTOCOLS, SEED_DATABASE, SEED_QUERY, SEED_TRAIN, Protocol
from kdsearch.errors import DataError


@dataclass(frozen=True)
class Jhmdb(ClipDeclaration):
    """A declaration of JHMDB: one of its modalities under one of its protocols."""

    protocol: Protocol = "split1"
    modality: Modality = "poses"

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise DataError(f"protocol {self.protocol!r}: expected one of {', '.join(PROTOCOLS)}.")
        if self.modality not in MODALITIES:
            raise DataError(f"modality {self.modality!r}: expected one of {', '.join(MODALITIES)}.")
        super().__post_init__()

    def locate(self) -> Location:
        """Where this modality is read from; ``DataError`` when a root is named and is no folder."""
        return locate.locate(self.modality, self.root)

    @property
    @override
    def is_synthetic(self) -> bool:
        return self.locate().path is None

    @property
    @override
    def label(self) -> str:
        """Such as ``poses-split1-5folds`` or ``standin-poses-seed0-1fold-film``; part of the stored study name.

        ``poses-split1`` where ``validation`` is given.
        """
        if self.protocol == "seed":
            return self._label([self.modality, f"seed{self.split_seed}"], 0)
        # With official lists the split seed still decides which clips validate.
        return self._label([self.modality, self.protocol], self.split_seed)

    @property
    @override
    def description(self) -> str:
        parts = self.parts()
        return self._described("JHMDB", f"{len(CLASSES)} classes", self._protocol_words(parts), parts)

    @override
    def identity(self) -> dict[str, Any]:
        return {
            "data": "jhmdb",
            "modality": self.modality,
            "protocol": self.protocol,
            "split_seed": self.split_seed,
            **self._recipe(),
            "source": self._source,
        }

    @override
    def fingerprint(self) -> str:
        """Hash of the content that runs read, 16 hex digits; packed and official files need not agree."""
        return self._reader().fingerprint()

    @override
    def table(self) -> ClipTable:
        return self._reader().table

    @override
    def read(self, frames: int, size: int) -> NDArray[np.generic]:
        reader = self._reader(size)
        first = reader.clip(0, frames)
        inputs = np.empty((len(reader.table), *first.shape), dtype=first.dtype)
        for row in range(len(inputs)):
            inputs[row] = first if row == 0 else reader.clip(row, frames)
        return inputs

    def _reader(self, size: int = FRAME_SIZE) -> ClipReader:
        return locate.open_reader(self.locate(), self.modality, size)

    def _protocol_words(self, parts: Parts) -> str:
        if self.protocol != "seed":
            return self._official(int(self.protocol[-1]), parts)
        train = len(parts.train) + len(parts.validation)
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


@shows(ClipOptions)
def jhmdb(protocol: str = "split1", modality: str = "poses", **options: Unpack[ClipOptions]) -> Jhmdb:
    """Declare JHMDB clips; reads nothing yet.

    ``protocol``: ``split1``, ``split2``, ``split3`` (official: query = test list, database = train list) or ``seed``
    (10 train, 20 database, 10 query clips a class, drawn with ``split_seed``). ``modality``: ``poses``, ``masks``,
    ``silhouettes`` or ``frames``. Options:

    - ``folds`` (default 5): parts of the train list that validate in turn, cut by source with ``split_seed`` (default
      0); 1 holds out one part of about a fifth.
    - ``holdout``: ``video``, a source video within its class, or ``film``, which keeps the clips of one film together
      whatever their classes.
    - ``always_train``: names of clips that validate no run, because a given teacher saw them, and with them their
      source's other clips.
    - ``validation``: the older recipe, a fraction of train that validates all runs, for studies begun with it.
    - ``root``: where to look, in place of KDSEARCH_DATA.

    ``DataError`` for any other value, and for both ``folds`` and ``validation``.
    """
    return Jhmdb(cast("Protocol", protocol), cast("Modality", modality), **fields_of(options, 5))
