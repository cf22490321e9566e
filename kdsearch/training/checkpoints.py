"""A run's own checkpoint: written seldom, whole or absent, continued only by the run that wrote it."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

from kdsearch.training.files import load_safely, save_atomically

_FORMAT = 3
_PAUSE = 20.0  # times as long as the writes of a whole population take


class Checkpoint:
    """The checkpoint file of one run in its workspace.

    ``key`` tells the run from any other (configuration, seed, data, teacher, code). ``every`` is the least time in
    seconds between two writes: a run of two seconds writes none, a long one loses at most that and an epoch. Of many
    runs that train together each writes less often, so that all writes take a twentieth of the time.
    """

    def __init__(self, workspace: Path, key: str, every: float = 2.0) -> None:
        self.path = workspace / "checkpoint.pt"
        self.key = key
        self.every = every
        self._last = time.monotonic()
        self._took = 0.0

    def load(self) -> dict[str, Any] | None:
        """The state saved last, or ``None``: no file, or one that is broken or not of this key (a warning says so)."""
        content = load_safely(self.path)
        if content is None:
            return None
        if not isinstance(content, dict) or content.get("format") != _FORMAT or content.get("key") != self.key:
            warnings.warn(
                f"{self.path} belongs to another run or to other trainer code and is ignored; this run starts over",
                stacklevel=2,
            )
            return None
        state = content.get("state")
        return state if isinstance(state, dict) else None

    def due(self, population: int = 1) -> bool:
        """Whether the last write is long enough ago; ``population``: how many runs train together."""
        return time.monotonic() - self._last >= max(self.every, _PAUSE * population * self._took)

    def save(self, state: dict[str, Any]) -> None:
        """Write ``state``; raises ``OSError`` where the disk does not take it."""
        begin = time.monotonic()
        save_atomically({"format": _FORMAT, "key": self.key, "state": state}, self.path)
        self._last = time.monotonic()
        self._took = self._last - begin
