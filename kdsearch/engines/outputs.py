"""What the programs of runs printed: one file for each attempt, kept when the run has ended."""

from __future__ import annotations

import contextlib
from pathlib import Path

from kdsearch import environment
from kdsearch.engines.shared_store import StoreUnreachable, shared_store
from kdsearch.ledger.records import StudyRecord


def file_of(record: StudyRecord, run_id: int, attempt: int) -> Path:
    """The file of one attempt, there or not; the study's folder is made when something is written to it."""
    return environment.folder("outputs") / str(record.uid) / f"{run_id}-{attempt}.txt"


def share(record: StudyRecord, run_id: int, attempt: int) -> None:
    """Copy it to the store that all machines share, where there is one."""
    file, store = file_of(record, run_id, attempt), shared_store()
    if store is not None and file.exists():
        with contextlib.suppress(StoreUnreachable):  # the run's result is stored, its output is on this machine
            store.put(file, _shared_name(record, file))


def find(record: StudyRecord, run_id: int, attempt: int) -> Path | None:
    """The file of one attempt, of this machine or from the shared store; ``None`` where neither has it."""
    file, store = file_of(record, run_id, attempt), shared_store()
    if not file.exists() and store is not None:
        with contextlib.suppress(StoreUnreachable):
            store.get(_shared_name(record, file), file)
    return file if file.exists() else None


def _shared_name(record: StudyRecord, file: Path) -> str:
    return f"outputs/{record.uid}/{file.name}"
