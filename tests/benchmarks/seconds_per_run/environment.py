"""One thread and the allocator settings of kdsearch's CPU workers, the same for every variant."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from kdsearch.engines.devices import slots


def settle(command: list[str]) -> None:
    """Replace this process by ``command`` unless its environment is already a CPU worker's.

    The C library reads its allocator's settings when a process starts, so setting them later would do nothing.
    """
    wanted = dict(slots(1)[0].environment)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(command[0], command, {**os.environ, **wanted})


def machine() -> str:
    """Processor, cores, load and torch version in one line."""
    import torch

    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, load {load}; torch {torch.__version__} on "
        f"{torch.get_num_threads()} thread, Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
