"""Weights worth keeping, as files named by their content's hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from kdsearch import settings
from kdsearch.errors import KdsearchError


def store(source: Path) -> str:
    """Copy a file into the store; returns its name. The same content is stored once."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    name = digest[:32] + source.suffix
    target = folder() / name
    if not target.exists():
        with tempfile.NamedTemporaryFile(dir=folder(), prefix=".", delete=False) as file:
            try:
                with source.open("rb") as content:
                    shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    return name


def fetch(name: str) -> Path:
    """The file of a stored name; checked against its hash."""
    path = folder() / name
    if not path.exists():
        raise KdsearchError(
            f"the weights {name} are not in {folder()}. They were stored by another machine or {settings.HOME}: "
            f"let all workers of a study share one {settings.HOME}."
        )
    if hashlib.sha256(path.read_bytes()).hexdigest()[:32] != path.stem:
        raise KdsearchError(f"the weights {path} are damaged: their content is not what their name says. Delete them.")
    return path


def folder() -> Path:
    """Where artifacts lie."""
    path = settings.home() / "artifacts"
    path.mkdir(parents=True, exist_ok=True)
    return path
