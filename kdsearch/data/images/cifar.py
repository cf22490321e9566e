"""CIFAR-10 and CIFAR-100: the official files, CIFAR-10's re-encoded archives, or for the former a stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsearch.data.images.base import Reader
from kdsearch.data.images.cifar_files import OFFICIAL, SUBSET, WHOLE, JpegReader, OfficialReader, SubsetReader, Which
from kdsearch.data.images.declaration import ImageDeclaration, declare
from kdsearch.data.images.locate import below, missing, official_root
from kdsearch.data.images.standin import StandinReader


@dataclass(frozen=True)
class CifarFinder:
    """Looks for the official files, then for archives; ``small`` is content with the decoded subset."""

    which: Which
    small: bool = False
    multi_label: bool = False
    eleven_points: bool = False

    def find(self, root: Path | None) -> Reader:
        """See ``Finder``; CIFAR-10 has a stand-in."""
        folder = official_root(root, OFFICIAL[self.which], self.which)
        if folder is not None:
            return OfficialReader(folder, self.which)
        if self.which == "cifar100":
            raise missing(
                root, "CIFAR-100", OFFICIAL["cifar100"], "cifar100", 'CIFAR100("<that folder>", download=True)'
            )
        for name, reader in ((SUBSET, SubsetReader), (WHOLE, JpegReader))[:: 1 if self.small else -1]:
            path = below(root, "cifar10", name)
            if path is not None:
                return reader(path)
        return StandinReader()


def cifar10(
    *,
    train: int | None = None,
    test: int | None = None,
    folds: int | None = None,
    validation: float | None = None,
    holdout: str | None = None,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
    teacher_only: int | None = None,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare CIFAR-10; reads nothing yet. Arguments as in :class:`ImageDeclaration`, ``classes`` being its ``only``.

    Below KDSEARCH_DATA, directly or in ``cifar10``, the official folder ``cifar-10-batches-py`` comes first, then the
    archives of re-encoded images: the decoded subset where ``train`` with ``teacher_only`` and ``test`` ask for no more
    than it has of the classes (1,000 and 200 each), else the whole set. Without any, drawn shapes stand in. Label and
    identity name which.
    """
    count = 10 if classes is None else len(set(classes))
    small = train is not None and train + (teacher_only or 0) <= 1000 * count
    small = small and test is not None and test <= 200 * count
    finder = CifarFinder("cifar10", small)
    return declare(finder, train, test, folds, validation, split_seed, classes, root, holdout, teacher_only)


def cifar100(
    *,
    train: int | None = None,
    test: int | None = None,
    folds: int | None = None,
    validation: float | None = None,
    holdout: str | None = None,
    split_seed: int = 0,
    classes: Sequence[str] | None = None,
    teacher_only: int | None = None,
    root: Path | str | None = None,
) -> ImageDeclaration:
    """Declare CIFAR-100, read by torchvision from ``cifar-100-python``; reads nothing yet. ``DataError`` without it."""
    finder = CifarFinder("cifar100")
    return declare(finder, train, test, folds, validation, split_seed, classes, root, holdout, teacher_only)
