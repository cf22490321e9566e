"""Populations on a GPU, in one command that needs torch, numpy and scipy alone and runs from a bare copy of the tree.

Correctness on the device first, then how many runs a second train together, over the same runs one by one and over
launches of a captured step; then the time of a table of 128 x 16 pose runs, then bfloat16. The most valuable come first
and both files, ``gpu.json`` and ``gpu.md``, are written after each, so that a run that is cut short leaves a table.

    python -m tests.benchmarks.gpu --out FOLDER [--minutes 8]

Ends with 1 where a check failed. A rehearsal with tiny networks, whose figures mean nothing:

    python -m tests.benchmarks.gpu --out FOLDER --device cpu --tiny
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.gpu import table
from tests.benchmarks.gpu.cells import Effort
from tests.benchmarks.gpu.plan import FULL_WIDTHS, TINY_WIDTHS, Clock, plan
from tests.benchmarks.gpu.session import Session
from tests.benchmarks.gpu.students import FULL, TINY


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; the exit code."""
    given = parse(arguments)
    clock = Clock(given.minutes)
    if given.device == "cpu":
        torch.set_num_threads(1)
    makers, widths = (TINY, TINY_WIDTHS) if given.tiny else (FULL, FULL_WIDTHS)
    names = [name for name in makers if name in given.students]
    found = {"machine": machine(given.device, arguments), "tiny": given.tiny, "minutes": given.minutes}
    session = Session(
        given.out,
        given.device,
        makers,
        clock,
        Effort(repeats=2, seconds=1.0) if given.tiny else Effort(),
        table.TINY if given.tiny else table.FULL,
        found,
    )
    session.run(plan(names, widths))
    print((given.out / "gpu.md").read_text())
    return int(any(row["state"] == "failed" for row in session.checks))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; ends with a message where there is no CUDA device and none is waived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of gpu.json and gpu.md")
    add("--minutes", type=float, default=8.0, help="no cell begins that would end later")
    add("--device", default="cuda")
    add("--students", nargs="+", default=list(FULL), choices=list(FULL))
    add("--tiny", action="store_true", help="a rehearsal with tiny networks")
    given = parser.parse_args(arguments)
    if torch.device(given.device).type == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device; a rehearsal is --device cpu --tiny")
    return given


def machine(device: str, arguments: Sequence[str] | None) -> dict[str, Any]:
    """Device, versions, date and command."""
    words = f"Python {platform.python_version()}"
    name = f"{platform.processor() or platform.machine()}, 1 thread"
    if torch.device(device).type == "cuda":
        properties = torch.cuda.get_device_properties(torch.device(device))
        name = properties.name
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        words += f", CUDA {torch.version.cuda}, cuDNN {cudnn}, {properties.total_memory / 2**30:.0f} GiB"
    own = sys.argv[1:] if arguments is None else arguments
    return {
        "name": name,
        "device": device,
        "torch": torch.__version__,
        "words": words,
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python -m tests.benchmarks.gpu", *own]),
    }


if __name__ == "__main__":
    sys.exit(main())
