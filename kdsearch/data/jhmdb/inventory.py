"""What JHMDB there is, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from kdsearch.data.clips import MODALITIES, Modality
from kdsearch.data.files import check_zip
from kdsearch.data.inventory import SYNTHETIC, Available, Finding, finding_of, row_of
from kdsearch.data.jhmdb.archive import FILES, open_archive
from kdsearch.data.jhmdb.locate import Location, bases, locate, open_reader
from kdsearch.data.jhmdb.official import OfficialReader, lists_folder, media_folder, open_official, read_lists
from kdsearch.data.synthetic import not_real
from kdsearch.errors import DataError


def available(root: Path | None) -> list[Available]:
    """One row a modality."""
    return [_row(modality, locate(modality, root)) for modality in MODALITIES]


def verify(root: Path | None) -> Iterator[Finding]:
    """One finding for each archive and official file, each read to its end."""
    # On a file system that ignores case, jhmdb and JHMDB are one folder.
    for base in {base.resolve(): base for base in bases(root) if base.is_dir()}.values():
        for modality, name in FILES.items():
            if (base / name).is_file():
                yield finding_of(base / name, partial(_archive, base / name, modality))
        lists = lists_folder(base)
        if lists is not None:
            yield finding_of(lists, partial(_lists, lists))
        for media in ("poses", "masks", "frames"):  # Silhouettes are made of the masks' files.
            yield from _official(base, media)


def _row(modality: Modality, location: Location) -> Available:
    def read() -> tuple[int, int, str]:
        reader = open_reader(location, modality)
        reader.clip(0, 1)  # what is damaged or missing shows when frames are read
        fingerprint = SYNTHETIC if location.path is None else reader.fingerprint()
        return len(reader.table), len(reader.table.present), fingerprint

    return row_of("jhmdb", modality, location.path or not_real("JHMDB"), read)


def _archive(path: Path, modality: Modality) -> str:
    reader = open_archive(path, modality)
    reader.clip(0, 1)
    check_zip(path)
    return reader.summary()


def _lists(folder: Path) -> str:
    return f"split lists of {len(read_lists(folder))} clips"


def _official(base: Path, modality: Modality) -> list[Finding]:
    folder = media_folder(base, modality)
    if folder is None:
        return []
    try:
        reader = open_official(base, modality)
        paths = reader.paths
    except DataError as error:
        return [Finding(folder, False, str(error))]
    clips = [finding_of(path, partial(_clip, reader, row)) for row, path in enumerate(paths)]
    return [clip for clip in clips if not clip.ok] or [finding_of(folder, reader.summary)]


def _clip(reader: OfficialReader, row: int) -> str:
    return f"{len(reader.clip(row, None))} frames"
