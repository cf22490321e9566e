"""Folders of images a class, as ImageNet and Places365 are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kdsearch.data.images.base import PARTS, Part
from kdsearch.data.images.files import FilesReader
from kdsearch.data.images.locate import folders, official
from kdsearch.errors import DataError

_INNER: dict[Part, str] = {"train": "train", "test": "val"}
# torchvision.datasets.folder.IMG_EXTENSIONS, here without importing torch.
_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class FolderReader(FilesReader):
    """``train/<class>/<image>`` and ``val/<class>/<image>`` in ``path``; val tests."""

    def listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        """See ``FilesReader``."""
        samples: list[tuple[str, Any]] = _folder(self.path, part).samples
        return samples

    def class_names(self) -> tuple[str, ...]:
        """See ``FilesReader``; ``DataError`` where train and val hold other classes."""
        train, test = (tuple(_folder(self.path, part).classes) for part in PARTS)
        if train != test:
            other = sorted(set(train) ^ set(test))[:5]
            raise DataError(
                f"{self.path}: train and val hold other classes, such as {', '.join(other)}; make them equal."
            )
        return train


def folder_reader(path: Path, name: str) -> FolderReader:
    """The reader of images named ``name`` in a folder that ``holds_images``."""
    return FolderReader(path, name, f"images of {name}")


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
    top = next(iter(folders(root, "")), None)
    if top is None:
        return []
    return [folder for folder in sorted(top.iterdir()) if is_name(folder.name) and _holds_images(folder)]


def _holds_images(folder: Path) -> bool:
    if not all((folder / inner).is_dir() for inner in _INNER.values()):
        return False
    # The first image found answers: a train of labels or text, as detection sets have, is another layout.
    files = (file for group in (folder / "train").iterdir() if group.is_dir() for file in group.iterdir())
    return any(file.suffix.lower() in _ENDINGS for file in files)
