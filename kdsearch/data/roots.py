"""The folder below which all data are looked for."""

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
            f"{whose}: expected a folder that holds JHMDB (such as jhmdb_poses.npz); there is none. "
            f"Correct the path, or name none (neither --data nor {VARIABLE}) to train on the stand-in."
        )
    return folder
