"""To TensorBoard: a folder of event files a run, with its curve, and a row of its parameters in the HParams tab."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Container
from pathlib import Path

from kdsearch.errors import KdsearchError
from kdsearch.integrations.trackers.tracked import TrackedRun, steps, tracked
from kdsearch.ledger.records import StudyResults


def export(results: StudyResults, folder: Path) -> int:
    """Write each run to ``folder/STUDY/CONFIGURATION/seed-N``; returns how many. An earlier one is replaced."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise KdsearchError(
            "this export needs tensorboardX, which comes with ray[tune]: pip install tensorboardX"
        ) from None
    count, groups = 0, dict[str, str]()
    folder /= _safe(results.study.name)
    for run in tracked(results):
        taken = {name for group, name in groups.items() if group != run.group}
        groups.setdefault(run.group, _free(_safe(run.group), taken))
        fresh = "fresh-" if run.tags["pool"] == "confirm" else ""
        place = folder / groups[run.group] / f"{fresh}seed-{run.config['seed']}"
        if place.exists():
            shutil.rmtree(place)
        writer = SummaryWriter(str(place), write_to_disk=True)
        _write(writer, run)
        writer.close()
        count += 1
    return count


def _write(writer: object, run: TrackedRun) -> None:
    from tensorboardX.summary import hparams

    add = writer.add_scalar  # type: ignore[attr-defined]
    for step, (_, values) in zip(steps(run), run.curve, strict=True):
        for name, value in values.items():
            add(f"curve/{name}", value, step)
    reached = {f"reached/{name}": value for name, value in run.metrics.items()}
    numbers = {
        name: value if isinstance(value, int | float | bool) else str(value) for name, value in run.config.items()
    }
    for summary in hparams(numbers, reached):
        writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
    for name, value in reached.items():
        add(name, value, 0)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.=+-]+", "_", name).strip(".") or "_"


def _free(name: str, taken: Container[str]) -> str:
    """The name, or with a number behind it where another configuration has it."""
    return next(own for own in itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2))) if own not in taken)
