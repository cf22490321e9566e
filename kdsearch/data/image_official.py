"""Official files as torchvision reads them; nothing is downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdsearch.errors import DataError


def official(make: Callable[[Any], Any], where: Path, how: str) -> Any:
    """What ``make(torchvision.datasets)`` gives; ``DataError`` names ``where`` and ``how`` to get files that are whole.

    torchvision, and with it torch, is imported here and not before.
    """
    from kdsearch.torchvision_shim import import_torchvision

    import_torchvision()
    from torchvision import datasets

    try:
        return make(datasets)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise DataError(f"{where}: expected the official files, whole; came: {error}. {how}") from error
