"""How many runs one worker trains at once: told by the user, or measured once a machine and remembered on disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fasteners import InterProcessLock

from kdsearch import environment
from kdsearch.data.files import write_bytes
from kdsearch.engines.code_hash import code_hash
from kdsearch.tasks.base import Layout, Task, TrainsTogether

ALONE = Layout(1)
GAIN = 1.05
"""A wider layout must be so many times as fast: runs in flight cost a search, and a crash loses more of them."""

LARGE = 0.5
"""Seconds of a step from which a network trains one by one: its device is busy already, and its memory may be full."""


def layout_for(task: Task, device: str, width: int | None = None) -> Layout:
    """The layout for a worker on ``device``: of ``width`` in its faster form, or the fastest of all that the task has.

    A task that does not train together trains one by one, whatever ``width`` says.
    """
    if width == 1 or not isinstance(task, TrainsTogether):
        return ALONE
    candidates = list(task.layouts(device))
    if width is not None:
        forms = dict.fromkeys(layout.form for layout in candidates if layout.width > 1)
        candidates = [Layout(width, form) for form in forms]
    if len(candidates) < 2:
        return candidates[0] if candidates else ALONE
    path = environment.home() / "layouts.json"
    # With the code: another network under the same name may be faster, or no longer stack.
    key = f"{task.population_key(device)} code {code_hash(task.sources())} width {width or 'any'}"
    # Workers of one machine start together: one measures, the others read what it found.
    with InterProcessLock(path.with_suffix(".lock")):
        known = _read(path)
        if not _usable(known.get(key), {layout.form for layout in candidates}):
            chosen = measured(task, candidates, device)
            known[key] = {"width": chosen.width, "form": chosen.form}
            write_bytes(path, json.dumps(known, indent=1).encode())
        return Layout(int(str(known[key]["width"])), str(known[key]["form"]))


def measured(task: TrainsTogether, candidates: list[Layout], device: str) -> Layout:
    """The fastest layout by seconds a step and run; of each form no wider ones are tried once one is no faster.

    Candidates come narrow ones first. One that raises (it does not fit into memory, or the network does not take its
    form) ends its form, and the log says why. Where one by one is slow, nothing else is tried.
    """
    best, fastest = candidates[0], float("inf")
    ended: set[str] = set()
    last: dict[str, float] = {}
    for layout in candidates:
        if layout.form in ended:
            continue
        try:
            seconds = task.seconds_a_step(layout, device)
        except Exception as error:
            if layout.width == 1:
                raise
            print(f"not {layout}: {error}", file=sys.stderr)
            ended.add(layout.form)
            continue
        if layout.width == 1 and seconds > LARGE:
            return layout
        if seconds * GAIN < fastest:
            best, fastest = layout, seconds
        if seconds * GAIN > last.get(layout.form, float("inf")):
            ended.add(layout.form)
        last[layout.form] = seconds
    return best


def _usable(stored: object, forms: set[str]) -> bool:
    """Whether an entry of the cache can be read: another version or a hand may have written it."""
    return isinstance(stored, dict) and str(stored.get("width", "")).isdigit() and stored.get("form") in forms


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}  # a cache: measured again
    return content if isinstance(content, dict) else {}
