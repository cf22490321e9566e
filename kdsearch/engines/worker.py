"""The body that every worker shares: claim, train, renew, store, and hand back what it cannot finish."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable

from kdsearch import settings
from kdsearch.engines.artifacts import MissingArtifact
from kdsearch.engines.devices import worker_name
from kdsearch.engines.execution import clear_workspace
from kdsearch.engines.execution import execute
from kdsearch.engines.heartbeat import Heartbeat
from kdsearch.engines.studyfile import LoadedStudy
from kdsearch.errors import KdsearchError
from kdsearch.errors import LedgerError
from kdsearch.errors import RunInterrupted
from kdsearch.errors import StudyFileError
from kdsearch.ledger.leases import Lease
from kdsearch.ledger.leases import Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord

_BATCH_SECONDS = 0.5
_LARGEST_CLAIM = 32
_IDLE_SECONDS = 0.2
_PLAN_SECONDS = 1.0
_OTHERS_FIRST_SECONDS = 2.0
_MOST_IN_A_ROW = 5
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class NothingWorks(KdsearchError):
    """Run after run raises in this worker: its process is broken, or the task is."""


class Worker:
    """Trains runs of one study until it is finished or ``should_stop`` says so.

    ``advance``: called when there is nothing to claim; lets the planner decide, so that a study goes on whoever lives,
    and returns how many orders it gave.
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
    ) -> None:
        self.ledger = ledger
        self.loaded = loaded
        self.record = record
        self.study_id = record.id
        self.device = device
        self.name = worker_name()
        self.advance = advance
        self._asked_to_stop = should_stop
        self.data_hash = loaded.study.trained.fingerprint()
        self.run_seconds = _BATCH_SECONDS
        self.heartbeat = Heartbeat(ledger, record.id)
        self._failed_here: set[int] = set()
        self._failures_in_a_row = 0

    def run_until_finished(self, *, plan_every_batch: bool = False) -> None:
        """Work until the study is finished, stopped, or ``should_stop``.

        ``plan_every_batch``: plan after each batch, where nobody else plans ahead.
        """
        planned, idle = float("-inf"), 0
        try:
            while not self.should_stop():
                if self.run_batch():
                    idle = 0
                    if plan_every_batch:
                        self.advance()
                    continue
                orders = 0
                if time.monotonic() - planned >= _PLAN_SECONDS:
                    orders, planned = self.advance(), time.monotonic()
                state = self.ledger.study_by_id(self.study_id)
                if state.phase == "finished" or state.stop_requested:
                    return
                if orders:
                    planned = float("-inf")
                    continue
                time.sleep(_IDLE_SECONDS)
                idle += 1
                if idle * _IDLE_SECONDS >= _OTHERS_FIRST_SECONDS:
                    self._failed_here.clear()  # no other worker took them
        finally:
            self.close()

    def should_stop(self) -> bool:
        """Whether this worker was told to stop, by its caller or through the ledger."""
        return self._asked_to_stop() or self.heartbeat.stop_requested

    def run_batch(self) -> int:
        """Claim some runs, train them and store their results; returns how many were claimed.

        Long runs are claimed one by one; of runs that take milliseconds several at once, stored together.
        """
        limit = max(1, min(_LARGEST_CLAIM, int(_BATCH_SECONDS / max(self.run_seconds, 1e-3))))
        leases = self.ledger.claim(self.study_id, self.name, limit, sorted(self._failed_here))
        self.heartbeat.hold(leases)
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
        return len(leases)

    def close(self) -> None:
        """Hand back what is still held and end the heartbeat."""
        held = self.heartbeat.held()
        self.heartbeat.close()
        if held:
            self.ledger.release(held)

    def _train(self, lease: Lease) -> Outcome | None:
        begin = time.monotonic()

        def report(epoch: int, objective: float) -> None:
            if self.should_stop() or not self.heartbeat.holds(lease):
                raise RunInterrupted

        if self.should_stop() or not self.heartbeat.holds(lease):
            return None
        try:
            outcome = execute(
                self.loaded.study,
                self.record,
                lease,
                code_hash=self.loaded.code_hash,
                data_hash=self.data_hash,
                device=self.device,
                report=report,
            )
        except RunInterrupted:
            return None  # released by close(), or lost already; the checkpoint stays
        except (LedgerError, MissingArtifact, StudyFileError):
            raise  # faults of the place or of the file: this worker ends, the run goes back to the queue untouched
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise KdsearchError(
                    f"the disk is full: {error}. Free some space below {settings.home()} and launch again; "
                    "nothing finished is lost, this run goes back to the queue."
                ) from error
            self._fail(lease, traceback.format_exc())
            return None
        except KdsearchError as error:
            self._fail(lease, str(error))
            return None
        except (Exception, SystemExit):
            self._fail(lease, traceback.format_exc())
            return None
        self._failures_in_a_row = 0
        self.run_seconds = 0.5 * self.run_seconds + 0.5 * (time.monotonic() - begin)
        return outcome

    def _store(self, outcomes: list[Outcome]) -> None:
        if not outcomes:
            return
        accepted = self.ledger.finish(outcomes)
        self.heartbeat.drop({outcome.lease.run_id for outcome in outcomes})
        for outcome in outcomes:
            run_id = outcome.lease.run_id
            if run_id in accepted:
                clear_workspace(self.record, run_id)
            else:
                message = f"run {run_id}: a late result of attempt {outcome.lease.attempt} was discarded"
                self.ledger.log_event(self.study_id, "discarded", message, run_id=run_id)

    def _fail(self, lease: Lease, error: str) -> None:
        """Record an exception. The run is left to other workers first, and this one ends when nothing works in it.

        Some faults are the worker's and not the run's (a GPU's context after an error, a full memory): a worker that
        fails everything would otherwise fail every run of the study.
        """
        state = self.ledger.fail(self.study_id, lease, error)
        self.heartbeat.drop({lease.run_id})
        self._failed_here.add(lease.run_id)
        self._failures_in_a_row += 1
        if state == "failed":
            clear_workspace(self.record, lease.run_id)
        if self._failures_in_a_row >= _MOST_IN_A_ROW:
            last = (error.strip().splitlines() or ["no message"])[-1]
            raise NothingWorks(
                f"{self._failures_in_a_row} runs in a row raised an exception in this worker, the last one:\n  {last}\n"
                f"The whole traceback: kdsearch logs {lease.run_id}. Mend the cause and launch again; "
                "--retry-failed brings back runs that failed for good."
            )
