"""Errors that a user is meant to read: what was expected, what came, what to do next."""

from __future__ import annotations


class KdsearchError(Exception):
    """Base of every error that the command line prints as a message instead of a traceback."""


class StudyFileError(KdsearchError):
    """A study file cannot be imported, declares no study, or declares one that cannot run."""


class StudyMismatch(KdsearchError):
    """The ledger holds another study under the same name."""


class DataError(KdsearchError):
    """A data file is missing, foreign, truncated or unsafe; the message names it."""


class LedgerError(KdsearchError):
    """The ledger cannot be reached or refuses what was asked."""


class RunInterrupted(Exception):
    """Raised inside a training run whose lease is gone or whose worker is asked to stop.

    Not an error of the run: the checkpoint stays and the run is trained on by its next holder.
    """
