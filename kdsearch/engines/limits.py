"""What this process may use of its machine: CPUs and memory, as a container's control groups limit them.

``os.sched_getaffinity`` knows which CPUs a process may run on, and nothing of how much of their time: Docker's
``--cpus``, Kubernetes' limits and Slurm set a quota of the control group instead.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 2**60  # bytes: version 1 writes the largest multiple of a page where there is no limit


def usable_cpus(root: Path = Path("/")) -> int:
    """CPUs that this process may keep busy, at least 1: its affinity, cut to the quotas of its control groups."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([own, *(math.ceil(quota - 1e-9) for quota in _cpu_quotas(root))]))


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes of memory that this process and its kin may use; ``None`` where only the machine's memory is a limit."""
    return min(_memory_limits(root), default=None)


def _cpu_quotas(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        if (words := _words(folder / "cpu.max")) and words[0] != "max":  # version 2: quota and period in microseconds
            yield int(words[0]) / int(words[1])
        quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
        if quota and period and int(quota[0]) > 0:
            yield int(quota[0]) / int(period[0])


def _memory_limits(root: Path) -> Iterator[int]:
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _words(folder / name)
            if words and words[0] != "max" and int(words[0]) < _UNLIMITED:
                yield int(words[0])


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the process's control groups and of those above them, of either version.

    In a container its own group may stand at the root of what it sees: a path that is not there is left out.
    """
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":  # version 2, beside version 1 in a folder of its own
            tops = [base, base / "unified"]
        elif controller in controllers.split(","):
            tops = [base / controllers, base / controller]
        else:
            continue
        parts = Path(path.lstrip("/")).parts
        for top in dict.fromkeys(tops):
            yield from (folder for count in range(len(parts) + 1) if (folder := top.joinpath(*parts[:count])).is_dir())


def _words(file: Path) -> list[str]:
    return _text(file).split()


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
