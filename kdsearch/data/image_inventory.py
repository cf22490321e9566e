"""Which image sets are there, and whether their files are whole: for ``kdsearch data list`` and ``verify``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kdsearch.data.image_cifar import CifarFinder
from kdsearch.data.image_cifar_files import OFFICIAL
from kdsearch.data.image_cifar_files import SUBSET
from kdsearch.data.image_cifar_files import WHOLE
from kdsearch.data.image_cifar_files import JpegReader
from kdsearch.data.image_cifar_files import OfficialReader
from kdsearch.data.image_cifar_files import SubsetReader
from kdsearch.data.image_folders import folder_reader
from kdsearch.data.image_folders import image_folders
from kdsearch.data.image_places import below
from kdsearch.data.image_places import official_root
from kdsearch.data.image_sets import Stl10Finder
from kdsearch.data.image_sets import VocFinder
from kdsearch.data.image_stl10 import FOLDER
from kdsearch.data.image_voc import VOC_PARTS
from kdsearch.data.images import PARTS
from kdsearch.data.images import Reader
from kdsearch.errors import DataError


def readers(root: Path | None) -> Iterator[tuple[str, Path, Reader]]:
    """Name, place and reader of each image set that is found, in all its forms."""
    for which, inner in OFFICIAL.items():
        folder = official_root(root, inner, which)
        if folder is not None:
            yield which, folder / inner, OfficialReader(folder, which)
    for name, reader in ((WHOLE, JpegReader), (SUBSET, SubsetReader)):
        path = below(root, "cifar10", name)
        if path is not None:
            yield "cifar10", path, reader(path)
    folder = official_root(root, FOLDER, "stl10")
    if folder is not None:
        yield "stl10", folder / FOLDER, Stl10Finder().find(root)
    for year in VOC_PARTS:
        inner = f"VOCdevkit/VOC{year}"
        folder = official_root(root, inner, "voc")
        if folder is not None:
            yield f"voc{year}", folder / inner, VocFinder(year).find(root)
    for folder in image_folders(root):
        yield folder.name, folder, folder_reader(folder, folder.name)


def standins(root: Path | None) -> Iterator[tuple[str, Reader]]:
    """What stands in for a set of which nothing is found."""
    if not any(name == "cifar10" for name, _, _ in readers(root)):
        yield "cifar10", CifarFinder("cifar10").find(root)


def image_findings(root: Path | None) -> Iterator[tuple[Path, bool, str]]:
    """Read all image sets to their end: file, whether it is whole, and what there is or what is wrong.

    One finding a set, or one for each broken file of it.
    """
    for _, path, reader in readers(root):
        broken = [(file, False, why) for file, why in reader.faults()]
        yield from broken or [_whole(path, reader)]


def _whole(path: Path, reader: Reader) -> tuple[Path, bool, str]:
    try:
        labels, fingerprint = reader.labels(), reader.fingerprint()
    except DataError as error:
        return path, False, str(error)
    counts = ", ".join(f"{len(getattr(labels, part))} {part}" for part in PARTS)
    classes = len(labels.classes)
    return path, True, f"{reader.words}: {counts} images of {classes} classes, fingerprint {fingerprint}"
