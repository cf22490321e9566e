"""Files: hashes that are remembered while they do not change, archives, and whole-or-nothing writing."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kdsearch.errors import DataError

_AGAIN = "Get it again, or pack it again where `kdsearch data pack` made it."

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


def read_npz(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz, never unpickling; ``DataError`` for a damaged, foreign or unsafe file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
        unsafe = [name for name in members if "/" in name or "\\" in name or ":" in name or ".." in name]
        if unsafe:
            raise DataError(f"{path}: expected plain array names; came {unsafe[0]!r}, a path. Do not use this file.")
        missing = [key for key in keys if f"{key}.npy" not in members]
        if missing:
            raise DataError(f"{path}: expected arrays {', '.join(keys)}; without {', '.join(missing)}. {_AGAIN}")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in keys}
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: expected a whole .npz archive; came a truncated or other file. {_AGAIN}") from error
    except (ValueError, EOFError, OSError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: expected plain numeric and text arrays; came: {error}. {_AGAIN}") from error


def check_zip(path: Path) -> None:
    """Read an archive to its end, also arrays that training does not read; ``DataError`` names a damaged one."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise DataError(f"{path}: expected whole arrays; came a damaged {damaged}. Get it again.")


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
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


def write_bytes(path: Path, content: bytes) -> Path:
    """Write these bytes as ``write_whole`` writes."""
    return write_whole(path, lambda file: file.write(content))


def safe_extract(archive: Path, destination: Path) -> Path:
    """Unpack a .zip or .tar.gz into ``destination`` and return it.

    ``DataError``, before anything is written, when a member's name is absolute or leaves the folder, or a member is a
    link or a device; also when the file is no such archive or is damaged.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for info in packed.infolist():
                    _check(archive, info.filename, not stat.S_ISLNK(info.external_attr >> 16))
                packed.extractall(destination)
        elif archive.is_file() and tarfile.is_tarfile(archive):
            with tarfile.open(archive) as file:
                for member in file.getmembers():
                    _check(archive, member.name, member.isfile() or member.isdir())
                file.extractall(destination, filter="data")
        else:
            raise DataError(f"{archive}: expected a .zip or .tar.gz archive; came another file. Download it again.")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive}: expected a whole archive; came: {error}. Download it again.") from error
    return destination


def _check(archive: Path, name: str, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    leaves = path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]
    if leaves or not plain:
        what = "a path that leaves the folder" if leaves else "a link or device"
        raise DataError(
            f"{archive}: expected plain files and folders; came {name!r}, {what}. Nothing was written; do not use this "
            "file."
        )
