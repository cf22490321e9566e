"""What a worker process says when it ends, through a pipe to its launcher.

Not through its output: what a user's code prints there is not kdsearch's word, and on a full disk nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import Literal

Kind = Literal["error", "database", "nothing works", "worn out", "exception"]
"""A message for the user; the database is away or refuses; no run works in this process; none works any more; an
accident, its traceback.
"""

_MOST = 12_000  # characters: a pipe takes 64 KiB without a reader, and JSON escapes may need five bytes for each


@dataclass(frozen=True)
class Words:
    """The last words of a process."""

    kind: Kind
    message: str


class LastWords:
    """The end of the pipe that a worker writes to; ``descriptor``: ``None`` where nobody listens."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)  # not to what a user's code starts

    def say(self, kind: Kind, message: str) -> None:
        """Say why this process ends; the end of a long message matters most."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, json.dumps({"kind": kind, "message": message[-_MOST:]}).encode())


class Listener:
    """The launcher's end of the pipe."""

    def __init__(self) -> None:
        reader, self.writer = os.pipe()
        os.set_blocking(reader, False)
        self._reader: int | None = reader

    def started(self) -> None:
        """Close our copy of the other end, once the process has it."""
        os.close(self.writer)

    def close(self) -> Words | None:
        """What the process said before it ended, ``None`` where it said nothing; asked again, nothing."""
        if self._reader is None:
            return None
        reader, self._reader = self._reader, None
        try:
            said = os.read(reader, 1 << 16)
            return Words(**json.loads(said)) if said else None
        except (BlockingIOError, ValueError, TypeError):  # nothing yet, for a child of it lives; or cut short
            return None
        finally:
            os.close(reader)
