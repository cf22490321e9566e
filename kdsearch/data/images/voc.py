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
from typing_extensions import Unpack, override

from kdsearch.data.declaration import shows
from kdsearch.data.images.base import Part
from kdsearch.data.images.declaration import ImageDeclaration, ImageOptions, declare
from kdsearch.data.images.files import FilesReader
from kdsearch.data.images.locate import OfficialFinder, official
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
    """Which of 20 classes an image shows, of objects that are not difficult; ``where`` is a year's folder."""

    @override
    def listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        return _voc(self.where, part)

    @override
    def class_names(self) -> tuple[str, ...]:
        return VOC_CLASSES


def voc_reader(where: Path) -> VocReader:
    """The reader of a year's folder."""
    return VocReader(where, f"voc{_year(where)}", f"Pascal VOC {_year(where)}")


def _year(where: Path) -> str:
    return where.name.removeprefix("VOC")


@lru_cache(maxsize=4)
def _voc(where: Path, part: Part) -> list[tuple[str, NDArray[np.uint8]]]:
    year, above = _year(where), str(where.parent.parent)
    name = VOC_PARTS[year][part]

    def make(datasets: Any) -> Any:
        return datasets.VOCDetection(above, year=year, image_set=name, download=False)

    how = f'torchvision.datasets.VOCDetection("{above}", year="{year}", image_set="{name}", download=True)'
    found = official(make, where, f"Get them with {how}.")
    return [(image, shown(Path(target))) for image, target in zip(found.images, found.targets, strict=True)]


def shown(annotation: Path) -> NDArray[np.uint8]:
    """Which classes an image shows: 1, 0, or 255 where all objects of the class are marked as difficult."""
    try:
        objects = ElementTree.parse(annotation).getroot().findall("object")
        names = [VOC_CLASSES.index(str(item.findtext("name"))) for item in objects]
        difficult = [item.findtext("difficult", "0").strip() == "1" for item in objects]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{annotation}: expected VOC's annotation of an image; came: {error}. Get it again.") from error
    found = np.zeros(len(VOC_CLASSES), np.uint8)
    for name, hard in zip(names, difficult, strict=True):
        if not hard:
            found[name] = 1
        elif found[name] == 0:
            found[name] = 255
    return found


def _finder(year: str) -> OfficialFinder:
    sets = " and ".join(f'"{name}"' for name in VOC_PARTS[year].values())
    how = f'VOCDetection("<that folder>", year="{year}", image_set=..., download=True) for {sets}'
    inner, eleven_points = f"VOCdevkit/VOC{year}", year == "2007"  # all points since
    return OfficialFinder(voc_reader, f"Pascal VOC {year}", inner, "voc", how, True, eleven_points)


VOC = {year: _finder(year) for year in VOC_PARTS}


@shows(ImageOptions)
def voc(year: str = "2007", **options: Unpack[ImageOptions]) -> ImageDeclaration:
    """Declare Pascal VOC with several classes an image: of 2007 trainval and test, of 2012 train and val.

    Options are the fields of :class:`ImageDeclaration`. Images are scaled and cut to the task's ``size`` (default 224).
    ``DataError`` for another year.
    """
    if year not in VOC_PARTS:
        raise DataError(f"year {year!r}: expected one of {', '.join(VOC_PARTS)}, as text.")
    return declare(VOC[year], **options)
