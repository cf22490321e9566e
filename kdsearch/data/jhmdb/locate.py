"""Where JHMDB may lie: under a root, in ``jhmdb`` or ``JHMDB`` below it, packed or as the official files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kdsearch.data.clips import ClipReader, Modality
from kdsearch.data.jhmdb.archive import FILES, open_archive
from kdsearch.data.jhmdb.official import media_folder, open_official
from kdsearch.data.jhmdb.synthetic import open_synthetic
from kdsearch.data.roots import search_path


@dataclass(frozen=True)
class Location:
    """What a modality is read from: a packed file, a folder of official files, or nothing: then it is synthetic."""

    kind: Literal["archive", "official", "synthetic"]
    path: Path | None = None


def bases(root: Path | None) -> list[Path]:
    """The folders in which JHMDB is looked for, in order."""
    return search_path(root, "jhmdb", "JHMDB")


def locate(modality: Modality, root: Path | None = None) -> Location:
    """Find a modality: in each folder the packed archive before the official files.

    Lists may be missing: opening then says so, which is better than synthetic data in place of data that are there.
    """
    for base in bases(root):
        if modality in FILES and (base / FILES[modality]).is_file():
            return Location("archive", base / FILES[modality])
        if media_folder(base, modality) is not None:
            return Location("official", base)
    return Location("synthetic")


def open_reader(location: Location, modality: Modality, size: int = 112) -> ClipReader:
    """Open what ``locate`` found, without reading a frame. ``size``: height and width of RGB frames in pixels."""
    if location.path is None:
        return open_synthetic(modality, size)
    if location.kind == "archive":
        return open_archive(location.path, modality)
    return open_official(location.path, modality, size)
