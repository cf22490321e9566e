"""This machine's devices, found without importing torch, and its name for leases."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# glibc returns blocks above its mmap threshold to the kernel after each operation, and page faults then cost much of
# the time of 2-D and 3-D convolutions.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Environment variables of a worker."""

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """A place where one worker process trains: a CPU core, or a share of one GPU."""

    device: str
    environment: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1)
def gpus() -> tuple[str, ...]:
    """Ids of the visible NVIDIA GPUs, as ``CUDA_VISIBLE_DEVICES`` or nvidia-smi names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(part for part in visible.split(",") if part.strip() not in ("", "-1"))
    if shutil.which("nvidia-smi") is None:
        return ()
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        output = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in output.splitlines() if line.strip())


def slots(workers: int | None = None, per_gpu: int = 1) -> list[Slot]:
    """One slot a CPU core with one thread each, or ``per_gpu`` slots a GPU where there are GPUs."""
    found = gpus()
    if found:
        places = [Slot("cuda", (("CUDA_VISIBLE_DEVICES", gpu),)) for gpu in found for _ in range(per_gpu)]
        return places if workers is None else [places[index % len(places)] for index in range(workers)]
    threads = tuple((name, "1") for name in _ONE_THREAD) + tuple(ALLOCATOR.items())
    return [Slot("cpu", threads)] * (workers if workers is not None else cores())


def use_slot(device: str) -> None:
    """Give this process the threads that a worker has, before torch is imported: sums depend on how many there are."""
    if device == "cpu":
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_name(pid: int | None = None) -> str:
    """Host, machine, process id and its start: enough to tell later whether that process still lives."""
    pid = pid or os.getpid()
    return f"{socket.gethostname()}:{_machine()}:{pid}:{_started(pid)}"


def is_dead(worker: str) -> bool:
    """Whether a worker of this machine is known to be gone; one of another machine or container never is."""
    host, machine, pid, started = ([*worker.split(":"), "", "", ""])[:4]
    if (host, machine) != (socket.gethostname(), _machine()) or not pid.isdigit():
        return False
    return _started(int(pid)) != started


@lru_cache(maxsize=1)
def _machine() -> str:
    # Host names repeat (localhost, containers); this boot of this kernel and this process namespace do not.
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        boot, namespace = str(uuid.getnode()), ""
    return hashlib.sha256(f"{boot}{namespace}".encode()).hexdigest()[:8]


def _started(pid: int) -> str:
    """Start of a process in a form that a step of the clock does not change; empty when it is gone."""
    try:
        # Field 22: clock ticks between boot and start. The name in field 2 may hold spaces, hence the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    import psutil  # where there is no /proc alone: benchmarks load this module on machines without it

    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return ""
