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


def headline(text: str) -> str:
    """The line of an error's text that says what went wrong: of a traceback the last one, else the first one.

    Where the first one announces the last lines of a program, the very last follows it.
    """
    lines = [line for line in text.strip().splitlines() if line.strip()] or ["no message"]
    if lines[0].startswith("Traceback "):
        return lines[-1]
    return f"{lines[0]} {lines[-1].strip()}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
