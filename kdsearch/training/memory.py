"""Peak memory of one run: the counters that a run resets when it starts and reads when it ends."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


def reset_peak_memory(device: str) -> None:
    """Start counting anew: of the device where it is a GPU, else of this process.

    A process starts anew from what it holds now. Only Linux can do that; elsewhere, and where the kernel refuses,
    nothing happens and the peak stays that of the process since it started.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        # Write only, as the file's mode is; and not created where the system has no such file.
        handle = os.open(_PROCESS / "clear_refs", os.O_WRONLY)
        try:
            os.write(handle, b"5")
        finally:
            os.close(handle)


def peak_memory(device: str) -> int:
    """Highest memory in bytes since :func:`reset_peak_memory`: of the device where it is a GPU, else of this process.

    Of a process it is all that is resident, Python and torch included; runs that share a process at the same time share
    the number too.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    # Not getrusage where it can be helped: Linux remembers there what ended threads and the program before exec saw.
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
