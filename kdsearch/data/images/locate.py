"""Where files of image sets may lie: below a root or KDSEARCH_DATA, directly or in a folder of the set's name."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdsearch.data.roots import VARIABLE, data_root
from kdsearch.errors import DataError


def folders(root: Path | None, name: str) -> list[Path]:
    """The folders in which a set is looked for, in order; none where no root is named."""
    folder = data_root(root)
    if folder is None:
        return []
    return list(dict.fromkeys([folder, folder / name, folder / name.upper()]))


def below(root: Path | None, name: str, file: str) -> Path | None:
    """The first such file."""
    return next((folder / file for folder in folders(root, name) if (folder / file).is_file()), None)


def official_root(root: Path | None, inner: str, name: str) -> Path | None:
    """The first folder that holds the folder ``inner``."""
    return next((folder for folder in folders(root, name) if (folder / inner).is_dir()), None)


def places_words(root: Path | None) -> str:
    """Where was looked, for errors."""
    folder = data_root(root)
    return f"below {VARIABLE} (which is not set)" if folder is None else f"below {folder}"


def missing(root: Path | None, title: str, inner: str, name: str, how: str) -> DataError:
    """The error of a set that is not there; ``how``: torchvision's call that gets it."""
    return DataError(
        f"{title}: expected the folder {inner} {places_words(root)} (directly or in {name}), found none. Get it with "
        f"torchvision.datasets.{how}."
    )


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
