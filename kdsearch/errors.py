"""Errors that a user reads: what was expected, what was found, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KdsearchError(Exception):
    """Base class of the errors that the command line prints as a message without a traceback."""


class StudyFileError(KdsearchError):
    """A study file cannot be imported, declares no study, or declares one that cannot run."""


class StudyMismatch(KdsearchError):
    """The ledger holds another study under the same name."""


class DataError(KdsearchError):
    """A data file is missing, foreign, truncated or unsafe; the message names it."""


class LedgerError(KdsearchError):
    """The ledger cannot be reached or refuses what was asked."""


class StudyDeleted(LedgerError):
    """Somebody deleted a study, or a run of it, while it was looked at."""


class RunInterrupted(Exception):
    """Raised inside a training run whose lease is lost or whose worker is asked to stop.

    It is no failure of the run: the checkpoint stays, and the next worker resumes the run.
    """


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean 'alpha'? Known: alpha, rate`` for an unknown name; only what is known where none resembles it."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return (f"did you mean {near[0]!r}? Known: " if near else "known: ") + ", ".join(names)
