"""Which image sets are there, and whether their files are whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from kdsearch.data.image_cifar import OFFICIAL
from kdsearch.data.image_cifar import SUBSET
from kdsearch.data.image_cifar import WHOLE
from kdsearch.data.image_cifar import CifarFinder
from kdsearch.data.image_cifar import JpegReader
from kdsearch.data.image_cifar import OfficialReader
from kdsearch.data.image_cifar import SubsetReader
from kdsearch.data.image_places import below
from kdsearch.data.image_places import official_root
from kdsearch.data.image_sets import Stl10Reader
from kdsearch.data.image_sets import VocReader
from kdsearch.data.images import PARTS
from kdsearch.data.images import Reader
from kdsearch.data.images import Rows
from kdsearch.errors import DataError


def readers(root: Path | None) -> Iterator[tuple[str, Path, Reader]]:
    """Name, place and reader of each image set that is found, in all forms; folders of images are not looked for."""
    names: tuple[Literal["cifar10", "cifar100"], ...] = ("cifar10", "cifar100")
    for which in names:
        folder = official_root(root, OFFICIAL[which], which)
        if folder is not None:
            yield which, folder / OFFICIAL[which], OfficialReader(folder, which)
    for name, reader in ((WHOLE, JpegReader), (SUBSET, SubsetReader)):
        path = below(root, "cifar10", name)
        if path is not None:
            yield "cifar10", path, reader(path)
    folder = official_root(root, "stl10_binary", "stl10")
    if folder is not None:
        yield "stl10", folder / "stl10_binary", Stl10Reader(folder)
    for year in ("2007", "2012"):
        folder = official_root(root, f"VOCdevkit/VOC{year}", "voc")
        if folder is not None:
            yield f"voc{year}", folder, VocReader(f"voc{year}", f"Pascal VOC {year}", path=folder, year=year)


def standins(root: Path | None) -> Iterator[tuple[str, Reader]]:
    """What stands in for a set of which nothing is found."""
    if not any(name == "cifar10" for name, _, _ in readers(root)):
        yield "cifar10", CifarFinder("cifar10").find(root)


def fault(path: Path, reader: Reader) -> tuple[bool, str]:
    """Whether all labels and images can be read, and what there is or what is wrong."""
    try:
        labels = reader.labels()
        rows: Rows = {"train": np.arange(len(labels.train)), "test": np.arange(len(labels.test))}
        pixels = reader.pixels(rows, None)
    except DataError as error:
        return False, str(error)
    counts = ", ".join(f"{len(rows[part])} {part}" for part in PARTS)
    return True, f"{reader.words}: {counts} images of {len(labels.classes)} classes, {pixels.shape[2]} pixels"
