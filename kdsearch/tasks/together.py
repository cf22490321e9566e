"""Jobs as members: the way of a worker's runs into the loop's slots and out again."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

from kdsearch.tasks.base import Job
from kdsearch.tasks.base import Jobs
from kdsearch.tasks.base import RunResult
from kdsearch.training.members import Member


class JobSource:
    """A ``Source`` for the loop that is fed by ``jobs``.

    ``begin`` makes a member of a job, ``end`` a result of an ended one. An exception in either is that run's own: it is
    told to ``jobs.failed``, and the others train on.
    """

    def __init__(self, jobs: Jobs, begin: Callable[[Job], Member], end: Callable[[Job, Member], RunResult]) -> None:
        self.jobs = jobs
        self.begin = begin
        self.end = end
        self._jobs: dict[int, Job] = {}

    def claim(self, free: int) -> Sequence[Member]:
        """See ``Source.claim``: what ``jobs`` gives at once; where all of it fails to begin, it is asked again."""
        members: list[Member] = []
        while not members and (claimed := self.jobs.claim(free)):
            for job in claimed:
                try:
                    member = self.begin(job)
                except Exception as error:
                    self.jobs.failed(job, error)
                    continue
                self._jobs[id(member)] = job
                members.append(member)
        return members

    def ended(self, members: Sequence[Member]) -> None:
        """See ``Source.ended``."""
        results: list[tuple[Job, RunResult | None]] = []
        for member in members:
            job = self._jobs.pop(id(member))
            try:
                results.append((job, None if member.interrupted else self.end(job, member)))
            except Exception as error:
                self.jobs.failed(job, error)
        if results:
            self.jobs.ended(results)
