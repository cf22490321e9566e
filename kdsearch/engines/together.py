"""A worker's leases as the runs of a population: claimed for free slots, stored together at the boundaries."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Protocol

from kdsearch.ledger.leases import Lease
from kdsearch.tasks.base import Job
from kdsearch.tasks.base import RunResult

_CLAIM_SECONDS = 0.2


class Holder(Protocol):
    """What a population needs of its worker."""

    def take(self, limit: int) -> list[Lease]:
        """Claim up to so many runs and hold them; none when the worker is to stop."""

    def job(self, lease: Lease) -> Job:
        """The lease as a task sees it."""

    def store(self, results: Sequence[tuple[Lease, RunResult]]) -> None:
        """Store results in one transaction."""

    def fail(self, lease: Lease, error: Exception) -> None:
        """Record an exception of one run, or raise it where it is the place's and not the run's."""


class LeasedJobs:
    """``Jobs`` of the runs in ``first``, then of what ``holder`` claims, as long as ``fits`` says yes.

    A run that does not fit (a teacher) ends the claiming: it waits in ``aside`` until the population has drained.
    """

    def __init__(self, holder: Holder, first: Sequence[Lease], fits: Callable[[Job], bool]) -> None:
        self.holder = holder
        self.fits = fits
        self.aside: list[Lease] = []
        self._first = list(first)
        self._leases: dict[int, Lease] = {}
        self._next_claim = float("-inf")

    def claim(self, free: int) -> Sequence[Job]:
        """See ``Jobs.claim``. After an empty queue it is not asked again at once: an epoch may last milliseconds."""
        leases, self._first = self._first[:free], self._first[free:]
        if not leases and not self.aside and time.monotonic() >= self._next_claim:
            leases = self.holder.take(free)
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
        pairs = [(self._leases.pop(id(job)), result) for job, result in results]
        ready = [(lease, result) for lease, result in pairs if result is not None]
        if ready:
            self.holder.store(ready)

    def failed(self, job: Job, error: Exception) -> None:
        """See ``Jobs.failed``."""
        self.holder.fail(self._leases.pop(id(job)), error)

    def running(self) -> list[Lease]:
        """Leases whose runs have begun and not ended."""
        return list(self._leases.values())

    def _prepared(self, lease: Lease) -> Job | None:
        try:
            return self.holder.job(lease)
        except Exception as error:
            self.holder.fail(lease, error)
            return None
