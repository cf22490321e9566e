"""Folders of images a class, as ImageNet and Places365 are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from typing_extensions import Unpack, override

from kdsearch.data.declaration import shows
from kdsearch.data.images.base import PARTS, Finder, Part, Reader
from kdsearch.data.images.declaration import FolderOptions, ImageDeclaration, declare
from kdsearch.data.images.files import FilesReader
from kdsearch.data.images.locate import folders, official, searched
from kdsearch.data.roots import data_root
from kdsearch.errors import DataError

_INNER: dict[Part, str] = {"train": "train", "test": "val"}
# torchvision.datasets.folder.IMG_EXTENSIONS, here without importing torch.
_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class FolderReader(FilesReader):
    """``train/<class>/<image>`` and ``val/<class>/<image>`` in ``where``; val tests."""

    @override
    def listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        samples: list[tuple[str, Any]] = _folder(self.where, part).samples
        return samples

    @override
    def class_names(self) -> tuple[str, ...]:
        """All classes, in the order of the labels; ``DataError`` where train and val hold other classes."""
        train, test = (tuple(_folder(self.where, part).classes) for part in PARTS)
        if train != test:
            other = sorted(set(train) ^ set(test))[:5]
            raise DataError(
                f"{self.where}: train and val hold other classes, such as {', '.join(other)}; make them equal."
            )
        return train


def folder_reader(folder: Path, name: str) -> FolderReader:
    """The reader of images named ``name`` in a folder that holds them."""
    return FolderReader(folder, name, f"images of {name}")


@dataclass(frozen=True)
class FolderFinder(Finder):
    """Looks for folders ``train`` and ``val`` in a folder of this name, then in the root itself."""

    name: str

    @override
    def find(self, root: Path | None) -> Reader:
        where = folders(root, self.name)
        for folder in [*where[1:], *where[:1]]:
            if (folder / "train").is_dir() and (folder / "val").is_dir():
                return folder_reader(folder, self.name)
        raise DataError(
            f"{self.name}: expected folders train and val, of one folder of images a class, {searched(root)} "
            f"(directly or in {self.name}); found none. Put them there, or name another root."
        )


@lru_cache(maxsize=4)
def _folder(path: Path, part: Part) -> Any:
    folder = path / _INNER[part]
    return official(
        lambda datasets: datasets.ImageFolder(str(folder)), folder, "It should hold one folder of images a class."
    )


def is_name(name: str) -> bool:
    """Whether a folder's name can be part of a stored study's name."""
    return name.replace("_", "").replace("-", "").isalnum()


def image_folders(root: Path | None) -> list[Path]:
    """Folders below the root that hold images in folders a class, for lists of what is there."""
    top = data_root(root)
    within = [] if top is None else sorted(top.iterdir())
    return [folder for folder in within if is_name(folder.name) and _holds_images(folder)]


def _holds_images(folder: Path) -> bool:
    if not all((folder / inner).is_dir() for inner in _INNER.values()):
        return False
    # The first image found answers: a train of labels or text, as detection sets have, is another layout.
    files = (file for group in (folder / "train").iterdir() if group.is_dir() for file in group.iterdir())
    return any(file.suffix.lower() in _ENDINGS for file in files)


@shows(FolderOptions)
def image_folder(name: str, root: Path | str | None = None, **options: Unpack[FolderOptions]) -> ImageDeclaration:
    """Declare folders of images a class, ``<name>/train/<class>`` and ``<name>/val/<class>``: ImageNet, Places365.

    Options are the fields of :class:`ImageDeclaration`. Images are scaled and cut to the task's ``size`` (default 224)
    and stored decoded (150 kB each at 224 pixels).
    """
    if not is_name(name):
        raise DataError(f"name {name!r}: expected a folder's name such as 'imagenet'.")
    return declare(FolderFinder(name), root=root, **options)
