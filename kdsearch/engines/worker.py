"""The body that every worker shares: claim, train, renew, store, and hand back what it cannot finish."""

from __future__ import annotations

import os
import re
import time
import traceback
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from kdsearch.engines import outputs
from kdsearch.engines.curve_stops import stopper_of
from kdsearch.engines.execution import clear_workspace, job_of, outcome_of, stopped_outcome, workspace
from kdsearch.engines.failures import NothingWorks, WornOut, needs_new_process, raise_if_infrastructure
from kdsearch.engines.heartbeat import Heartbeat
from kdsearch.engines.shared_checkpoints import SharedCheckpoint
from kdsearch.engines.shared_store import shared_store
from kdsearch.engines.study_file import LoadedStudy
from kdsearch.engines.worker_names import worker_name
from kdsearch.errors import KdsearchError, RunInterrupted, headline
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.tasks.base import Job, RunResult
from kdsearch.tasks.unchanged_process import users_code

_BATCH_SECONDS = 0.5
_LARGEST_CLAIM = 32
_IDLE_SECONDS = 0.2
_PLAN_SECONDS = 1.0
_OTHERS_FIRST_SECONDS = 2.0
_GRACE_SECONDS = 60.0
WATCHED_GRACE_SECONDS = 15.0
"""How long a run may go on once its worker is told to stop; less where a launcher would kill it."""

_MOST_IN_A_ROW = 5
_MOST_ALIKE = 3
"""Of runs that end with the very same error, before any has worked: the study's code is wrong, not a run."""

_MOST_AFTER_WORK = 20
_MOST_OF_A_SEED = 25
_SEEDS = 3
"""Where fewer seeds than this failed, and for several configurations, it is first of all the seeds."""


