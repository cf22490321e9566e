"""What the memory does not hold is left out by a failed allocation; on a CPU, the process would be killed instead."""

from __future__ import annotations

import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/proc/meminfo")
STATUS = Path("/proc/self/status")


class TooLarge(Exception):
    """A cell did not fit: its form and width. What runs later in the same process is slower, for its heap has gaps."""

    def __init__(self, form: str, width: int) -> None:
        super().__init__(f"{form}:{width}")
        self.form, self.width = form, width


@contextmanager
def fits(form: str, width: int) -> Iterator[None]:
    """Raise ``TooLarge`` where an allocation fails within, by the words of torch, C++, oneDNN, cuBLAS and cuDNN."""
    words = (
        "not enough memory",
        "can't allocate memory",
        "bad_alloc",
        "out of memory",
        "ALLOC_FAILED",
        "could not create a ",
    )
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch's own is one of these
        if isinstance(error, MemoryError) or any(word in str(error) for word in words):
            raise TooLarge(form, width) from None
        raise


def memory_left(device: str) -> float:
    """Bytes that a cell may take: a CPU's processes are killed when they ask for more, a GPU says so itself."""
    if device != "cpu" or not MEMORY.is_file():
        return float("inf")
    rows = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
    return 0.8 * 1024 * int(rows["MemAvailable"].split()[0])


def limit_memory(most: float) -> None:
    """Let an allocation above ``most`` bytes fail: without a limit the process is killed instead, and says nothing."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    highest = math.inf if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_DATA, (hard if most >= highest else int(most), hard))


def peak_memory() -> int:
    """Bytes that this process has held at most since it was executed, which ``ru_maxrss`` counts from before."""
    if STATUS.is_file():
        rows = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return 1024 * int(rows["VmHWM"].split()[0])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
