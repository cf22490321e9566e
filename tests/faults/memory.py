"""A limit of memory for processes: the kernel's, by a control group, or the test's own where none can be made."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_GROUPS = ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max"))
"""Where groups of the first and of the second version lie, and the file of their limit."""


@contextmanager
def memory_limit(size: int) -> Iterator[Callable[[int], str]]:
    """Yields what puts a process, and all that it starts later, under a limit of so many bytes, and says whose it is.

    As the kernel does it, the process that holds most is killed once all together hold more.
    """
    stop = threading.Event()
    group = _group(size)

    def limit(pid: int) -> str:
        if group is not None:
            (group / "cgroup.procs").write_text(str(pid))
            return "the kernel"
        threading.Thread(target=_kill_largest, args=(pid, size, stop), daemon=True).start()
        return "the test"

    try:
        yield limit
    finally:
        stop.set()
        if group is not None:
            group.rmdir()


def _group(size: int) -> Path | None:
    """A control group with this limit; ``None`` where this machine lets us make none."""
    for root, limit in _GROUPS:
        group = root / f"kdsearch-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(size))
        except OSError:
            group.rmdir()
            continue
        return group
    return None


def _kill_largest(pid: int, size: int, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(pid)
            held = {one.pid: one.memory_info().rss for one in (parent, *parent.children(recursive=True))}
            if sum(held.values()) > size:
                os.kill(max(held, key=held.__getitem__), signal.SIGKILL)
