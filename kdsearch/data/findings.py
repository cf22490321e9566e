"""What ``kdsearch data list`` and ``kdsearch data verify`` say of a set of data or a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """The verdict on one file or folder: whole or not, and in what way."""

    file: Path
    ok: bool
    message: str


@dataclass(frozen=True)
class Available:
    """One row of the list of data: where a modality is read from, how much there is, and its content's hash."""

    name: str
    modality: str
    where: str
    clips: int
    classes: int
    fingerprint: str
