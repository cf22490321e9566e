"""The folder below which all data are looked for, and the folders in it that may hold a set."""

from __future__ import annotations

import os
from pathlib import Path

from kdsearch.errors import DataError

VARIABLE = "KDSEARCH_DATA"


def data_root(root: Path | None) -> Path | None:
    """The given root, else the folder that KDSEARCH_DATA names, else None; ``DataError`` when it is no folder."""
    named = os.environ.get(VARIABLE, "").strip()
    if root is None and not named:
        return None
    folder = Path(named) if root is None else root
    if not folder.is_dir():
        whose = f"{VARIABLE}={named}" if root is None else str(root)
        raise DataError(
            f"{whose}: expected a folder that holds the data (such as jhmdb_pose.npz); there is none. "
            f"Correct the path, or name none (neither --data nor {VARIABLE}) to train on synthetic data."
        )
    return folder


def search_path(root: Path | None, *names: str) -> list[Path]:
    """The folders in which a set is looked for, in order: the root, then those of its names; none without a root."""
    folder = data_root(root)
    return [] if folder is None else list(dict.fromkeys([folder, *(folder / name for name in names)]))
