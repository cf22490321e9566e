"""kdsearch's environment variables and their defaults, read at the moment of use."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from kdsearch.errors import KdsearchError

HOME = "KDSEARCH_HOME"
STORAGE = "KDSEARCH_STORAGE"
DATA = "KDSEARCH_DATA"
LEASE = "KDSEARCH_LEASE_SECONDS"
DEFAULT_LEASE_SECONDS = 30.0


def home() -> Path:
    """The folder of the embedded database, artifacts, caches and logs (``KDSEARCH_HOME``); it is created if missing."""
    path = Path(os.environ.get(HOME) or platformdirs.user_data_dir("kdsearch")).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KdsearchError(
            f"expected a folder that can be written at {path} (from {HOME} or the user's data directory), "
            f"got: {error}. Set {HOME} to a folder of yours."
        ) from error
    return path


def storage_url() -> str | None:
    """The database URL of ``KDSEARCH_STORAGE``; ``None`` means the embedded server."""
    return os.environ.get(STORAGE) or None


def data_root() -> Path | None:
    """The folder of ``KDSEARCH_DATA``, if set."""
    value = os.environ.get(DATA)
    return Path(value).expanduser() if value else None


def lease_seconds() -> float:
    """How long a worker holds a run without renewing it, in seconds."""
    value = os.environ.get(LEASE)
    if not value:
        return DEFAULT_LEASE_SECONDS
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if seconds <= 0:
        raise KdsearchError(f"{LEASE} is a number of seconds above 0, got {value!r}. Unset it for the default of 30.")
    return seconds
