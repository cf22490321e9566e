"""A worker's leases as the runs of a population: claimed for free slots, stored together at the boundaries."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from kdsearch.engines.failures import raise_if_of_the_place
from kdsearch.engines.layouts import ALONE
from kdsearch.ledger.leases import Lease
from kdsearch.tasks.base import Job, Layout, Population, RunResult, TrainsTogether

_CLAIM_SECONDS = 0.2
T = TypeVar("T")


class Holder(Protocol):
    """What a population needs of its worker."""

    def take(self, limit: int) -> list[Lease]:
        """Claim up to so many runs and hold them; none when the worker is to stop."""

    def job(self, lease: Lease) -> Job:
        """The lease as a task sees it."""

    def store(self, results: Sequence[tuple[Lease, RunResult]]) -> None:
        """Store results in one transaction."""

    def fail(self, lease: Lease, error: BaseException) -> None:
        """Record an exception of one run, or raise it where it is the place's and not the run's."""

    def train_in_turn(self, leases: Sequence[Lease]) -> None:
        """Train runs one by one."""

    def hand_back(self, leases: Sequence[Lease], reason: str, details: str) -> None:
        """Queue runs again; ``reason`` is one line for the ledger's events."""


class LeasedJobs:
    """``Jobs`` of the runs in ``first``, then of what ``holder`` claims, as long as ``fits`` says yes.

    A run that does not fit (a teacher) ends the claiming: it waits in ``aside`` until the population has drained.
    ``broken``: the exception of the holder that ended the training, which is no fault of a step.
    """

    def __init__(self, holder: Holder, first: Sequence[Lease], fits: Callable[[Job], bool]) -> None:
        self.holder = holder
        self.fits = fits
        self.aside: list[Lease] = []
        self.broken: BaseException | None = None
        self._first = list(first)
        self._leases: dict[int, Lease] = {}
        self._next_claim = float("-inf")

    def claim(self, free: int) -> Sequence[Job]:
        """See ``Jobs.claim``. After an empty queue it is not asked again at once: an epoch may last milliseconds."""
        leases, self._first = self._first[:free], self._first[free:]
        if not leases and not self.aside and time.monotonic() >= self._next_claim:
            leases = self._unbroken(lambda: self.holder.take(free))
            if not leases:
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
                self.aside.append(lease)
        return jobs

    def ended(self, results: Sequence[tuple[Job, RunResult | None]]) -> None:
        """See ``Jobs.ended``; an interrupted run stays held: who closes the worker hands it back."""
        ready = [(self._leases[id(job)], result) for job, result in results if result is not None]
        if ready:
            self._unbroken(lambda: self.holder.store(ready))
        for job, _ in results:
            del self._leases[id(job)]

    def failed(self, job: Job, error: Exception) -> None:
        """See ``Jobs.failed``."""
        lease = self._leases[id(job)]
        self._unbroken(lambda: self.holder.fail(lease, error))
        del self._leases[id(job)]

    def open(self) -> list[Lease]:
        """Leases of runs that have not ended, begun or not."""
        return [*self._first, *self._leases.values()]

    def _prepared(self, lease: Lease) -> Job | None:
        try:
            return self.holder.job(lease)
        except Exception as error:
            fault = error
        self._unbroken(lambda: self.holder.fail(lease, fault))
        return None

    def _unbroken(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except BaseException as error:
            self.broken = error
            raise


class PopulationTrainer:
    """Trains a worker's runs ``layout.width`` at once."""

    def __init__(self, holder: Holder, task: TrainsTogether, layout: Layout, device: str) -> None:
        self.holder = holder
        self.task = task
        self.layout = layout
        self.device = device
        self._population: Population | None = None  # kept: its slots serve the next runs too
        self._aside: list[Lease] = []

    def run(self) -> int:
        """Train runs until none is left for the population; how many there were to begin with.

        Its other runs (teachers) train alone: those that come first before it, later ones once it has drained.
        """
        leases, self._aside = self._aside or self.holder.take(1), []
        alone = [lease for lease in leases if lease.pool == "teacher"]
        self.holder.train_in_turn(alone)
        first = [lease for lease in leases if lease not in alone]
        if not first:
            return len(leases)
        jobs = LeasedJobs(self.holder, first, lambda job: self.task.together(job.request))
        try:
            if self._population is None:
                self._population = self.task.population(self.layout, self.device)
            self._population.train(jobs)
        except (Exception, SystemExit) as error:
            if jobs.broken is error:
                raise
            raise_if_of_the_place(error)
            self._narrow(jobs.open(), error)
        # What does not fit and is no teacher would come back for ever: it trains alone too.
        self._aside = [lease for lease in jobs.aside if lease.pool == "teacher"]
        self.holder.train_in_turn([lease for lease in jobs.aside if lease.pool != "teacher"])
        return len(leases)

    def _narrow(self, leases: list[Lease], error: BaseException) -> None:
        """An exception in a common step is nobody's own: its runs go back to the queue, and fewer train at once.

        One by one, a run that raises is found out, and fails alone.
        """
        self._population = None
        width = self.layout.width // 2
        said = (str(error).strip().splitlines() or [""])[0]
        reason = (
            f"{self.layout.width} runs at once raised {type(error).__name__}: {said}; they are queued again, and this "
            f"worker goes on with {width} at once"
        )
        self.layout = Layout(width, self.layout.form) if width > 1 else ALONE
        self.holder.hand_back(leases, reason, "".join(traceback.format_exception(error)))
