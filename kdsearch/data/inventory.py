"""What data is there, and whether it is whole: for ``kdsearch data list`` and ``kdsearch data verify``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdsearch.data.action_inventory import available_actions
from kdsearch.data.action_inventory import verify_actions
from kdsearch.data.archive import FILES
from kdsearch.data.archive import open_archive
from kdsearch.data.image_inventory import image_findings
from kdsearch.data.image_inventory import readers
from kdsearch.data.image_inventory import standins
from kdsearch.data.official import lists_folder
from kdsearch.data.official import media_folder
from kdsearch.data.official import open_official
from kdsearch.data.official import read_lists
from kdsearch.data.places import Location
from kdsearch.data.places import bases
from kdsearch.data.places import data_root
from kdsearch.data.places import locate
from kdsearch.data.places import open_source
from kdsearch.data.table import MODALITIES
from kdsearch.data.table import Modality
from kdsearch.data.table import Source
from kdsearch.errors import DataError


@dataclass(frozen=True)
class Finding:
    """The verdict on one file or folder: whole or not, and in what way."""

    file: Path
    ok: bool
    message: str


@dataclass(frozen=True)
class Available:
    """One row of the list of data: where a modality is read from, how much there is, and its content's hash."""

    name: str
    modality: str
    where: str
    clips: int
    classes: int
    fingerprint: str


def available(root: Path | None = None) -> list[Available]:
    """One row a modality of JHMDB, one for each of UCF101 and HMDB51, and one a set of images.

    ``fingerprint`` is "stand-in" where no real data was found, and "unreadable" with no clips and the reason in
    ``where`` where it cannot be read.
    """
    rows = [_row(modality, locate(modality, root)) for modality in MODALITIES]
    return [*rows, *(Available(*row) for row in available_actions(root)), *_images(root)]


def _images(root: Path | None) -> Iterator[Available]:
    for name, path, reader in readers(root):
        try:
            labels = reader.labels()
            count, classes = len(labels.train) + len(labels.test), len(labels.classes)
            yield Available(name, "images", str(path), count, classes, reader.fingerprint())
        except DataError as error:
            yield Available(name, "images", str(error), clips=0, classes=0, fingerprint="unreadable")
    for name, reader in standins(root):
        labels = reader.labels()
        count = len(labels.train) + len(labels.test)
        yield Available(name, "images", reader.words, count, len(labels.classes), "stand-in")


def _row(modality: Modality, location: Location) -> Available:
    try:
        source = open_source(location, modality)
        fingerprint = "stand-in" if location.path is None else source.fingerprint()
    except DataError as error:
        return Available("jhmdb", modality, str(error), clips=0, classes=0, fingerprint="unreadable")
    where = "stand-in, not JHMDB" if location.path is None else str(location.path)
    return Available("jhmdb", modality, where, len(source.table), len(source.table.present), fingerprint)


def verify(root: Path | None = None) -> list[Finding]:
    """Read every archive and official file under ``root`` to its end; one finding each, empty where there is none."""
    findings, folder = list[Finding](), data_root(root)
    # On a file system that ignores case, jhmdb and JHMDB are one folder.
    places = [] if folder is None else {base.resolve(): base for base in bases(folder) if base.is_dir()}.values()
    for base in places:
        findings += [_archive(base / name, m) for m, name in FILES.items() if (base / name).is_file()]
        findings += _official(base)
    findings += [Finding(*row) for row in verify_actions(root)]
    findings += [Finding(*row) for row in image_findings(root)]
    return findings


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
