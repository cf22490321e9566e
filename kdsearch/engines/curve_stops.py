"""Runs that a pruner of Optuna stops by their curves."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kdsearch.ledger.leases import Lease
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.search.optuna_space import errors_alone
from kdsearch.study.budget import OptunaSearch
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import RunResult

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

READ_EVERY = 5.0
"""Seconds between two looks at the runs that have ended, at most; less where a look takes less than a twentieth."""


def stopper_of(ledger: Ledger, study: Study, record: StudyRecord) -> CurveStops | None:
    """What stops the runs of a study by their curves; mostly nothing."""
    if not isinstance(study.search, OptunaSearch) or study.search.pruner is None:
        return None
    return CurveStops(ledger, record, study.search.pruner, 1.0 if study.direction == "maximize" else -1.0)


@dataclass
class _Training:
    """A run that trains here: its trial, when it began, what it has reported, and whether it is to end."""

    trial: int
    began: float
    epochs: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    stopped: bool = False


class CurveStops:
    """Asks a pruner of Optuna at each report of a search run whether to stop it.

    To the pruner each run is a trial of an Optuna study in memory, which maximizes: those that have ended anywhere, and
    those that train in this process. It is asked at each epoch of a run that ended elsewhere too, since pruners note in
    a trial how far it came. Others' runs are looked up every few seconds.
    """

    def __init__(self, ledger: Ledger, record: StudyRecord, pruner: Any, sign: float) -> None:
        import optuna

        self._ledger, self._study_id, self._pruner, self._sign = ledger, record.id, pruner, sign
        self._storage = optuna.storages.InMemoryStorage()
        with errors_alone():
            # A name that stays, for Hyperband deals trials to brackets by it, and a study can be renamed.
            self._study = optuna.create_study(study_name="runs", storage=self._storage, direction="maximize")
        self._training: dict[int, _Training] = {}
        self._known: set[int] = set()
        self._next = float("-inf")

    def begin(self, lease: Lease) -> None:
        """A run begins, or goes on after an interruption."""
        known = self._training.get(lease.run_id)
        trial = self._trial() if known is None else known.trial
        self._training[lease.run_id] = _Training(trial, time.monotonic())

    def stops(self, lease: Lease, epoch: int, objective: float) -> bool:
        """Whether the run is to end now, having reached this objective after so many epochs."""
        run = self._training[lease.run_id]
        if not run.stopped and math.isfinite(objective):
            self._refresh()
            run.epochs.append(int(epoch))
            run.values.append(float(objective))
            run.stopped = self._reaches(run.trial, int(epoch), self._sign * float(objective))
        return run.stopped

    def result(self, lease: Lease, device: str) -> RunResult | None:
        """The curve of a run that was stopped, as a result without a value; ``None`` for one that was not."""
        run = self._training.get(lease.run_id)
        if run is None or not run.stopped:
            return None
        curve = {"epoch": [float(epoch) for epoch in run.epochs], "objective": run.values}
        seconds = time.monotonic() - run.began
        return RunResult(
            "done", math.nan, epoch=run.epochs[-1], epochs=run.epochs[-1], curve=curve, seconds=seconds, device=device
        )

    def _refresh(self) -> None:
        begin = time.monotonic()
        if begin < self._next:
            return
        from optuna.trial import TrialState

        for ended in self._ledger.ended_curves(self._study_id, self._known):
            self._known.add(ended.run_id)
            own = self._training.pop(ended.run_id, None)
            trial = self._trial() if own is None else own.trial
            if own is None:
                for epoch, value in zip(ended.epochs, ended.values, strict=True):
                    self._reaches(trial, epoch, self._sign * value)
            if ended.objective is None:
                self._storage.set_trial_state_values(trial, TrialState.PRUNED)
            else:
                self._storage.set_trial_state_values(trial, TrialState.COMPLETE, [self._sign * ended.objective])
        end = time.monotonic()
        self._next = end + min(READ_EVERY, 20 * (end - begin))

    def _trial(self) -> int:
        return int(self._storage.create_new_trial(self._study._study_id))

    def _reaches(self, trial: int, epoch: int, value: float) -> bool:
        self._storage.set_trial_intermediate_value(trial, epoch, value)
        frozen: FrozenTrial = self._storage.get_trial(trial)
        return bool(self._pruner.prune(self._study, frozen))
