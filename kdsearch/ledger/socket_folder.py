"""Where the embedded server's socket lies: in a folder that nobody else can enter, with a short and plain path."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from kdsearch.errors import LedgerError
from kdsearch.ledger.server_account import ServerAccount

PORT = 5432
"""It only names the socket: the server listens on no address."""

_PREFIX = "kdsearch-"
_LONGEST = 103
"""Bytes of a socket's path: macOS takes 103, Linux 107."""


def socket_of(folder: Path) -> Path:
    """The path of the socket in its folder."""
    return folder / f".s.PGSQL.{PORT}"


def socket_folder(data: Path, account: ServerAccount) -> Path:
    """The data folder where its path is short and plain, else a folder of the server's own in a temporary one.

    Plain: the path stands in URLs, and programs differ in how they read ``+``, ``%`` and spaces there.
    """
    if _fits(data):
        return data
    name = f"{_PREFIX}{account.uid}-{sha256(f'{data}-{data.stat().st_ino}'.encode()).hexdigest()[:10]}"
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        if base and _fits(Path(base) / name) and account.can_enter(Path(base)):
            own = _own_folder(Path(base) / name, account)
            if own is not None:
                return own
    raise LedgerError(
        f"the path of {data} is too long or too unusual for a socket, and no temporary folder takes one. "
        "Set TMPDIR to a folder with a short path in which you can write."
    )


def remove_socket_folder(folder: Path) -> None:
    """Remove the folder of a server that was stopped, where it is one that was made for a socket, and is empty."""
    if folder.name.startswith(_PREFIX):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _fits(folder: Path) -> bool:
    return (
        len(os.fsencode(socket_of(folder))) <= _LONGEST and re.fullmatch(r"[A-Za-z0-9_./-]+", str(folder)) is not None
    )


def _own_folder(path: Path, account: ServerAccount) -> Path | None:
    """The folder, made where it is missing; ``None`` where it cannot be, or where somebody else made it."""
    try:
        path.mkdir(mode=0o700)
        account.give(path)
    except FileExistsError:
        pass
    except OSError:
        return None
    found = path.lstat()  # in a folder that all can write, a link of another user may wait under our name
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid:
        return None
    path.chmod(0o700)
    return path
