"""Faults that are not a run's: they end a worker, and its runs go back to the queue untouched."""

from __future__ import annotations

import contextlib
import errno
import os

from kdsearch import environment
from kdsearch.engines.artifacts import MissingArtifact
from kdsearch.engines.shared_store import StoreUnreachable
from kdsearch.errors import KdsearchError, LedgerError, StudyFileError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_TOO_MANY_FILES = os.strerror(errno.EMFILE)


class DiskFull(KdsearchError):
    """The disk takes no more; the message says where to make room."""


class NothingWorks(KdsearchError):
    """Run after run raises in this worker: its process is broken, or the task is."""


class WornOut(NothingWorks):
    """Runs worked in this process and do not any more, as where they leave files open: a new one is needed."""


INFRASTRUCTURE = (LedgerError, MissingArtifact, StoreUnreachable, StudyFileError, DiskFull, NothingWorks)
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


def needs_new_process(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that this process has too many files open."""
    seen: list[BaseException] = []
    while error is not None and not any(error is other for other in seen):
        with contextlib.suppress(Exception):  # one whose own text fails
            if getattr(error, "errno", None) == errno.EMFILE or _TOO_MANY_FILES in str(error):
                return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False
