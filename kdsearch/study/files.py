"""Files that a study file names by a relative path: looked for beside that file, then in the working directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

_FOLDER: ContextVar[Path | None] = ContextVar("folder of the study file", default=None)


@contextlib.contextmanager
def beside(folder: Path | None) -> Iterator[None]:
    """While it is open, studies that are declared look for their files in this folder first."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def folder_in_force() -> Path | None:
    """The folder of the study file that is being read; ``None`` for a study that no file declares."""
    return _FOLDER.get()


def places(given: str | Path, folder: Path | None) -> dict[Path, str]:
    """Where a file may lie that was given so, first place first, each with words that say what it is."""
    path = Path(given).expanduser()
    if path.is_absolute():
        return {path.resolve(): ""}
    found = {} if folder is None else {(folder / path).resolve(): " (beside the study file)"}
    found.setdefault(path.resolve(), " (in the working directory)")
    return found


def find(given: str | Path, folder: Path | None) -> Path | None:
    """The first place that holds the file, or ``None`` where none does."""
    return next((path for path in places(given, folder) if path.is_file()), None)


def said(given: str | Path, folder: Path | None) -> str:
    """The places in words, for errors."""
    return " or at ".join(f"{path}{words}" for path, words in places(given, folder).items())
