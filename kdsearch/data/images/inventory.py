"""Which image sets there are, and whether their files are whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from kdsearch.data.images.base import PARTS, Reader
from kdsearch.data.images.cifar import CIFAR10, CIFAR100, Cifar10Finder, JpegReader, SubsetReader
from kdsearch.data.images.folders import folder_reader, image_folders
from kdsearch.data.images.locate import below
from kdsearch.data.images.stl10 import STL10
from kdsearch.data.images.voc import VOC
from kdsearch.data.inventory import SYNTHETIC, Available, Finding, finding_of, row_of


def readers(root: Path | None) -> Iterator[tuple[str, Reader]]:
    """Name and reader of each image set that is found, in all its forms."""
    for finder in (CIFAR10, CIFAR100, STL10, *VOC.values()):
        reader = finder.look(root)
        if reader is not None:
            yield reader.kind, reader
    for archive in (JpegReader, SubsetReader):
        path = below(root, "cifar10", archive.file)
        if path is not None:
            yield "cifar10", archive(path)
    for folder in image_folders(root):
        yield folder.name, folder_reader(folder, folder.name)


def available(root: Path | None) -> list[Available]:
    """One row a set, and one for the synthetic data where there is no CIFAR-10."""
    found = list(readers(root))
    rows = [row_of(name, "images", reader.where, partial(_counts, reader)) for name, reader in found]
    if not any(name == "cifar10" for name, _ in found):
        drawn = Cifar10Finder().find(root)
        rows.append(row_of("cifar10", "images", drawn.description, partial(_counts, drawn)))
    return rows


def verify(root: Path | None) -> Iterator[Finding]:
    """Read all image sets to their end: one finding a set, or one for each broken file of it."""
    for _, reader in readers(root):
        broken = [Finding(file, False, why) for file, why in reader.faults()]
        yield from broken or [finding_of(reader.where, partial(_summary, reader))]


def _counts(reader: Reader) -> tuple[int, int, str]:
    labels = reader.labels()
    fingerprint = SYNTHETIC if reader.is_synthetic else reader.fingerprint()
    return len(labels.train) + len(labels.test), len(labels.classes), fingerprint


def _summary(reader: Reader) -> str:
    labels, fingerprint = reader.labels(), reader.fingerprint()
    counts = ", ".join(f"{len(getattr(labels, part))} {part}" for part in PARTS)
    return f"{reader.description}: {counts} images of {len(labels.classes)} classes, fingerprint {fingerprint}"
