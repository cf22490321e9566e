"""STL10, Pascal VOC, and folders of images a class such as ImageNet's and Places365's; read through torchvision."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdsearch.data.files import combined
from kdsearch.data.files import digest
from kdsearch.data.files import stamp
from kdsearch.data.image_cache import decode
from kdsearch.data.image_cache import decoded_once
from kdsearch.data.image_places import folders
from kdsearch.data.image_places import official_root
from kdsearch.data.images import IMAGENET_MEAN
from kdsearch.data.images import IMAGENET_STD
from kdsearch.data.images import PARTS
from kdsearch.data.images import ImageDeclaration
from kdsearch.data.images import Labels
from kdsearch.data.images import Part
from kdsearch.data.images import Reader
from kdsearch.data.images import Rows
from kdsearch.data.images import Statistics
from kdsearch.data.images import declare
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
SIZE = 224


@dataclass(frozen=True)
class Stl10Reader:
    """STL10's 5,000 and 8,000 labelled images of 96 pixels, see ``Reader``; ``path`` holds ``stl10_binary``."""

    path: Path
    kind: str = "stl10"
    words: str = "STL10"
    mean: Statistics = IMAGENET_MEAN
    std: Statistics = IMAGENET_STD
    padding: int = 4

    def labels(self) -> Labels:
        """See ``Reader``."""
        train, test = (_stl10(self.path, part) for part in PARTS)
        return Labels(train.labels.astype(np.int64), test.labels.astype(np.int64), tuple(train.classes))

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; they have one size."""
        return np.concatenate([_stl10(self.path, part).data[rows[part]] for part in PARTS])

    def fingerprint(self) -> str:
        """Of the labelled files' bytes."""
        folder = self.path / "stl10_binary"
        return combined(digest(folder / f"{part}_{name}.bin") for part in PARTS for name in ("X", "y"))


@lru_cache(maxsize=2)
def _stl10(path: Path, part: Part) -> Any:
    how = f'Get it again with torchvision.datasets.STL10("{path}", download=True).'
    return _torchvision(lambda sets: sets.STL10(str(path), split=part, download=False), path / "stl10_binary", how)


def _torchvision(make: Callable[[Any], Any], where: Path, how: str) -> Any:
    from kdsearch.torchvision_shim import import_torchvision

    import_torchvision()
    from torchvision import datasets

    try:
        return make(datasets)
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise DataError(f"{where}: expected the official files, whole; came: {error}. {how}") from error


@dataclass(frozen=True)
class _Files:
    """Image files that are decoded once, see ``Reader``."""

    kind: str
    words: str
    mean: Statistics = IMAGENET_MEAN
    std: Statistics = IMAGENET_STD
    padding: int = 0

    def _listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        """Path and label of each image, in order."""
        raise NotImplementedError

    def _classes(self) -> tuple[str, ...]:
        raise NotImplementedError

    def labels(self) -> Labels:
        """See ``Reader``."""
        train, test = (np.asarray([label for _, label in self._listed(part)]) for part in PARTS)
        return Labels(train, test, self._classes())

    def pixels(self, rows: Rows, size: int | None) -> NDArray[np.uint8]:
        """See ``Reader``; ``size`` is 224 where none is given."""
        side = size or SIZE
        listed = {part: self._listed(part) for part in PARTS}

        def image(part: Part, row: int) -> NDArray[np.uint8]:
            path = Path(listed[part][row][0])
            try:
                return decode(path.read_bytes(), side, str(path))
            except OSError as error:
                raise DataError(f"{path}: expected an image; came: {error.strerror}. Get it again.") from error

        return decoded_once(f"{self.fingerprint()} {side}", rows, (3, side, side), image)

    def fingerprint(self) -> str:
        """Of names, sizes and labels: reading all bytes of a large set would take longer than a study."""
        return _fingerprint(self)


@lru_cache(maxsize=8)
def _fingerprint(reader: _Files) -> str:
    """Made once a process: a set may be of a million files."""
    lines = []
    for part in PARTS:
        for path, label in reader._listed(part):
            lines.append(f"{part} {Path(path).name} {Path(path).stat().st_size} {np.asarray(label).tolist()}")
    return combined(lines)


@dataclass(frozen=True)
class VocReader(_Files):
    """Pascal VOC: which of 20 classes an image shows, of objects that are not difficult; ``path`` holds VOCdevkit."""

    path: Path = Path()
    year: str = "2007"

    def _listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        return _voc(self.path, self.year, part)

    def _classes(self) -> tuple[str, ...]:
        return tuple(VOC_CLASSES)


