"""Where files of image sets may lie: below a root or KDSEARCH_DATA, directly or in a folder of the set's name."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from kdsearch.data.images.base import Finder, Reader
from kdsearch.data.roots import VARIABLE, data_root, search_path
from kdsearch.errors import DataError


def folders(root: Path | None, name: str) -> list[Path]:
    """The folders in which a set is looked for, in order; none where no root is named."""
    return search_path(root, name, name.upper())


def below(root: Path | None, name: str, file: str) -> Path | None:
    """The first such file."""
    return next((folder / file for folder in folders(root, name) if (folder / file).is_file()), None)


def searched(root: Path | None) -> str:
    """Where was looked, for errors."""
    folder = data_root(root)
    return f"below {VARIABLE} (which is not set)" if folder is None else f"below {folder}"


@dataclass(frozen=True)
class OfficialFinder(Finder):
    """Looks for the folder ``inner`` that torchvision makes, in the root or its folder ``name``; nothing replaces it.

    ``how``: torchvision's call that gets it.
    """

    reader: Callable[[Path], Reader]
    title: str
    inner: str
    name: str
    how: str
    multi_label: bool = False
    eleven_points: bool = False

    def look(self, root: Path | None) -> Reader | None:
        """The files, or None where there are none."""
        found = (folder / self.inner for folder in folders(root, self.name))
        where = next((folder for folder in found if folder.is_dir()), None)
        return None if where is None else self.reader(where)

    @override
    def find(self, root: Path | None) -> Reader:
        reader = self.look(root)
        if reader is None:
            raise DataError(
                f"{self.title}: expected the folder {self.inner} {searched(root)} (directly or in {self.name}), found "
                f"none. Get it with torchvision.datasets.{self.how}."
            )
        return reader


def official(make: Callable[[Any], Any], where: Path, how: str) -> Any:
    """What ``make(torchvision.datasets)`` gives; ``DataError`` names ``where`` and ``how`` to get files that are whole.

    torchvision, and with it torch, is imported here and not before.
    """
    from kdsearch.torchvision_compat import import_torchvision

    import_torchvision()
    from torchvision import datasets

    try:
        return make(datasets)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise DataError(f"{where}: expected the official files, whole; came: {error}. {how}") from error
