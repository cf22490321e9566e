"""The code hash of a run: which trainer made it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def code_hash(sources: Iterable[Path]) -> str:
    """Twelve hexadecimal digits over names and contents of all Python files in ``sources`` (files or folders)."""
    digest = hashlib.sha256()
    for source in sources:
        for file in [source] if source.is_file() else sorted(source.rglob("*.py")):
            digest.update(file.relative_to(source.parent).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
