"""A copy of the user's folder for one run, for programs that write beside their source."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from kdsearch.errors import StudyFileError

LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules"}
    | {".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".ipynb_checkpoints"}
)
"""Names of folders that no run needs a copy of."""

_LARGEST_BYTES = 2**30
_MOST_FILES = 20_000


def make_copy(folder: Path, target: Path, linked: Sequence[str]) -> Path:
    """Copy ``folder`` to ``target``; what ``linked`` names, below the folder, is linked to instead."""
    shutil.rmtree(target, ignore_errors=True)
    links = _named(folder, linked)
    kept_out = {*links, _home(), target.resolve()}

    def leave_out(place: str, names: list[str]) -> set[str]:
        return {name for name in names if not _copied(Path(place, name), kept_out)}

    shutil.copytree(folder, target, symlinks=True, ignore=leave_out)
    _mend_links(folder, target)
    for path in links:
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path, target_is_directory=path.is_dir())
    return target


def _home() -> Path:
    """The folder of databases and runs, which may lie below the user's; imported late: training needs none."""
    from kdsearch import environment

    return environment.home().resolve()


def _mend_links(folder: Path, target: Path) -> None:
    """Let relative links that leave the folder lead where they did: they would lead elsewhere from the copy."""
    for place, folders, files in os.walk(target):
        for path in (Path(place, name) for name in (*folders, *files)):
            if not path.is_symlink() or path.readlink().is_absolute():
                continue
            meant = (folder / path.relative_to(target)).resolve()
            if not meant.is_relative_to(folder.resolve()):
                path.unlink()
                path.symlink_to(meant, target_is_directory=meant.is_dir())


def check_copy(folder: Path, linked: Sequence[str]) -> None:
    """Raise ``StudyFileError`` where a name to link is not there, or the copy would be large."""
    links = _named(folder, linked)
    for path in links:
        if not path.exists():
            raise StudyFileError(f"linked names {path.relative_to(folder)}, and there is no such file in {folder}")
    size = count = 0
    for path in _files(folder, {*links, _home()}):
        size, count = size + path.lstat().st_size, count + 1
        if size > _LARGEST_BYTES or count > _MOST_FILES:
            raise StudyFileError(
                f"copy=True would copy more than {_LARGEST_BYTES >> 30} GiB or {_MOST_FILES} files of {folder} for "
                "each run; name folders that runs only read, such as data, by linked=('data',)"
            )


def _named(folder: Path, linked: Sequence[str]) -> list[Path]:
    return [folder / name for name in linked]


def _files(folder: Path, kept_out: Set[Path]) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _copied(Path(place, name), kept_out)]
        yield from (path for name in files if (path := Path(place, name)) not in kept_out)


def _copied(path: Path, kept_out: Set[Path]) -> bool:
    """Whether a file or folder is part of a copy: not kdsearch's own, nor the copy itself."""
    return path.name not in LEFT_OUT and path not in kept_out and path.resolve() not in kept_out
