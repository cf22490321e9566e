"""Units of work in processes of one thread each, whose results lie in a journal: kill it at any moment and go on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

Unit = tuple[Any, ...]
"""JSON values that name a unit of work."""


def journalled(path: Path) -> dict[Unit, dict[str, Any]]:
    """The results in a journal, the last one of each unit; a line that a crash left half-written is passed over."""
    found: dict[Unit, dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[_key(row["unit"])] = row["result"]
    return found


def run(
    work: Callable[[Unit], dict[str, Any]], units: Iterable[Unit], path: Path, workers: int
) -> dict[Unit, dict[str, Any]]:
    """The results of all units: from the journal at ``path``, or of ``work`` in a process of its own, then added."""
    units = [_key(unit) for unit in units]
    found = journalled(path)
    left = [unit for unit in units if unit not in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and not path.read_text().endswith("\n"):
        with path.open("a") as journal:
            journal.write("\n")  # a crash may have left half a line
    begin, total = time.monotonic(), len(left)
    with path.open("a") as journal, ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        waiting = {}
        while left or waiting:
            while left and len(waiting) < 2 * workers:
                unit = left.pop(0)
                waiting[pool.submit(work, unit)] = unit
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                unit = waiting.pop(future)
                found[unit] = future.result()
                journal.write(json.dumps({"unit": unit, "result": found[unit]}) + "\n")
                journal.flush()
            done = total - len(left) - len(waiting)
            minutes = (time.monotonic() - begin) / 60
            print(f"{done} of {total} units, {minutes:.1f} minutes", flush=True)
    return {unit: found[unit] for unit in units}


def _one_thread() -> None:
    os.nice(5)  # what is measured here are results, not times
    import torch

    torch.set_num_threads(1)


def _key(value: Any) -> Any:
    return tuple(_key(part) for part in value) if isinstance(value, list | tuple) else value
