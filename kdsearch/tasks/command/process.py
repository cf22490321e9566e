"""A command that runs: started in a process group of its own, watched, and ended with all that it has started."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kdsearch.data.files import write_bytes
from kdsearch.errors import KdsearchError
from kdsearch.tasks.command import supervisor

GRACE_SECONDS = 5.0
"""What a command gets to end by itself once it is asked to, before it is killed."""

_REPORT_SECONDS = 5.0
_TAIL_BYTES = 6000


class CommandProcess:
    """One command at work; at the end of the block it is ended, if it has not ended by itself.

    ``output``: the file that takes what it prints, on both streams. ``terminal``: it runs in a terminal of its own, 24
    rows of 120 characters, for programs that ask one for its size; its errors and its output are one stream in any
    case. Where this process is killed, the command ends as well.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        variables: Mapping[str, str],
        output: Path,
        *,
        terminal: bool = False,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.output = output
        self.code: int | None = None
        self._grace = grace
        self._pid: int | None = None
        self._words = b""
        reader, writer = os.pipe()
        self._reader = reader
        told = {
            "arguments": list(arguments),
            "folder": str(folder),
            "terminal": terminal,
            "grace": grace,
            "words": writer,
        }
        own = [sys.executable, "-I", "-S", str(Path(supervisor.__file__)), json.dumps(told)]
        try:
            with output.open("ab") as file:
                self._supervisor = subprocess.Popen(
                    own,
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=file,
                    env=dict(variables),
                    pass_fds=[writer],
                    start_new_session=True,
                )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def ended(self, seconds: float) -> bool:
        """Wait for the end, at most so long; whether the command has ended, by itself or by a signal.

        Raises ``KdsearchError`` where it could not be started.
        """
        until = time.monotonic() + seconds
        while self.code is None:
            ready, _, _ = select.select([self._reader], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return False
            read = os.read(self._reader, 1 << 12)
            if not read:
                self._lost()
            self._words += read
            *lines, self._words = self._words.split(b"\n")
            for line in lines:
                self._take(json.loads(line))
        return True

    def close(self) -> None:
        """End the command with its group, and wait for that."""
        stdin = self._supervisor.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):
            stdin.close()
        try:
            self._supervisor.wait(self._grace + _REPORT_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1

    def _take(self, said: dict[str, Any]) -> None:
        if "error" in said:
            raise KdsearchError(f"the command could not be started: {said['error']}")
        self._pid = said.get("pid", self._pid)
        self.code = said.get("code", self.code)

    def _lost(self) -> None:
        """The supervisor is gone without a word: the command goes too."""
        self._kill()
        raise KdsearchError(f"the process that watches the command was ended. Its last lines:\n{self.tail()}")

    def _kill(self) -> None:
        self._supervisor.kill()
        self._supervisor.wait()
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def tail(self) -> str:
        """The last lines that the command has printed."""
        return tail_of(self.output)


def tail_of(output: Path, lines: int = 30) -> str:
    """The last lines of a file of output; of a line that was written over by carriage returns the last state."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - _TAIL_BYTES))
            content = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    found = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in content.split("\n")]
    return "\n".join([line for line in found if line][-lines:])


def said_of(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}, which the system sends where memory runs out" if name == "SIGKILL" else name


def as_on_screen(output: Path) -> None:
    """Leave of each line of a file of output the last state: progress bars write theirs over and over again."""
    with contextlib.suppress(OSError):
        content = output.read_bytes()
        if b"\r" in content:
            lines = (line.rstrip(b"\r").rpartition(b"\r")[2] for line in content.split(b"\n"))
            write_bytes(output, b"\n".join(lines))
