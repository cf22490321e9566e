"""Names of workers: enough to tell later, from the ledger alone, whether a worker of this machine still works."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from kdsearch.ledger.recovery import Holders


def worker_name(pid: int | None = None, parent: int | None = None) -> str:
    """Host, machine, process id and its start; the same of the process whose end ends it.

    ``parent``: the launcher that started it and watches it; itself, of a process that is nothing but a worker; none
    where the process goes on after its work, such as a notebook's.
    """
    pid = pid or os.getpid()
    name = f"{socket.gethostname()}:{_machine()}:{pid}:{_started(pid)}"
    return name if parent is None else f"{name}:{parent}:{_started(parent)}"


def is_dead(worker: str) -> bool:
    """Whether a worker of this machine is known to be gone; one of another machine or container never is."""
    pid, started, _, _ = _parts(worker)
    return pid is not None and _started(pid) != started


def known_of(workers: Iterable[str]) -> Holders:
    """What is known of workers, by name: those of this machine that work, and those that are gone, and how.

    One that is frozen, whose launcher is gone, or whose process is not only a worker, is none of them: its leases run
    out where nobody renews them.
    """
    alive: list[str] = []
    dead: list[str] = []
    crashed: list[str] = []
    for worker in workers:
        pid, started, parent, parent_started = _parts(worker)
        if pid is None:
            continue
        watched = parent is not None and _started(parent) == parent_started
        if _started(pid) != started:
            (crashed if watched else dead).append(worker)
        elif watched and _state(pid) not in ("T", "t"):
            alive.append(worker)
    return Holders(alive, dead, crashed)


def _parts(worker: str) -> tuple[int | None, str, int | None, str]:
    """Process id and start of a worker and of its launcher; no ids for a worker of another machine."""
    host, machine, pid, started, parent, parent_started = ([*worker.split(":"), *[""] * 6])[:6]
    here = (host, machine) == (socket.gethostname(), _machine()) and pid.isdigit()
    return (
        int(pid) if here else None,
        started,
        int(parent) if here and parent.isdigit() else None,
        parent_started,
    )


@lru_cache(maxsize=1)
def _machine() -> str:
    # Host names repeat (localhost, containers); this boot of this kernel and this process namespace do not.
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        boot, namespace = str(uuid.getnode()), ""
    return hashlib.sha256(f"{boot}{namespace}".encode()).hexdigest()[:8]


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; none where there is no such process."""
    try:
        # The name in field 2 may hold spaces, hence the last bracket.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    """Letter of a process's state; empty where it is not known."""
    return (_stat(pid) or [""])[0]


def _started(pid: int) -> str:
    """Start of a process in a form that a step of the clock does not change; empty when it is gone."""
    fields = _stat(pid)
    if fields:  # the 22nd in all: clock ticks between boot and start
        return "" if fields[0] == "Z" else fields[19]
    if Path("/proc/self/stat").exists():
        return ""
    import psutil  # where there is no /proc alone: benchmarks load this module on machines without it

    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return ""
