"""To TensorBoard: a folder of event files a run, with its curve, and a row of its parameters in the HParams tab."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from kdsearch.errors import KdsearchError
from kdsearch.integrations.trackers.tracked import TrackedRun, tracked
from kdsearch.ledger.records import StudyResults


def export(results: StudyResults, folder: Path) -> int:
    """Write each run to ``folder/CONFIGURATION/seed-N``; returns how many. What an earlier export wrote is replaced."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise KdsearchError(
            "this export needs tensorboardX, which comes with ray[tune]: pip install tensorboardX"
        ) from None
    count = 0
    for run in tracked(results):
        place = (
            folder / _safe(run.group) / f"{'fresh-' if run.tags['pool'] == 'confirm' else ''}seed-{run.config['seed']}"
        )
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
    for epoch, values in run.curve:
        for name, value in values.items():
            add(f"curve/{name}", value, round(epoch))
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
