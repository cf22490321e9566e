"""What a task's results are results of: data, metric, quirks, and pretrained weights by their content; no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from kdsearch.data.files import combined, digest
from kdsearch.errors import DataError
from kdsearch.tasks.declared_data import DataDeclaration

MEASURING = ("best_epoch_on_test", "stable_ties")
"""Quirks that change what is measured, not what is trained. One that replaces the metric changes its name."""


def evaluation_fingerprint(data: DataDeclaration, metric: str, quirks: Sequence[str]) -> str:
    """Hash of data with their parts, metric and rule of the epoch, 16 hex digits; networks and terms are not in it."""
    parts = json.dumps(data.identity(), sort_keys=True, default=str)
    return combined([parts, data.fingerprint(), metric, *(quirk for quirk in MEASURING if quirk in quirks)])


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
