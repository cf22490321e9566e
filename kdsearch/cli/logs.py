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
    """Show a run: configuration, state, attempts, curve, traceback."""
    ledger = connect(storage)
    study, record = ledger.run(run)
    results = ledger.results(study.id)
    configuration = results.configurations[record.configuration_id]
    print(f"run {run} of {study.name}: {study.description}")
    print(f"{configuration.kind} {configuration.name}, pool {record.pool}, seed {record.seed}")
    if line := _drawn(record, study.settings.folds):
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


def _drawn(run: RunRecord, folds: int) -> str:
    """The fold that validates a run, or outside which a teacher is trained, and the teacher it listens to."""
    words = []
    if folds:
        place = f"fold {run.fold.number} of {folds}, partition {run.fold.partition}"
        words.append(f"trained outside {place}" if run.pool == "teacher" else f"validated by {place}")
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
    """One line an event, each traceback once: below the first attempt that ended with it, saying which others did."""
    attempts: dict[str, list[str]] = {}
    for event in events:
        if "traceback" in event.data:
            attempts.setdefault(_alike(event), []).append(_attempt(event))
    lines: list[str] = []
    told: set[str] = set()
    for event in events:
        lines.append(f"{event.at:%Y-%m-%d %H:%M:%S} {event.kind}: {event.message}")
        if "traceback" in event.data and (key := _alike(event)) not in told:
            told.add(key)
            if len(attempts[key]) > 1:
                lines.append(f"attempts {_ranges(attempts[key])}: the same")
            lines.append(event.data["traceback"])
    return lines


def _alike(event: EventRecord) -> str:
    """The traceback without addresses of objects, which differ from process to process."""
    return re.sub(r"0x[0-9a-f]+", "0x", event.data["traceback"])


def _attempt(event: EventRecord) -> str:
    found = re.search(r"attempt (\d+)", event.message)
    return found[1] if found else "?"


def _ranges(numbers: Sequence[str]) -> str:
    """``1 to 3, 5`` for 1, 2, 3 and 5."""
    spans: list[list[str]] = []
    for number in numbers:
        if spans and number.isdigit() and spans[-1][-1].isdigit() and int(number) == int(spans[-1][-1]) + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(span[0] if len(span) == 1 else f"{span[0]} to {span[-1]}" for span in spans)
