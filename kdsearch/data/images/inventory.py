"""Which image sets are there, and whether their files are whole: for ``kdsearch data list`` and ``verify``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kdsearch.data.findings import Available, Finding
from kdsearch.data.images.base import PARTS, Reader
from kdsearch.data.images.cifar import CifarFinder
from kdsearch.data.images.cifar_files import OFFICIAL, SUBSET, WHOLE, JpegReader, OfficialReader, SubsetReader
from kdsearch.data.images.folders import folder_reader, image_folders
from kdsearch.data.images.locate import below, official_root
from kdsearch.data.images.sets import Stl10Finder, VocFinder
from kdsearch.data.images.stl10 import FOLDER
from kdsearch.data.images.voc import VOC_PARTS
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


def available_images(root: Path | None) -> Iterator[Available]:
    """One row a set, and one for what stands in for CIFAR-10 where that is not there."""
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


def verify_images(root: Path | None) -> Iterator[Finding]:
    """Read all image sets to their end.

    One finding a set, or one for each broken file of it.
    """
    for _, path, reader in readers(root):
        broken = [Finding(file, False, why) for file, why in reader.faults()]
        yield from broken or [_whole(path, reader)]


def _whole(path: Path, reader: Reader) -> Finding:
    try:
        labels, fingerprint = reader.labels(), reader.fingerprint()
    except DataError as error:
        return Finding(path, False, str(error))
    counts = ", ".join(f"{len(getattr(labels, part))} {part}" for part in PARTS)
    classes = len(labels.classes)
    return Finding(path, True, f"{reader.words}: {counts} images of {classes} classes, fingerprint {fingerprint}")
