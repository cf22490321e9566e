"""Where data may lie: under a root, in ``jhmdb`` or ``JHMDB`` below it, packed or as the official files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kdsearch.data.clips import Modality, Source, Table
from kdsearch.data.jhmdb.archive import FILES, open_archive, open_archive_table
from kdsearch.data.jhmdb.official import media_folder, open_official, open_official_table
from kdsearch.data.jhmdb.standin import open_standin
from kdsearch.data.roots import data_root


@dataclass(frozen=True)
class Location:
    """What a modality is read from: a packed file, a folder of official files, or nothing (``path`` None: stand-in)."""

    kind: Literal["archive", "official", "stand-in"]
    path: Path | None = None


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
