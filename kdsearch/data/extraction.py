"""Unpacking of downloaded archives that may not write outside their folder."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from kdsearch.errors import DataError


def safe_extract(archive: Path, destination: Path) -> Path:
    """Unpack a .zip or .tar.gz into ``destination`` and return it.

    ``DataError``, before anything is written, when a member's name is absolute or leaves the folder, or a member is a
    link or a device; also when the file is no such archive or is damaged.
    """
    try:
        if zipfile.is_zipfile(archive):
            _extract_zip(archive, destination)
        elif archive.is_file() and tarfile.is_tarfile(archive):
            _extract_tar(archive, destination)
        else:
            raise DataError(f"{archive}: expected a .zip or .tar.gz archive; came another file. Download it again.")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive}: expected a whole archive; came: {error}. Download it again.") from error
    return destination


def _extract_zip(archive: Path, destination: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            _check_name(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                _refuse(archive, member.filename, "a link")
        file.extractall(destination)


def _extract_tar(archive: Path, destination: Path) -> None:
    with tarfile.open(archive) as file:
        for member in file.getmembers():
            _check_name(archive, member.name)
            if not (member.isfile() or member.isdir()):
                _refuse(archive, member.name, "a link or device")
        file.extractall(destination, filter="data")


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]:
        _refuse(archive, name, "a path that leaves the folder")


def _refuse(archive: Path, name: str, what: str) -> None:
    raise DataError(
        f"{archive}: expected plain files and folders; came {name!r}, {what}. Nothing was written; "
        "do not use this file."
    )
