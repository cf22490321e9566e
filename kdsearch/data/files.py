"""Hashing of files, remembered while they do not change, and whole-or-nothing writing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import IO

from kdsearch.errors import DataError

Stamp = tuple[str, int, int]


def stamp(path: Path) -> Stamp:
    """Path, modification time (ns) and size (bytes): what a cached reading of the file is keyed by."""
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file; came {error.strerror}. Restore it.") from error
    return str(path), state.st_mtime_ns, state.st_size


def digest(path: Path) -> str:
    """Sha256 of the file's bytes, 64 hex digits; read again only after its time or size changed."""
    return _digest(stamp(path))


@lru_cache(maxsize=65536)
def _digest(key: Stamp) -> str:
    with open(key[0], "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined(parts: Iterable[str]) -> str:
    """One hash of 16 hex digits over lines of text."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> Path:
    """Write through a temporary file beside ``path``: a killed process leaves the old file or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # Without it the new name itself may be lost with the power.
    finally:
        os.close(folder)
    return path
