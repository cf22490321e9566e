"""One leased run, from its lease to its outcome: what every engine's worker does."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kdsearch import environment
from kdsearch.engines import artifacts, outputs
from kdsearch.engines.teacher import given_weights
from kdsearch.errors import KdsearchError
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import ENDED, StudyRecord
from kdsearch.space import Categorical, Integer, Uniform, unconditional
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import Job, RunContext, RunRequest, RunResult, Scalar
from kdsearch.values import is_number, measured, plain

_WHOLE_FROM = 10**16  # from here on Python writes a float with an exponent, which Postgres reads as a whole number


def workspace(record: StudyRecord, run_id: int) -> Path:
    """The folder of a run: its checkpoint lives here until its result is stored."""
    return environment.folder("runs", str(record.uid), str(run_id))


def clear_workspace(record: StudyRecord, run_id: int) -> None:
    """Remove the folder of a run that has ended."""
    shutil.rmtree(_folder(record, run_id), ignore_errors=True)


def clear_ended_workspaces(record: StudyRecord, ledger: Ledger) -> None:
    """Remove folders of runs that have ended, and the study's when it is empty.

    A worker that was killed after it had stored a result leaves one.
    """
    folder = _folder(record, 0).parent
    found = [int(path.name) for path in folder.glob("*") if path.name.isdigit()] if folder.exists() else []
    for run_id in ledger.ended_among(record.id, found) if found else ():
        clear_workspace(record, run_id)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _folder(record: StudyRecord, run_id: int) -> Path:
    # Ids begin at 1 in every database, and several databases may use one home.
    return environment.home() / "runs" / str(record.uid) / str(run_id)


def job_of(
    study: Study,
    record: StudyRecord,
    lease: Lease,
    *,
    code_hash: str,
    device: str,
    report: Callable[[int, float], None],
    interrupted: Callable[[], bool] = lambda: False,
) -> Job:
    """A leased run as a task sees it; raises ``MissingArtifact`` where its teacher's weights are gone.

    And ``StudyFileError`` where a given teacher's are gone and its file is another now.
    """
    params = {**study.defaults, **as_declared(study, lease.params)}
    request = RunRequest(
        role="teacher" if lease.pool == "teacher" else "student",
        params=params,
        seed=record.draws.training_seed(lease.pool, lease.seed),
        teacher=_teacher(study, record, lease, params),
        fold=lease.fold,
    )
    context = RunContext(
        workspace(record, lease.run_id),
        device,
        keep_weights=lease.keep_weights,
        keep_queries=lease.pool == "confirm",
        code_hash=code_hash,
        report=report,
        interrupted=interrupted,
        output=outputs.file_of(record, lease.run_id, lease.attempt),
    )
    return Job(request, context)


def as_declared(study: Study, stored: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Stored numbers in the types that the study file gives them: JSON in Postgres makes 1e16 and above whole ones."""
    found = dict(stored)
    for name, value in stored.items():
        dimension = study.space.get(name)
        inner = None if dimension is None else unconditional(dimension)
        if isinstance(inner, Categorical):
            found[name] = inner.choice(value) if inner.contains(value) else value
        elif isinstance(value, int) and abs(value) >= _WHOLE_FROM and not isinstance(inner, Integer):
            default = study.defaults.get(name)
            if isinstance(inner, Uniform) or isinstance(default, float):
                found[name] = float(value)
    return found


def _teacher(study: Study, record: StudyRecord, lease: Lease, params: Mapping[str, Scalar]) -> Path | None:
    if lease.teacher_artifact:
        return artifacts.fetch(lease.teacher_artifact)
    if study.teacher is None or not study.uses_teacher(params):
        return None
    return given_weights(study, record.identity)


def outcome_of(lease: Lease, result: RunResult, *, chance: float, code_hash: str, data_hash: str) -> Outcome:
    """A run's result as columns of the ledger; one that is not finite, or beyond 1e50, is ``diverged``, at ``chance``.

    Raises ``KdsearchError`` for a result that is none: a task of the user's own may return anything.
    """
    result = _checked(result, chance)
    return Outcome(lease, result.state, {**_columns(result), "code_hash": code_hash, "data_hash": data_hash})


def stopped_outcome(lease: Lease, result: RunResult, *, code_hash: str, data_hash: str) -> Outcome:
    """What is stored of a run that was stopped by its curve: the curve, and no value."""
    values = {**_columns(result), "objective": None, "score": None}
    return Outcome(lease, "stopped", {**values, "code_hash": code_hash, "data_hash": data_hash})


def _checked(result: RunResult, chance: float) -> RunResult:
    values = [plain(result.objective), *([] if result.score is None else [plain(result.score)])]
    if result.state not in ENDED or not all(map(is_number, values)):
        raise KdsearchError(
            f"expected a result that is {' or '.join(ENDED)}, with numbers as objective and score; the task returned "
            f"state {result.state!r}, objective {result.objective!r}, score {result.score!r}"
        )
    values = [measured(value) for value in values]
    if result.state == "done" and not all(map(math.isfinite, values)):
        return replace(result, state="diverged", objective=chance, score=None if result.score is None else chance)
    return replace(result, objective=values[0], score=None if result.score is None else values[1])


def _columns(result: RunResult) -> Mapping[str, Any]:
    names = [name for name, values in result.curve.items() if values]
    return {
        "objective": float(result.objective),
        "score": None if result.score is None else float(result.score),
        "epoch": result.epoch,
        "epochs": result.epochs,
        "scores": result.scores,
        "metrics": {name: float(value) for name, value in result.metrics.items() if math.isfinite(value)},
        "curve_names": names,
        "curves": [[float(value) for value in result.curve[name]] for name in names],
        "seconds": result.seconds,
        "device": result.device,
        "peak_memory": result.peak_memory,
        "artifact": artifacts.store(result.weights) if result.weights is not None else None,
        "queries": [float(value) for value in result.queries] or None,
    }
