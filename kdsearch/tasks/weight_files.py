"""Pretrained weights as a part of what a study is: by content, not by where the file lies. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from kdsearch.data.files import digest


def named(weights: str) -> str:
    """What an identity calls them: a local file by its name, torchvision's by theirs."""
    return Path(weights).name if Path(weights).is_file() else weights


def with_weights(fingerprint: str, weights: Iterable[str | None]) -> str:
    """A fingerprint of data together with the contents of local files; unchanged where there is none."""
    files = [Path(name) for name in weights if name is not None and Path(name).is_file()]
    if not files:
        return fingerprint
    return hashlib.sha256(" ".join([fingerprint, *map(digest, files)]).encode()).hexdigest()[:16]