class Worker:
    """Trains runs of one study, one after the other, until it is finished or ``should_stop`` says so.

    ``advance``: called when there is nothing to claim; lets the planner decide, so that a study goes on whoever lives,
    and returns how many orders it gave. ``parent``: as :func:`worker_name` takes it. ``leave``: ends this process; it
    is called where a run goes on long after the worker was told to stop.
    """

    def __init__(
        self,
        ledger: Ledger,
        loaded: LoadedStudy,
        record: StudyRecord,
        *,
        device: str = "cpu",
        advance: Callable[[], int] = lambda: 0,
        should_stop: Callable[[], bool] = lambda: False,
        parent: int | None = None,
        leave: Callable[[], None] | None = None,
    ) -> None:
        self.ledger = ledger
        self.loaded = loaded
        self.record = record
        self.study_id = record.id
        self.device = device
        self.name = worker_name(parent=parent)
        self.advance = advance
        self._asked_to_stop = should_stop
        self.data_hash = loaded.study.task.fingerprint()
        self.run_seconds = _BATCH_SECONDS
        grace = WATCHED_GRACE_SECONDS if parent not in (None, os.getpid()) else _GRACE_SECONDS
        self.heartbeat = Heartbeat(ledger, record.id, should_stop, leave, grace)
        self.stopper = stopper_of(ledger, loaded.study, record)
        self._checkpoints: dict[int, SharedCheckpoint] = {}
        self._failed_here: set[int] = set()
        self._failing: list[Lease] = []  # in a row, each for the first time
        self._errors: list[str] = []  # theirs
        self._worked: set[bool] = set()  # whether students (False) and teachers (True) were trained here
        self._planned = float("-inf")
        self._plans_itself = False

    def run_until_finished(self, *, plan_every_batch: bool = False) -> None:
        """Work until the study is finished, stopped, or ``should_stop``.

        ``plan_every_batch``: plan after each batch, where nobody else plans ahead.
        """
        idle, self._plans_itself = 0, plan_every_batch
        try:
            while not self.should_stop():
                if self.run_batch():
                    idle = 0
                    if plan_every_batch:
                        self.advance()
                    continue
                orders = self.plan()
                state = self.ledger.study_by_id(self.study_id)
                if state.over:
                    return
                if orders:
                    self._planned = float("-inf")
                    continue
                if plan_every_batch and self._failed_here:
                    self._failed_here.clear()  # there is nobody to leave them to
                    continue
                time.sleep(_IDLE_SECONDS)
                idle += 1
                if idle * _IDLE_SECONDS >= _OTHERS_FIRST_SECONDS:
                    self._failed_here.clear()  # no other worker took them
        finally:
            self.close()

    @property
    def has_worked(self) -> bool:
        """Whether any run has been trained here without an exception."""
        return bool(self._worked)

    def should_stop(self) -> bool:
        """Whether this worker was told to stop, by its caller or through the ledger."""
        return self._asked_to_stop() or self.heartbeat.stop_requested

    def run_batch(self) -> int:
        """Claim some runs, train them and store their results; returns how many were claimed.

        Long runs are claimed one by one; of runs that take milliseconds several at once, stored together.
        """
        limit = max(1, min(_LARGEST_CLAIM, int(_BATCH_SECONDS / max(self.run_seconds, 1e-3))))
        leases = self.claim(limit)
        self.train_in_turn(leases)
        return len(leases)

    def claim(self, limit: int, *, joins: bool = False) -> list[Lease]:
        """Lease up to ``limit`` runs, with ``joins`` to train beside others, and keep their leases alive."""
        leases = self.ledger.claim(self.study_id, self.name, limit, sorted(self._failed_here), joins=joins)
        self.heartbeat.hold(leases)
        return leases

    def plan(self) -> int:
        """Let the planner decide, at most once a second where somebody else does too; how many orders it gave."""
        if not self._plans_itself and time.monotonic() - self._planned < _PLAN_SECONDS:
            return 0
        orders, self._planned = self.advance(), time.monotonic()
        return orders

    def train_in_turn(self, leases: Sequence[Lease]) -> None:
        """Train runs one by one; of short ones several results are stored together."""
        ready: list[Outcome] = []
        begin = time.monotonic()
        try:
            for lease in leases:
                outcome = self._train(lease)
                if outcome is not None:
                    ready.append(outcome)
                if ready and time.monotonic() - begin > _BATCH_SECONDS:
                    stored, ready, begin = ready, [], time.monotonic()
                    self._store(stored)
        finally:
            self._store(ready)  # whatever ends this worker, what is trained is kept

    def close(self) -> None:
        """Hand back what is still held and end the heartbeat."""
        held = self.heartbeat.held()
        self.heartbeat.close()
        if held:
            self.ledger.release(held)

    def job(self, lease: Lease) -> Job:
        """A leased run as its task sees it."""

        shared = self._shared(lease)
        if shared is not None and lease.attempt > 1:
            shared.bring()

        def interrupted() -> bool:
            return self.should_stop() or not self.heartbeat.holds(lease)

        def report(epoch: int, objective: float) -> None:
            stops = interrupted()
            if shared is not None:
                shared.send(now=stops)
            if stops or (stopper is not None and stopper.stops(lease, epoch, objective)):
                raise RunInterrupted

        stopper = self.stopper
        if stopper is not None and not stopper.begin(lease, workspace(self.record, lease.run_id)):
            stopper = None
        study, code_hash = self.loaded.study, self.loaded.code_hash
        told = {"code_hash": code_hash, "device": self.device}
        return job_of(study, self.record, lease, **told, report=report, interrupted=interrupted)

    def store(self, results: Sequence[tuple[Lease, RunResult | None]]) -> None:
        """Store the results of runs that ended together, in one transaction; ``None``: of one that was interrupted.

        Such a run stays held, and who closes this worker hands it back, unless its curve has stopped it.
        """
        outcomes = []
        for lease, result in results:
            if result is None:
                outcomes += [] if (stopped := self.stopped(lease)) is None else [stopped]
                continue
            try:
                outcomes.append(self._outcome(lease, result))
            except KdsearchError as error:
                self.fail(lease, error)
        self._works([outcome.lease for outcome in outcomes])
        self._store(outcomes)

    def stopped(self, lease: Lease) -> Outcome | None:
        """What is stored of a run that its curve has stopped; ``None`` for one that was interrupted."""
        result = None if self.stopper is None else self.stopper.result(lease, self.device)
        if result is None:
            return None
        return stopped_outcome(lease, result, code_hash=self.loaded.code_hash, data_hash=self.data_hash)

    def fail(self, lease: Lease, error: BaseException) -> None:
        """Record an exception of one run, or raise it: infrastructure errors end this worker.

        So does a run that has opened all files that a process may: those after it would fail for its sake.
        """
        raise_if_infrastructure(error)
        full = needs_new_process(error)
        if full and self.has_worked:
            raise WornOut(f"this process has too many files open after its runs: {error}") from error
        known = isinstance(error, KdsearchError)
        self._fail(lease, str(error) if known else "".join(traceback.format_exception(error)))
        if full and self.ledger.ended_runs(self.study_id, failed=False):
            raise WornOut(f"this process has too many files open after a run that failed: {error}") from error

    def _train(self, lease: Lease) -> Outcome | None:
        begin = time.monotonic()
        if self.should_stop() or not self.heartbeat.holds(lease):
            return None
        try:
            job = self.job(lease)
            with users_code():
                outcome = self._outcome(lease, self.loaded.study.task.train(job.request, job.context))
        except RunInterrupted:
            if (stopped := self.stopped(lease)) is not None:
                self._works([lease])
                return stopped
            if self.should_stop() or not self.heartbeat.holds(lease):
                return None  # released by close(), or lost already; the checkpoint stays
            said = "the function called report of another run: each run is given one of its own, which ends with it"
            self.fail(lease, KdsearchError(said))
            return None
        except (Exception, SystemExit) as error:
            self.fail(lease, error)
            return None
        self._works([lease])
        self.run_seconds = 0.5 * self.run_seconds + 0.5 * (time.monotonic() - begin)
        return outcome

    def _shared(self, lease: Lease) -> SharedCheckpoint | None:
        """The run's checkpoint in the store that all machines share, where there is one."""
        store = shared_store()
        if store is None:
            return None
        name = f"runs/{self.record.uid}/{lease.run_id}"
        return self._checkpoints.setdefault(
            lease.run_id, SharedCheckpoint(store, name, workspace(self.record, lease.run_id))
        )

    def _clear(self, lease: Lease) -> None:
        """Remove the files of a run that has ended, but for what its program printed."""
        clear_workspace(self.record, lease.run_id)
        outputs.share(self.record, lease.run_id, lease.attempt)
        shared = self._checkpoints.pop(lease.run_id, None)
        if shared is not None and (shared.sent or lease.attempt > 1):
            shared.remove()

    def _outcome(self, lease: Lease, result: RunResult) -> Outcome:
        chance = self.loaded.study.task.chance
        return outcome_of(lease, result, chance=chance, code_hash=self.loaded.code_hash, data_hash=self.data_hash)

    def _store(self, outcomes: list[Outcome]) -> None:
        if not outcomes:
            return
        try:
            accepted = self.ledger.finish(outcomes)
        except (sa.exc.StatementError, ValueError) as error:
            if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, sa.exc.DataError | sa.exc.IntegrityError):
                raise
            self._store_one_by_one(outcomes, error)
            return
        self.heartbeat.drop([outcome.lease for outcome in outcomes])
        for outcome in outcomes:
            run_id = outcome.lease.run_id
            if run_id in accepted:
                self._clear(outcome.lease)
            else:
                message = f"run {run_id}: a late result of attempt {outcome.lease.attempt} was discarded"
                self.ledger.log_event(self.study_id, "discarded", message, run_id=run_id)

    def _store_one_by_one(self, outcomes: list[Outcome], error: Exception) -> None:
        """Something in these results fits no column: it is the fault of one run, and no loss of the others."""
        if len(outcomes) > 1:
            for outcome in outcomes:
                self._store([outcome])
            return
        said = (str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__])[0]
        self._fail(outcomes[0].lease, f"the result of this run cannot be stored: {said}")

    def _fail(self, lease: Lease, error: str) -> None:
        """Record an exception. The run is left to other workers first, and this one ends when nothing works in it.

        Some faults are the worker's and not the run's (a GPU's context after an error, a full memory): a worker that
        fails everything would otherwise fail every run of the study.
        """
        state = self.ledger.fail(self.study_id, lease, error)
        self.heartbeat.drop([lease])
        self._failed_here.add(lease.run_id)
        outputs.share(self.record, lease.run_id, lease.attempt)
        # One that fails again where others of its kind work is to blame itself: where settings fail, they always do.
        if lease.failures == 0 or (lease.pool == "teacher") not in self._worked:
            self._failing.append(lease)
            self._errors.append(_alike(error))
        if state == "failed":
            self._clear(lease)
        if self._nothing_works():
            how = "raised an exception in this worker, the last one"
            if len(set(self._errors)) == 1:
                how = "ended with the same error in this worker"
            raise (WornOut if self.has_worked else NothingWorks)(
                f"{len(self._failing)} runs in a row {how}:\n  {headline(error)}\n"
                f"The whole traceback: kdsearch logs {lease.run_id}. Mend the cause and launch again; "
                "--retry-failed brings back runs that failed for good."
            )

    def _nothing_works(self) -> bool:
        """Whether what failed in a row tells of the worker; a bad fresh seed fails for all configurations."""
        seeds, configurations = ({getattr(lease, key) for lease in self._failing} for key in ("seed", "name"))
        seed_alone = len(seeds) < len(configurations) and len(seeds) < _SEEDS
        works = bool(self._failing) and (self._failing[-1].pool == "teacher") in self._worked
        last = self._errors[-_MOST_ALIKE:]
        alike = len(last) == _MOST_ALIKE and len(set(last)) == 1
        most = _MOST_AFTER_WORK if works else _MOST_ALIKE if alike else _MOST_IN_A_ROW
        return len(self._failing) >= (_MOST_OF_A_SEED if seed_alone else most)

    def _works(self, leases: Sequence[Lease]) -> None:
        if leases:
            self._worked |= {lease.pool == "teacher" for lease in leases}
            self._failing.clear()
            self._errors.clear()


def _alike(error: str) -> str:
    """What an error is, whichever run it ended: its first and its last line, without addresses and numbers."""
    lines = error.strip().splitlines() or [""]
    return re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?(e[-+]?\d+)?", "#", f"{lines[0]}\n{lines[-1]}")
