"""Pascal VOC as classification of several classes an image."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.images.base import Part
from kdsearch.data.images.files import FilesReader
from kdsearch.data.images.locate import official
from kdsearch.errors import DataError

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
VOC_PARTS: dict[str, dict[Part, str]] = {
    "2007": {"train": "trainval", "test": "test"},
    "2012": {"train": "train", "test": "val"},
}
"""Of 2012 no labels of the test part were published: val tests."""


@dataclass(frozen=True)
class VocReader(FilesReader):
    """Which of 20 classes an image shows, of objects that are not difficult; ``path`` holds ``VOCdevkit``."""

    year: str = "2007"

    def listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        """See ``FilesReader``."""
        return _voc(self.path, self.year, part)

    def class_names(self) -> tuple[str, ...]:
        """See ``FilesReader``."""
        return VOC_CLASSES


@lru_cache(maxsize=4)
def _voc(path: Path, year: str, part: Part) -> list[tuple[str, NDArray[np.uint8]]]:
    name = VOC_PARTS[year][part]
    how = (
        f'Get them with torchvision.datasets.VOCDetection("{path}", year="{year}", image_set="{name}", download=True).'
    )
    make = lambda datasets: datasets.VOCDetection(str(path), year=year, image_set=name, download=False)  # noqa: E731
    found = official(make, path / "VOCdevkit" / f"VOC{year}", how)
    return [(image, shown(Path(target))) for image, target in zip(found.images, found.targets, strict=True)]


def shown(annotation: Path) -> NDArray[np.uint8]:
    """Which classes an image shows: 1, 0, or 255 where all objects of the class are marked as difficult."""
    try:
        objects = ElementTree.parse(annotation).getroot().findall("object")
        rows = [(str(item.findtext("name")), item.findtext("difficult", "0").strip() == "1") for item in objects]
        places = [(VOC_CLASSES.index(name), difficult) for name, difficult in rows]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{annotation}: expected VOC's annotation of an image; came: {error}. Get it again.") from error
    found = np.zeros(len(VOC_CLASSES), np.uint8)
    for place, difficult in places:
        if not difficult:
            found[place] = 1
        elif found[place] == 0:
            found[place] = 255
    return found
