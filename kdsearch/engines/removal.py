"""What a study has outside of the ledger: its Optuna study, weights, checkpoints and outputs, removed with it."""

from __future__ import annotations

import contextlib
import shutil

from kdsearch import environment
from kdsearch.engines import artifacts
from kdsearch.engines.shared_store import StoreUnreachable, shared_store
from kdsearch.ledger.database import Database
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord

FOLDERS = ("runs", "outputs")
"""Below the home and below a shared store, each with a folder for each study."""


def delete(ledger: Ledger, study: StudyRecord) -> int:
    """Delete a study from the ledger, and its files here and in a shared store; returns how many weights went.

    Raises ``LedgerError`` while workers train its runs; nothing is deleted then.
    """
    removed = ledger.delete_study(study.id)
    given = {_given(row) for row in ledger.studies()}
    weights = [name for name in removed.artifacts if name.partition(".")[0] not in given]
    for folder in FOLDERS:
        shutil.rmtree(environment.home() / folder / str(removed.uid), ignore_errors=True)
    for name in weights:
        (artifacts.folder() / name).unlink(missing_ok=True)
    store = shared_store()
    if store is not None:
        with contextlib.suppress(StoreUnreachable):  # what is left there harms nobody
            for folder in FOLDERS:
                store.remove(f"{folder}/{removed.uid}")
            for name in weights:
                store.remove(f"artifacts/{name}")
    forget_projection(ledger.database, study.name)
    return len(weights)


def _given(study: StudyRecord) -> str:
    """The content of the teacher's file that a study was given, which names our copy of it; empty where it has none."""
    teachers = study.identity.get("teachers")
    return str(teachers.get("file", "")) if isinstance(teachers, dict) else ""


def rename(ledger: Ledger, study: StudyRecord, title: str) -> str:
    """Give a study the name that its file will say; returns its stored name. Its Optuna study is drawn anew.

    Raises ``LedgerError`` where there is such a study, and while workers train its runs.
    """
    name = f"{title}@{study.name.partition('@')[2]}"
    ledger.rename_study(study.id, name, title)
    forget_projection(ledger.database, study.name)
    return name


def forget_projection(database: Database, name: str) -> None:
    """Delete the Optuna study of this name, where there is one."""
    import optuna

    from kdsearch.engines.optuna_mirror import optuna_storage

    with contextlib.suppress(KeyError):
        optuna.delete_study(study_name=name, storage=optuna_storage(database))