@lru_cache(maxsize=4)
def _voc(path: Path, year: str, part: Part) -> list[tuple[str, NDArray[np.uint8]]]:
    name = VOC_PARTS[year][part]
    how = f'Get it with torchvision.datasets.VOCDetection("{path}", year="{year}", image_set="{name}", download=True).'
    where = path / "VOCdevkit" / f"VOC{year}"
    found = _torchvision(
        lambda sets: sets.VOCDetection(str(path), year=year, image_set=name, download=False), where, how
    )
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


@dataclass(frozen=True)
class FolderReader(_Files):
    """``train/<class>/<image>`` and ``val/<class>/<image>``; val tests."""

    path: Path = Path()

    def _listed(self, part: Part) -> Sequence[tuple[str, Any]]:
        return list(_folder(self.path, part).samples)

    def _classes(self) -> tuple[str, ...]:
        train, test = (tuple(_folder(self.path, part).classes) for part in PARTS)
        if train != test:
            other = sorted(set(train) ^ set(test))[:5]
            raise DataError(
                f"{self.path}: train and val hold other classes, such as {', '.join(other)}; make them equal."
            )
        return train


@lru_cache(maxsize=4)
def _folder(path: Path, part: Part) -> Any:
    folder = path / {"train": "train", "test": "val"}[part]
    how = "It holds one folder of images a class."
    return _torchvision(lambda sets: sets.ImageFolder(str(folder)), folder, how)


@dataclass(frozen=True)
class SetFinder:
    """Looks for one of these sets; there is no stand-in."""

    name: str
    multi_label: bool = False

    def find(self, root: Path | None) -> Reader:
        """See ``Finder``."""
        if self.name == "stl10":
            folder = official_root(root, "stl10_binary", "stl10")
            if folder is not None:
                return Stl10Reader(folder)
            raise _missing("STL10", "stl10_binary", "stl10", 'STL10("<that folder>", download=True)')
        if self.name.startswith("voc"):
            year = self.name.removeprefix("voc")
            folder = official_root(root, f"VOCdevkit/VOC{year}", "voc")
            if folder is not None:
                return VocReader(self.name, f"Pascal VOC {year}", path=folder, year=year)
            how = f'VOCDetection("<that folder>", year="{year}", image_set=..., download=True)'
            raise _missing(f"Pascal VOC {year}", f"VOCdevkit/VOC{year}", "voc", how)
        for folder in [*folders(root, self.name)[1:], *folders(root, self.name)[:1]]:
            if (folder / "train").is_dir() and (folder / "val").is_dir():
                stamp(folder / "train")
                return FolderReader(self.name, f"images of {self.name}", path=folder)
        raise DataError(
            f"{self.name}: expected folders train and val, of one folder of images a class, below KDSEARCH_DATA/"
            f"{self.name}; found none. Put them there, or name another root."
        )


def _missing(name: str, inner: str, folder: str, how: str) -> DataError:
    return DataError(
        f"{name}: expected the folder {inner} below KDSEARCH_DATA (directly or in {folder}), found none. Get it with "
        f"torchvision.datasets.{how}."
    )


def stl10(
    *,
    train: int | None = None,
    test: int | None = None,
    validation: float = 0.1,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare STL10's labelled images; arguments as in ``ImageDeclaration``. ``DataError`` where there is none."""
    chosen = None if classes is None else tuple(classes)
    return declare(SetFinder("stl10"), train, test, validation, split_seed, chosen, root)


def voc(
    year: str = "2007",
    *,
    train: int | None = None,
    test: int | None = None,
    validation: float = 0.1,
    split_seed: int = 0,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare Pascal VOC with several classes an image: of 2007 trainval and test, of 2012 train and val.

    Images are scaled and cut to the task's ``size`` (default 224). ``DataError`` for another year.
    """
    if year not in VOC_PARTS:
        raise DataError(f"year {year!r}: expected one of {', '.join(VOC_PARTS)}, as text.")
    return declare(SetFinder(f"voc{year}", multi_label=True), train, test, validation, split_seed, None, root)


def image_folder(
    name: str,
    *,
    train: int | None = None,
    test: int | None = None,
    validation: float = 0.1,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare folders of images a class, ``<name>/train/<class>`` and ``<name>/val/<class>``: ImageNet, Places365.

    Images are scaled and cut to the task's ``size`` (default 224) and kept decoded on disk (150 kB each at 224 pixels).
    """
    if not name.replace("_", "").replace("-", "").isalnum():
        raise DataError(f"name {name!r}: expected a folder's name such as 'imagenet'.")
    chosen = None if classes is None else tuple(classes)
    return declare(SetFinder(name), train, test, validation, split_seed, chosen, root)
