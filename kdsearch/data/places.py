"""Where data may lie: under a root, in ``jhmdb`` or ``JHMDB`` below it, packed or as the official files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kdsearch.data.archive import FILES
from kdsearch.data.archive import open_archive
from kdsearch.data.archive import open_archive_table
from kdsearch.data.official import media_folder
from kdsearch.data.official import open_official
from kdsearch.data.official import open_official_table
from kdsearch.data.standin import open_standin
from kdsearch.data.table import Modality
from kdsearch.data.table import Source
from kdsearch.data.table import Table
from kdsearch.errors import DataError

VARIABLE = "KDSEARCH_DATA"


@dataclass(frozen=True)
class Location:
    """What a modality is read from: a packed file, a folder of official files, or nothing (``path`` None: stand-in)."""

    kind: Literal["archive", "official", "stand-in"]
    path: Path | None = None


def data_root(root: Path | None) -> Path | None:
    """The given root, else the folder that KDSEARCH_DATA names, else None; ``DataError`` when it is no folder."""
    named = os.environ.get(VARIABLE, "").strip()
    if root is None and not named:
        return None
    folder = Path(named) if root is None else root
    if not folder.is_dir():
        whose = f"{VARIABLE}={named}" if root is None else str(root)
        raise DataError(
            f"{whose}: expected a folder that holds JHMDB (such as {FILES['poses']}); there is none. "
            f"Correct the path, or name none (neither --data nor {VARIABLE}) to train on the stand-in."
        )
    return folder


def bases(root: Path) -> tuple[Path, ...]:
    """The folders in which JHMDB is looked for, in order."""
    return root, root / "jhmdb", root / "JHMDB"


def has_official(base: Path, modality: Modality) -> bool:
    """Whether official files of a modality lie under ``base``.

    Lists may be missing: opening then says so, which is better than a stand-in in place of data that are there.
    """
    return media_folder(base, modality) is not None


def locate(modality: Modality, root: Path | None = None) -> Location:
    """Find a modality: in each place the packed archive before the official files; else the stand-in."""
    folder = data_root(root)
    for base in () if folder is None else bases(folder):
        if modality in FILES and (base / FILES[modality]).is_file():
            return Location("archive", base / FILES[modality])
        if has_official(base, modality):
            return Location("official", base)
    return Location("stand-in")


def open_source(location: Location, modality: Modality, size: int = 112) -> Source:
    """Open what ``locate`` found. ``size``: height and width of RGB frames in pixels."""
    if location.path is None:
        return open_standin(modality, size)
    if location.kind == "archive":
        return open_archive(location.path, modality)
    return open_official(location.path, modality, size)


def open_table(location: Location, modality: Modality) -> Table:
    """The table of what ``locate`` found, without reading a frame."""
    if location.path is None:
        return open_standin(modality).table
    if location.kind == "archive":
        return open_archive_table(location.path)
    return open_official_table(location.path, modality)
