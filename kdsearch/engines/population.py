"""A worker whose runs train several at once: claimed for free slots, stored together at the boundaries."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from typing_extensions import override

from kdsearch.engines.failures import raise_if_infrastructure
from kdsearch.engines.layouts import ALONE
from kdsearch.engines.study_file import LoadedStudy
from kdsearch.engines.worker import Worker
from kdsearch.ledger.leases import Lease
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.tasks.base import Job, Jobs, Layout, Population, RunResult, TrainsTogether

_CLAIM_SECONDS = 0.2
T = TypeVar("T")


class LeasedJobs(Jobs):
    """A worker's leases as the runs of a population: those in ``first``, then what it claims, as long as ``fits``.

    A run that does not fit (a teacher) ends the claiming: it is ``deferred`` until the population has drained.
    ``broken``: the exception of the worker that ended the training, which is no fault of a step.
    """

    def __init__(self, worker: PopulationWorker, first: Sequence[Lease], fits: Callable[[Job], bool]) -> None:
        self.worker = worker
        self.fits = fits
        self.deferred: list[Lease] = []
        self.broken: BaseException | None = None
        self._first = list(first)
        self._leases: dict[int, Lease] = {}
        self._next_claim = float("-inf")

    @override
    def claim(self, free: int) -> Sequence[Job]:
        leases, self._first = self._first[:free], self._first[free:]
        if not leases and not self.deferred and time.monotonic() >= self._next_claim:
            leases = self._unbroken(lambda: self.worker.claim_for_slots(free, joins=True))
            if not leases:  # not asked again at once: an epoch may last milliseconds
                self._next_claim = time.monotonic() + _CLAIM_SECONDS
        jobs = []
        for lease in leases:
            job = self._prepared(lease)
            if job is None:
                continue
            if self.fits(job):
                self._leases[id(job)] = lease
                jobs.append(job)
            else:
                self.deferred.append(lease)
        return jobs

    @override
    def ended(self, results: Sequence[tuple[Job, RunResult | None]]) -> None:
        ready = [(self._leases[id(job)], result) for job, result in results]
        self._unbroken(lambda: self.worker.store(ready))
        for job, _ in results:
            del self._leases[id(job)]

    @override
    def failed(self, job: Job, error: Exception) -> None:
        lease = self._leases[id(job)]
        self._unbroken(lambda: self.worker.fail(lease, error))
        del self._leases[id(job)]

    def open(self) -> list[Lease]:
        """Leases of runs that have not ended, begun or not."""
        return [*self._first, *self._leases.values()]

    def _prepared(self, lease: Lease) -> Job | None:
        try:
            return self.worker.job(lease)
        except Exception as error:
            fault = error
        self._unbroken(lambda: self.worker.fail(lease, fault))
        return None

    def _unbroken(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except BaseException as error:
            self.broken = error
            raise


class PopulationWorker(Worker):
    """Trains runs of one study, ``layout.width`` at once as one population; ``given`` as ``Worker`` takes it."""

    def __init__(self, task: TrainsTogether, layout: Layout, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.task = task
        self.layout = layout
        self._population: Population | None = None  # kept: its slots serve the next runs too
        self.deferred: list[Lease] = []

    @override
    def run_batch(self) -> int:
        """Train runs until none is left for the population; returns how many there were to begin with.

        Its other runs (teachers, and runs that have failed before) train alone: those that come first before it, later
        ones once it has drained.
        """
        if self.layout.width == 1 and not self.deferred:
            return super().run_batch()
        leases, self.deferred = self.deferred or self.claim_for_slots(1), []
        alone = [lease for lease in leases if lease.pool == "teacher" or lease.failures]
        self.train_in_turn(alone)
        first = [lease for lease in leases if lease not in alone]
        if not first:
            return len(leases)
        jobs = LeasedJobs(self, first, lambda job: self.task.trains_together(job.request))
        try:
            if self._population is None:
                self._population = self.task.population(self.layout, self.device)
            self._population.train(jobs)
        except (Exception, SystemExit) as error:
            if jobs.broken is error:
                raise
            raise_if_infrastructure(error)
            self._narrow(jobs.open(), error)
        # What does not fit and is no teacher would come back for ever: it trains alone too.
        self.deferred = [lease for lease in jobs.deferred if lease.pool == "teacher"]
        self.train_in_turn([lease for lease in jobs.deferred if lease.pool != "teacher"])
        return len(leases)

    def claim_for_slots(self, free: int, *, joins: bool = False) -> list[Lease]:
        """Runs for free slots, with ``joins`` beside others; none when the worker is to stop.

        A quarter of the width at a boundary, so that other workers get their share of a short queue. Where there are
        none, the planner is asked as an idle worker asks it.
        """
        if self.should_stop():
            return []
        limit = min(free, max(1, self.layout.width // 4))
        return self.claim(limit, joins=joins) or (self.claim(limit, joins=joins) if self.plan() else [])

    def _narrow(self, leases: list[Lease], error: BaseException) -> None:
        """An exception in a common step is nobody's own: its runs go back to the queue, and fewer train at once.

        One by one, a run that raises is found out, and fails alone.
        """
        self._population = None
        width = self.layout.width // 2
        first = (str(error).strip().splitlines() or [""])[0]
        reason = (
            f"{self.layout.width} runs at once raised {type(error).__name__}: {first}; they are queued again, and this "
            f"worker goes on with {width} at once"
        )
        self.layout = Layout(width, self.layout.form) if width > 1 else ALONE
        self.ledger.release(leases)
        self.heartbeat.drop(leases)
        details = {"traceback": "".join(traceback.format_exception(error))}
        self.ledger.log_event(self.study_id, "population", reason, data=details)


def make_worker(
    ledger: Ledger, loaded: LoadedStudy, record: StudyRecord, layout: Layout = ALONE, **options: Any
) -> Worker:
    """A worker that trains so many runs at once, where the study's task trains several together; else one by one."""
    task = loaded.study.task
    if layout.width > 1 and isinstance(task, TrainsTogether):
        return PopulationWorker(task, layout, ledger, loaded, record, **options)
    return Worker(ledger, loaded, record, **options)
