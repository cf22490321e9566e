"""``kdsearch logs``: everything about one run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from kdsearch.cli.common import Storage, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdsearch.ledger.records import EventRecord, RunRecord


def logs(run: Annotated[int, typer.Argument(metavar="RUN", help="A run's id.")], storage: Storage = None) -> None:
    """Show one run: configuration, state, attempts, curve, traceback."""
    ledger = connect(storage)
    study, record = ledger.run(run)
    results = ledger.results(study.id)
    configuration = results.configurations[record.configuration_id]
    print(f"run {run} of {study.name}: {study.description}")
    print(f"{configuration.kind} {configuration.name}, pool {record.pool}, seed {record.seed}")
    if line := describe_draw(record, study.settings.folds):
        print(line)
    print(", ".join(f"{name}={value}" for name, value in configuration.params.items()))
    print(f"{record.state}, attempt {record.attempt}, worker {record.worker or 'none yet'}")
    for line in (*_result(record), *_curve(record)):
        print(line)
    events = [event for event in results.events if event.run_id == run]
    for line in event_lines(events):
        print(line)
    if record.error and not events:
        print(record.error)


def describe_draw(run: RunRecord, folds: int) -> str:
    """The fold that validates a run, or that a teacher is trained without, and the run's teacher."""
    words = []
    if folds:
        place = f"fold {run.fold.number} of {folds}, partition {run.fold.partition}"
        words.append(f"trained without {place}" if run.pool == "teacher" else f"validated on {place}")
    if run.needs is not None:
        words.append(f"teacher: run {run.needs}")
    return ", ".join(words)


def _result(run: RunRecord) -> list[str]:
    if run.objective is None:
        return []
    lines = [
        f"objective {run.objective:.4f} at epoch {run.epoch} of {run.epochs}",
        f"{run.seconds:.1f} s on {run.device}, peak memory {(run.peak_memory or 0) / 2**20:.0f} MiB, "
        f"code {run.code_hash}, data {run.data_hash}",
    ]
    return [*lines, f"weights {run.artifact}"] if run.artifact else lines


def _curve(run: RunRecord) -> list[str]:
    names = [name for name in run.curve if name != "score"]
    if not names:
        return []
    rows = zip(*(run.curve[name] for name in names), strict=True)
    values = ["  ".join(f"{value:12.5g}" for value in row) for row in rows]
    return ["  ".join(f"{name:>12}" for name in names), *values]


def event_lines(events: Sequence[EventRecord]) -> list[str]:
    """One line per event, with its traceback below it unless the same one is printed already."""
    lines: list[str] = []
    printed: set[str] = set()
    for event in events:
        traceback = event.data.get("traceback", "")
        alike = re.sub(r"0x[0-9a-f]+", "0x", traceback)  # addresses of objects differ from process to process
        line = f"{event.at:%Y-%m-%d %H:%M:%S} {event.kind}: {event.message}"
        if alike in printed:
            lines.append(f"{line} (traceback as above)")
        elif traceback:
            printed.add(alike)
            lines += [line, traceback]
        else:
            lines.append(line)
    return lines
