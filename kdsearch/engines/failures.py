"""Faults that are not a run's: they end a worker, and its runs go back to the queue untouched."""

from __future__ import annotations

import errno

from kdsearch import environment
from kdsearch.engines.artifacts import MissingArtifact
from kdsearch.errors import KdsearchError, LedgerError, StudyFileError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(KdsearchError):
    """The disk takes no more; the message says where to make room."""


class NothingWorks(KdsearchError):
    """Run after run raises in this worker: its process is broken, or the task is."""


INFRASTRUCTURE = (LedgerError, MissingArtifact, StudyFileError, DiskFull, NothingWorks)
"""Faults of the database, of files or of this process."""


def raise_if_infrastructure(error: BaseException) -> None:
    """Raise an infrastructure error, which is no fault of a run; a full disk as :class:`DiskFull`."""
    if isinstance(error, INFRASTRUCTURE):
        raise error
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        raise DiskFull(
            f"the disk is full: {error}. Free some space below {environment.home()} and launch again; "
            "nothing finished is lost, this run goes back to the queue."
        ) from error
