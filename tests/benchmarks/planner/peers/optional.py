"""Packages that only the slow peers need."""

from __future__ import annotations

import importlib
from typing import Any


def optional(module: str, peer: str) -> Any:
    """The module of this name; where it is missing, an error that names the extra which brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"the peer {peer!r} needs {module!r}, which could not be imported ({error}); "
            "install the extra with: pip install -e '.[benchmarks]'"
        ) from error
