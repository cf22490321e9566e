"""This machine's devices, found without importing torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache

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
