"""What data there are, and whether they are whole: for ``kdsearch data list`` and ``kdsearch data verify``.

Each package of ``kdsearch.data`` that has a module ``inventory`` with the functions ``available(root)`` and
``verify(root)`` takes part: a new data set is one folder, and nothing here is edited.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from kdsearch.errors import DataError

SYNTHETIC, UNREADABLE = "synthetic", "unreadable"


@dataclass(frozen=True)
class Finding:
    """The verdict on one file or folder: whole or not, and in what way."""

    file: Path
    ok: bool
    message: str


@dataclass(frozen=True)
class Available:
    """One row of the list of data: where a modality is read from, how much there is, and its content's hash.

    ``fingerprint`` is "synthetic" where no real data were found, and "unreadable" with no clips and the reason in
    ``where`` where they cannot be read.
    """

    name: str
    modality: str
    where: str
    clips: int
    classes: int
    fingerprint: str


class Family(Protocol):
    """The module ``inventory`` of a package of data sets."""

    def available(self, root: Path | None) -> Iterable[Available]:
        """One row for each set or modality, real or synthetic."""

    def verify(self, root: Path | None) -> Iterable[Finding]:
        """Read every file to its end: one finding for each, none for what is not there."""


def available(root: Path | None = None) -> list[Available]:
    """The rows of all families."""
    return [row for family in families() for row in family.available(root)]


def verify(root: Path | None = None) -> list[Finding]:
    """Read every archive and official file under ``root`` to its end; one finding each, empty where there is none."""
    return [finding for family in families() for finding in family.verify(root)]


def families() -> Iterator[Family]:
    """The inventories of the packages below ``kdsearch.data``, by name."""
    package = __name__.rpartition(".")[0]
    for found in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        if found.ispkg and find_spec(f"{found.name}.inventory") is not None:
            yield cast("Family", import_module(f"{found.name}.inventory"))


def row_of(name: str, modality: str, where: object, read: Callable[[], tuple[int, int, str]]) -> Available:
    """A row of what ``read`` gives: the number of clips, that of classes, and the fingerprint.

    Where it raises ``DataError`` the row is unreadable and gives the reason.
    """
    try:
        return Available(name, modality, str(where), *read())
    except DataError as error:
        return Available(name, modality, str(error), clips=0, classes=0, fingerprint=UNREADABLE)


def finding_of(file: Path, read: Callable[[], str]) -> Finding:
    """A finding with the message that ``read`` gives; with the error where it raises ``DataError``."""
    try:
        return Finding(file, True, read())
    except DataError as error:
        return Finding(file, False, str(error))
