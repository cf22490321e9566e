"""This machine's devices, found without importing torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache

from kdsearch.engines.limits import usable_cpus
from kdsearch.errors import KdsearchError

# glibc returns blocks above its mmap threshold to the kernel after each operation, and page faults then cost much of
# the time of 2-D and 3-D convolutions.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Environment variables of a worker."""

MOST_PER_CORE, LEAST_MOST = 16, 64
"""Worker processes of a machine; each takes some hundred MB and two connections."""

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """A place where one worker process trains: a CPU core, or a ``share`` of one GPU."""

    device: str
    environment: tuple[tuple[str, str], ...]
    share: float = 1.0


CPU_SLOT = Slot("cpu", (*((name, "1") for name in _ONE_THREAD), *ALLOCATOR.items()))
"""A core: one thread, on which sums depend, whatever else the machine has."""


@lru_cache(maxsize=1)
def gpus() -> tuple[str, ...]:
    """Ids of the visible NVIDIA GPUs, as ``CUDA_VISIBLE_DEVICES`` names them, else as nvidia-smi does.

    Of a GPU that is cut into slices (MIG) its slices: CUDA shows a process one of them at most.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(part.strip() for part in visible.split(",") if part.strip() not in ("", "-1"))
    found, slices = list[str](), dict[str, list[str]]()
    for line in _nvidia_smi("-L").splitlines():
        if gpu := re.match(r"GPU (\d+):", line):
            found.append(gpu[1])
        elif mig := re.search(r"\bMIG\b.*\(UUID: (MIG-[^)]+)\)", line):
            slices.setdefault(found[-1], []).append(mig[1])
    return tuple(part for gpu in found for part in slices.get(gpu, [gpu]))


def check_workers(workers: int) -> None:
    """Raise ``KdsearchError`` on so many worker processes that this machine would only start and swap them."""
    most = max(MOST_PER_CORE * cores(), LEAST_MOST)
    if workers > most:
        raise KdsearchError(
            f"{workers:,} worker processes are more than this machine with {cores()} CPU cores can start; at most "
            f"{most} are. Without --workers there is one per core, or one per GPU slot (--slots-per-gpu)."
        )


def slots(workers: int | None = None, per_gpu: int = 1) -> list[Slot]:
    """One slot a CPU core with one thread each, or ``per_gpu`` slots a GPU where there are GPUs."""
    found = gpus()
    if found:
        share = 1 / per_gpu
        places = [Slot("cuda", (("CUDA_VISIBLE_DEVICES", gpu),), share) for gpu in found for _ in range(per_gpu)]
        return places if workers is None else [places[index % len(places)] for index in range(workers)]
    return [CPU_SLOT] * (workers if workers is not None else cores())


def use_slot(device: str) -> None:
    """Give this process the threads that a worker has, before torch is imported: sums depend on how many there are."""
    if device == "cpu":
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")


def limit_memory(device: str, share: float) -> None:
    """Let this process take no more than its share of the GPU's memory: what is beyond it raises in this process."""
    if device.startswith("cuda") and share < 1:
        import torch

        torch.cuda.set_per_process_memory_fraction(share)


def _nvidia_smi(*arguments: str) -> str:
    """What nvidia-smi says; nothing where there is none, or no driver."""
    if shutil.which("nvidia-smi") is None:
        return ""
    try:
        return subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def cores() -> int:
    """CPU cores that this process may use, also in a container."""
    return usable_cpus()
