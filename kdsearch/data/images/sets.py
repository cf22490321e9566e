"""Declarations of STL10, Pascal VOC, and folders of images a class such as ImageNet's and Places365's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsearch.data.images.base import Reader
from kdsearch.data.images.declaration import ImageDeclaration, declare
from kdsearch.data.images.folders import folder_reader, is_name
from kdsearch.data.images.locate import folders, missing, official_root, places_words
from kdsearch.data.images.stl10 import FOLDER, Stl10Reader
from kdsearch.data.images.voc import VOC_PARTS, VocReader
from kdsearch.errors import DataError


@dataclass(frozen=True)
class Stl10Finder:
    """Looks for ``stl10_binary``; there is no stand-in."""

    multi_label: bool = False
    eleven_points: bool = False

    def find(self, root: Path | None) -> Reader:
        """See ``Finder``."""
        folder = official_root(root, FOLDER, "stl10")
        if folder is None:
            raise missing(root, "STL10", FOLDER, "stl10", 'STL10("<that folder>", download=True)')
        return Stl10Reader(folder)


@dataclass(frozen=True)
class VocFinder:
    """Looks for a year of ``VOCdevkit``; there is no stand-in."""

    year: str
    multi_label: bool = True

    @property
    def eleven_points(self) -> bool:
        """Of 2007; all points since."""
        return self.year == "2007"

    def find(self, root: Path | None) -> Reader:
        """See ``Finder``."""
        inner = f"VOCdevkit/VOC{self.year}"
        folder = official_root(root, inner, "voc")
        if folder is None:
            sets = " and ".join(f'"{name}"' for name in VOC_PARTS[self.year].values())
            how = f'VOCDetection("<that folder>", year="{self.year}", image_set=..., download=True) for {sets}'
            raise missing(root, f"Pascal VOC {self.year}", inner, "voc", how)
        return VocReader(folder, f"voc{self.year}", f"Pascal VOC {self.year}", year=self.year)


@dataclass(frozen=True)
class FolderFinder:
    """Looks for folders ``train`` and ``val`` in a folder of this name, then in the root itself."""

    name: str
    multi_label: bool = False
    eleven_points: bool = False

    def find(self, root: Path | None) -> Reader:
        """See ``Finder``."""
        where = folders(root, self.name)
        for folder in [*where[1:], *where[:1]]:
            if (folder / "train").is_dir() and (folder / "val").is_dir():
                return folder_reader(folder, self.name)
        raise DataError(
            f"{self.name}: expected folders train and val, of one folder of images a class, {places_words(root)} "
            f"(directly or in {self.name}); found none. Put them there, or name another root."
        )


def stl10(
    *,
    train: int | None = None,
    test: int | None = None,
    folds: int | None = None,
    validation: float | None = None,
    holdout: str | None = None,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare STL10's labelled images; reads nothing yet. Arguments as in :class:`ImageDeclaration`.

    ``DataError`` where there is none when it is used.
    """
    return declare(Stl10Finder(), train, test, folds, validation, split_seed, classes, root, holdout)


def voc(
    year: str = "2007",
    *,
    train: int | None = None,
    test: int | None = None,
    folds: int | None = None,
    validation: float | None = None,
    holdout: str | None = None,
    split_seed: int = 0,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare Pascal VOC with several classes an image: of 2007 trainval and test, of 2012 train and val.

    Arguments as in :class:`ImageDeclaration`. Images are scaled and cut to the task's ``size`` (default 224).
    ``DataError`` for another year.
    """
    if year not in VOC_PARTS:
        raise DataError(f"year {year!r}: expected one of {', '.join(VOC_PARTS)}, as text.")
    return declare(VocFinder(year), train, test, folds, validation, split_seed, None, root, holdout)


def image_folder(
    name: str,
    root: Path | str | None = None,
    *,
    train: int | None = None,
    test: int | None = None,
    folds: int | None = None,
    validation: float | None = None,
    holdout: str | None = None,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
) -> ImageDeclaration:
    """Declare folders of images a class, ``<name>/train/<class>`` and ``<name>/val/<class>``: ImageNet, Places365.

    Arguments as in :class:`ImageDeclaration`. Images are scaled and cut to the task's ``size`` (default 224) and kept
    decoded on disk (150 kB each at 224 pixels).
    """
    if not is_name(name):
        raise DataError(f"name {name!r}: expected a folder's name such as 'imagenet'.")
    return declare(FolderFinder(name), train, test, folds, validation, split_seed, classes, root, holdout)
