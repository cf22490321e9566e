"""Pretrained weights as a part of what a study is: by content, not by where the file lies. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from kdsearch.data.files import digest
from kdsearch.errors import DataError


def is_path(weights: str) -> bool:
    """Whether this is a file's path, there or not; torchvision's names have neither a folder nor a suffix."""
    return bool(Path(weights).suffix) or len(Path(weights).parts) > 1 or Path(weights).is_file()


def named(weights: str) -> str:
    """What an identity calls them: a local file by its name, torchvision's by theirs."""
    return Path(weights).name if is_path(weights) else weights


def with_weights(fingerprint: str, weights: Iterable[str | None]) -> str:
    """A fingerprint of data together with the contents of local files; unchanged where there is none.

    Raises :class:`~kdsearch.errors.DataError` for a file that is not there: at launch, before anything is trained.
    """
    files = [Path(name) for name in weights if name is not None and is_path(name)]
    for path in files:
        if not path.is_file():
            raise DataError(
                f"pretrained weights: expected a file at {path}, found none; put it there, or give the name of weights "
                "that torchvision has"
            )
    if not files:
        return fingerprint
    return hashlib.sha256(" ".join([fingerprint, *map(digest, files)]).encode()).hexdigest()[:16]
