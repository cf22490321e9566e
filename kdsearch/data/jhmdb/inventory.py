"""What JHMDB there is, and whether it is whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

from kdsearch.data.clips import MODALITIES, Modality, Source
from kdsearch.data.findings import Available, Finding
from kdsearch.data.jhmdb.archive import FILES, open_archive
from kdsearch.data.jhmdb.locate import Location, bases, locate, open_source
from kdsearch.data.jhmdb.official import lists_folder, media_folder, open_official, read_lists
from kdsearch.data.roots import data_root
from kdsearch.errors import DataError


def available_jhmdb(root: Path | None) -> list[Available]:
    """One row a modality."""
    return [_row(modality, locate(modality, root)) for modality in MODALITIES]


def verify_jhmdb(root: Path | None) -> list[Finding]:
    """One finding for each archive and official file, each read to its end."""
    findings, folder = list[Finding](), data_root(root)
    # On a file system that ignores case, jhmdb and JHMDB are one folder.
    places = [] if folder is None else {base.resolve(): base for base in bases(folder) if base.is_dir()}.values()
    for base in places:
        findings += [_archive(base / name, m) for m, name in FILES.items() if (base / name).is_file()]
        findings += _official(base)
    return findings


def _row(modality: Modality, location: Location) -> Available:
    try:
        source = open_source(location, modality)
        fingerprint = "stand-in" if location.path is None else source.fingerprint()
    except DataError as error:
        return Available("jhmdb", modality, str(error), clips=0, classes=0, fingerprint="unreadable")
    where = "stand-in, not JHMDB" if location.path is None else str(location.path)
    return Available("jhmdb", modality, where, len(source.table), len(source.table.present), fingerprint)


def _archive(path: Path, modality: Modality) -> Finding:
    try:
        summary = _summary(open_archive(path, modality))
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # Arrays that training does not read may be damaged too.
    except DataError as error:
        return Finding(path, False, str(error))
    if damaged is not None:
        return Finding(path, False, f"{path}: expected whole arrays; came a damaged {damaged}. Download it again.")
    return Finding(path, True, summary)


def _official(base: Path) -> list[Finding]:
    findings, lists = list[Finding](), lists_folder(base)
    if lists is not None:
        try:
            findings.append(Finding(lists, True, f"split lists of {len(read_lists(lists))} clips"))
        except DataError as error:
            findings.append(Finding(lists, False, str(error)))
    for modality in ("poses", "masks", "frames"):  # Silhouettes are made of the masks' files.
        folder = media_folder(base, modality)
        if folder is None:
            continue
        try:
            source = open_official(base, modality)
        except DataError as error:
            findings.append(Finding(folder, False, str(error)))
            continue
        bad = [finding for row in range(len(source.table)) if (finding := _clip(source, row, source.paths[row]))]
        findings += bad or [Finding(folder, True, _summary(source))]
    return findings


def _clip(source: Source, row: int, path: Path) -> Finding | None:
    try:
        source.clip(row, None)
    except DataError as error:
        return Finding(path, False, str(error))
    return None


def _summary(source: Source) -> str:
    return f"{len(source.table)} clips of {len(source.table.present)} classes, fingerprint {source.fingerprint()}"
