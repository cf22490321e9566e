"""Checkpoints of runs in the shared store, so that another machine goes on where one has died."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from kdsearch.engines.shared_store import SharedStore, StoreUnreachable

_EVERY_SECONDS = 30.0
_SHARE = 20.0  # of the time of a run, at most a twentieth for its copies


@dataclass
class SharedCheckpoint:
    """The files of a run's ``folder``, copied below ``name`` in the store now and then.

    A copy that fails is left: the run trains on, and the next one may succeed.
    """

    store: SharedStore
    name: str
    folder: Path
    _sent: dict[str, int] = field(default_factory=dict)
    _next: float = 0.0

    def bring(self) -> None:
        """Copy what is in the store to a folder that has nothing; raises ``StoreUnreachable``."""
        if any(self.folder.iterdir()):
            return
        for name in self.store.names(self.name):
            self.store.get(f"{self.name}/{name}", self.folder / name)

    def send(self, *, now: bool = False) -> None:
        """Copy files that are new since the last time, at most every 30 seconds; ``now``: at once."""
        begin = time.monotonic()
        if begin < self._next and not now:
            return
        with contextlib.suppress(StoreUnreachable, OSError):
            for file in self.folder.iterdir():
                written = file.stat().st_mtime_ns
                if file.is_file() and not file.name.startswith(".") and self._sent.get(file.name) != written:
                    self.store.put(file, f"{self.name}/{file.name}")
                    self._sent[file.name] = written
        took = time.monotonic() - begin
        self._next = time.monotonic() + max(_EVERY_SECONDS, _SHARE * took)

    @property
    def sent(self) -> bool:
        """Whether anything of it was copied to the store from here."""
        return bool(self._sent)

    def remove(self) -> None:
        """Delete the copies of a run that has ended, where there are any."""
        with contextlib.suppress(StoreUnreachable):  # one that is left harms nobody
            self.store.remove(self.name)
