"""Runs that a pruner of Optuna stops by their curves."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdsearch.ledger.leases import Lease
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.search.optuna_space import errors_alone
from kdsearch.study.budget import OptunaSearch
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import Direction, RunResult

SEARCHED = ("sampler", "begin")
"""Origins of the configurations that a search runs by itself."""

READ_EVERY = 5.0
"""Seconds between two looks at the runs that have ended, at most; less where a look takes less than a twentieth."""


def stopper_of(ledger: Ledger, study: Study, record: StudyRecord) -> CurveStops | None:
    """What stops the runs of a study by their curves; mostly nothing."""
    if not isinstance(study.search, OptunaSearch) or study.search.pruner is None:
        return None
    return CurveStops(ledger, record, study.search.pruner, study.direction or "maximize")


@dataclass
class _Training:
    """A run that trains here: its history and trial, when it began, what it has reported, whether it is to end."""

    history: _History
    trial: int
    file: Path
    began: float
    curve: dict[int, float]
    stopped: bool = False


class CurveStops:
    """Asks a pruner of Optuna at each report of a search run whether to stop it.

    To the pruner each run is a trial of an Optuna study in memory, one for the search and one for that without a
    teacher: those that have ended anywhere, and those that train in this process. It is asked at each epoch of a run
    that ended elsewhere too, since pruners note in a trial how far it came. Others' runs are looked up every few
    seconds. What a run has reported lies in its workspace, so that it goes on elsewhere with its whole curve.
    """

    def __init__(self, ledger: Ledger, record: StudyRecord, pruner: Any, direction: Direction) -> None:
        self._ledger, self._study_id, self._pruner, self._direction = ledger, record.id, pruner, direction
        self._histories: dict[str, _History] = {}
        self._training: dict[int, _Training] = {}
        self._known: set[int] = set()
        self._next = float("-inf")

    def begin(self, lease: Lease, workspace: Path) -> bool:
        """A run begins, or goes on after an interruption; whether it may be stopped: the search itself ordered it."""
        if lease.pool != "search" or lease.origin not in SEARCHED:
            return False
        if self._ledger.study_by_id(self._study_id).winner_id is not None:
            return False  # somebody has added it
        known = self._training.get(lease.run_id)
        history = self._of(lease.kind)
        trial = history.begin() if known is None else known.trial
        file = workspace / "reported.jsonl"
        curve = _read(file)
        if known is None:
            for epoch, value in curve.items():
                history.reaches(trial, epoch, value)
        self._training[lease.run_id] = _Training(history, trial, file, time.monotonic(), curve)
        return True

    def stops(self, lease: Lease, epoch: int, objective: float) -> bool:
        """Whether the run is to end now, having reached this objective after so many epochs."""
        run = self._training.get(lease.run_id)
        if run is not None and not run.stopped and math.isfinite(objective):
            self._refresh()
            if lease.run_id in self._known:  # the lease was lost, and the run has ended elsewhere
                return False
            for later in [known for known in run.curve if known >= epoch]:  # it has begun again before these
                del run.curve[later]
            run.curve[int(epoch)] = float(objective)
            _append(run.file, int(epoch), float(objective))
            run.stopped = run.history.reaches(run.trial, int(epoch), float(objective))
        return run is not None and run.stopped

    def result(self, lease: Lease, device: str) -> RunResult | None:
        """The curve of a run that was stopped, as a result without a value; ``None`` for one that was not."""
        run = self._training.get(lease.run_id)
        if run is None or not run.stopped:
            return None
        curve = {"epoch": [float(epoch) for epoch in run.curve], "objective": list(run.curve.values())}
        seconds, last = time.monotonic() - run.began, max(run.curve)
        return RunResult("done", math.nan, epoch=last, epochs=last, curve=curve, seconds=seconds, device=device)

    def _refresh(self) -> None:
        begin = time.monotonic()
        if begin < self._next:
            return
        for ended in self._ledger.ended_curves(self._study_id, self._known):
            self._known.add(ended.run_id)
            history = self._of(ended.kind)
            own = self._training.pop(ended.run_id, None)
            trial = history.begin() if own is None else own.trial
            if own is None:
                for epoch, value in zip(ended.epochs, ended.values, strict=True):
                    history.reaches(trial, epoch, value)
            history.end(trial, ended.objective)
        end = time.monotonic()
        self._next = end + min(READ_EVERY, 20 * (end - begin))

    def _of(self, kind: str) -> _History:
        if kind not in self._histories:
            self._histories[kind] = _History(copy.deepcopy(self._pruner), self._direction)
        return self._histories[kind]


class _History:
    """An Optuna study in memory of the runs of one search, each a trial, and its pruner."""

    def __init__(self, pruner: Any, direction: Direction) -> None:
        import optuna

        self._pruner, self._storage = pruner, optuna.storages.InMemoryStorage()
        with errors_alone():
            # A name that stays, for Hyperband deals trials to brackets by it, and a study can be renamed.
            self._study = optuna.create_study(study_name="runs", storage=self._storage, direction=direction)

    def begin(self) -> int:
        """A new trial."""
        return int(self._storage.create_new_trial(self._study._study_id))

    def reaches(self, trial: int, epoch: int, value: float) -> bool:
        """Whether a trial is to be stopped that has reached this value."""
        self._storage.set_trial_intermediate_value(trial, epoch, value)
        return bool(self._pruner.prune(self._study, self._storage.get_trial(trial)))

    def end(self, trial: int, objective: float | None) -> None:
        """A trial has ended: with a value, or stopped."""
        from optuna.trial import TrialState

        state = TrialState.PRUNED if objective is None else TrialState.COMPLETE
        self._storage.set_trial_state_values(trial, state, None if objective is None else [objective])


def _read(file: Path) -> dict[int, float]:
    """What a run has reported before it was interrupted; a line that was cut is the last one."""
    curve: dict[int, float] = {}
    with contextlib.suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            epoch, value = json.loads(line)
            curve = {known: old for known, old in curve.items() if known < epoch} | {epoch: value}
    return curve


def _append(file: Path, epoch: int, value: float) -> None:
    with contextlib.suppress(OSError), file.open("a") as out:  # without it a run that is resumed has its tail alone
        out.write(f"{json.dumps([epoch, value])}\n")
