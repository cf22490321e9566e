"""Where the videos of UCF101 and HMDB51 and their lists lie below a root, and the table of the listed clips."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from kdsearch.data.action.lists import Listed, files_of, read_lists
from kdsearch.data.action.sets import ActionSet
from kdsearch.data.clips import ClipTable, few
from kdsearch.data.files import Stamp, combined, stamp
from kdsearch.data.roots import data_root, search_path
from kdsearch.data.video import frames_in
from kdsearch.errors import DataError

VIDEO = ".avi"
_COMPACT = "official_lists.tar.gz"
_LOOKED_AT = 20  # entries of a folder that may be a class's: a foreign one can hold a million


def media_folder(dataset: ActionSet, root: Path | None) -> Path | None:
    """The folder that holds ``<class>/<video>.avi`` or ``<class>/<video>/*.jpg``; None where there is none."""
    for base in search_path(root, *dataset.bases):
        for folder in (base, *(base / name for name in dataset.media)):
            if folder.is_dir() and _holds(dataset, folder):
                return folder
    return None


def lists_location(dataset: ActionSet, root: Path | None, split: int) -> Path | None:
    """The folder of text lists, the table or the archive from which a split is read; None where there is none."""
    bases = search_path(root, *dataset.bases)
    for base in bases:
        for folder in (*(base / name for name in dataset.lists), base):
            if files_of(dataset, folder, split):
                return folder
    for base in bases:
        for folder in (base / "action_splits", base):
            for name in (f"{dataset.key}.csv", _COMPACT):
                if (folder / name).is_file():
                    return folder / name
    return None


def listed(dataset: ActionSet, media: Path, root: Path | None, split: int) -> tuple[Listed, ...]:
    """The clips of a split of the videos in ``media``; ``DataError`` where its lists are missing."""
    location = lists_location(dataset, root, split)
    if location is None:
        raise DataError(
            f"{media}: expected the official lists of split {split} beside the videos; found none. Put "
            f"{dataset.example} (from {dataset.source}) or action_splits/{dataset.key}.csv below {data_root(root)}."
        )
    return read_lists(dataset, location, split)


def find_clips(dataset: ActionSet, media: Path, wanted: Sequence[Listed]) -> list[Path]:
    """The file or folder of each clip; ``DataError`` counts and names those that are missing. No frame is read."""
    folders = {entry.name.lower(): Path(entry.path) for entry in _entries(media) if entry.is_dir()}
    held, found = dict[str, dict[str, os.DirEntry[str]]](), list[os.DirEntry[str] | None]()
    for row in wanted:
        if row.class_name not in held:
            folder = folders.get(row.class_name.lower())
            held[row.class_name] = {} if folder is None else _clips_in(folder)
        found.append(held[row.class_name].get(row.name))
    missing = [f"{row.class_name}/{row.name}" for row, entry in zip(wanted, found, strict=True) if entry is None]
    if missing:
        raise DataError(
            f"{media}: expected all {len(wanted)} videos that the lists name; {len(missing)} are missing: "
            f"{few(missing)}. Unpack {dataset.title}'s archive again, or declare classes=(...) that "
            "are whole."
        )
    return [Path(entry.path) for entry in found if entry is not None]


def _holds(dataset: ActionSet, folder: Path) -> bool:
    for entry in _entries(folder):
        if entry.is_dir():
            with os.scandir(entry.path) as inner:
                stems = [_stem(clip) for clip in islice(inner, _LOOKED_AT)]
            if any(stem is not None and dataset.is_clip(entry.name, stem) for stem in stems):
                return True
    return False


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: expected a readable folder; came {error.strerror}. Restore it.") from error


def _clips_in(folder: Path) -> dict[str, os.DirEntry[str]]:
    clips = dict[str, os.DirEntry[str]]()
    for entry in _entries(folder):
        stem = _stem(entry)
        if stem is not None and (stem not in clips or entry.is_file()):  # a video before a folder of its frames
            clips[stem] = entry
    return clips


def _stem(entry: os.DirEntry[str]) -> str | None:
    """The clip's name; None for a file of another kind."""
    if entry.is_dir():
        return entry.name
    return entry.name[: -len(VIDEO)] if entry.name.endswith(VIDEO) else None


def _content(path: Path) -> str:
    # The videos are 7 GB: their sizes change with their content nearly always, and reading them takes a minute a run.
    return _frames_content(stamp(path)) if path.is_dir() else str(path.stat().st_size)


@lru_cache(maxsize=65536)
def _frames_content(key: Stamp) -> str:
    images = frames_in(Path(key[0]))
    sizes = "".join(f" {image.stat().st_size}" for image in (*images[:1], *images[-1:]))
    return f"{len(images)} frames{sizes}"


def of_classes(dataset: ActionSet, rows: tuple[Listed, ...], only: tuple[str, ...] | None) -> tuple[Listed, ...]:
    """The clips of the classes ``only``; ``DataError`` names those that are not in the lists."""
    if only is None:
        return rows
    classes = {row.class_name for row in rows}
    unknown = [name for name in only if name not in classes]
    if unknown:
        raise DataError(
            f"classes: expected classes of {dataset.title}, such as {', '.join(sorted(classes)[:3])}; came "
            f"{', '.join(unknown)}. Correct them."
        )
    return tuple(row for row in rows if row.class_name in only)


def table_of(rows: Sequence[Listed]) -> ClipTable:
    """One row a clip in the given order; ``splits`` has one column, that of the split at hand."""
    # The official numbers of the classes: "Hammering" before "HammerThrow".
    classes = sorted({row.class_name for row in rows}, key=str.lower)
    return ClipTable.of(classes, [(row.class_name, row.name, row.group, [row.part]) for row in rows])


def content_of(rows: Sequence[Listed], paths: Sequence[Path]) -> str:
    """Hash of names and content of the clips, 16 hex digits.

    Not of their parts: UCF101's three splits hold the same clips and share one file of decoded ones.
    """
    return combined(f"{row.class_name}/{row.name} {_content(path)}" for row, path in zip(rows, paths, strict=True))
