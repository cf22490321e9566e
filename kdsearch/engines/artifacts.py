"""Weights worth keeping, as files named by their content's hash."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from kdsearch import environment
from kdsearch.data.files import write_whole
from kdsearch.engines.shared_store import shared_store
from kdsearch.errors import KdsearchError


def store(source: Path) -> str:
    """Copy a file into the store; returns its name. The same content is stored once."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    name = digest[:32] + source.suffix
    target = folder() / name
    if not target.exists():
        with source.open("rb") as content:
            write_whole(target, lambda file: shutil.copyfileobj(content, file))
    if (shared := shared_store()) is not None and not shared.has(f"artifacts/{name}"):
        shared.put(target, f"artifacts/{name}")
    return name


class MissingArtifact(KdsearchError):
    """Weights that the ledger names are not here, or not whole: an infrastructure error, not the fault of a run."""


def fetch(name: str) -> Path:
    """The file of a stored name, checked against its hash; ``MissingArtifact`` where it is not here or damaged."""
    path = folder() / name
    if not path.exists() and not _fetched(name, path):
        raise MissingArtifact(
            f"the weights {name} are not in {folder()}. Were they stored by another machine, or with another "
            f"{environment.HOME}? All workers of a study share one, or a store that {environment.ARTIFACTS} names, "
            "such as s3://bucket/kd. If they are lost: kdsearch launch --retry-failed trains lost teachers again."
        )
    if hashlib.sha256(path.read_bytes()).hexdigest()[:32] != path.stem:
        raise MissingArtifact(
            f"the weights {path} are damaged: their content is not what their name says. Delete the file, then "
            "kdsearch launch --retry-failed trains a lost teacher again."
        )
    return path


def has(name: str) -> bool:
    """Whether the file of a stored name is here, or in the store that all machines share."""
    shared = shared_store()
    return (folder() / name).exists() or (shared is not None and shared.has(f"artifacts/{name}"))


def _fetched(name: str, path: Path) -> bool:
    shared = shared_store()
    return shared is not None and shared.get(f"artifacts/{name}", path)


def folder() -> Path:
    """Where artifacts lie."""
    return environment.folder("artifacts")
