"""The embedded PostgreSQL: a real server from a wheel, for one machine, without TCP.

One lock beside the data folder belongs to whoever starts the server and then, inherited, to the server itself: no two
servers ever run on one folder, whatever ``postmaster.pid`` says.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch import environment
from kdsearch.errors import LedgerError
from kdsearch.ledger.server_account import ServerAccount
from kdsearch.ledger.socket_folder import PORT, remove_socket_folder, socket_folder, socket_of

if TYPE_CHECKING:
    import psutil

CONNECTIONS = 500
"""A worker holds one or two: PostgreSQL's default of 100 would refuse the sixtieth worker of a large machine."""

_START_SECONDS = 60.0
_RECOVERY_SECONDS = 600.0  # after a crash, a server reads its log before it answers
_START_ATTEMPTS = 5
_STOP_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_END_PAUSE_SECONDS = 0.01
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


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
    folder = (folder or default_folder()).absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        found = _found_or_started(folder)
    except OSError as error:
        raise LedgerError(_start_failure(folder, error)) from error
    assert found.socket is not None
    return f"postgresql+psycopg2://postgres@/postgres?host={found.socket}&port={PORT}"


def stop(folder: Path | None = None) -> bool:
    """Stop the server; ``False`` when none was running."""
    import psutil

    found = _postmaster(folder or default_folder())
    if found is None:
        return False
    process, lines = found
    for how in (signal.SIGINT, signal.SIGQUIT):  # PostgreSQL's fast shutdown, and its immediate one
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(how)
            process.resume()  # a frozen one takes no signal
        if _ends(process, _STOP_SECONDS):
            remove_socket_folder(Path(lines[4]))
            return True
    raise LedgerError(f"the database server in {folder or default_folder()} (process {process.pid}) does not end.")


def _ends(process: psutil.Process, seconds: float) -> bool:
    """Whether a process ends within so many seconds; one that its parent has not asked for yet has ended.

    The parent of a server is the first process of the machine or container, and some ask every few seconds.
    """
    import psutil

    deadline = time.monotonic() + seconds
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(_END_PAUSE_SECONDS)
    return True


def status(folder: Path | None = None) -> ServerStatus:
    """Tell whether the server runs and takes connections, without starting it."""
    folder = folder or default_folder()
    found = _postmaster(folder)
    if found is None or found[1][-1].strip() != "ready":
        return ServerStatus(folder, None, None)
    process, lines = found
    # Of a folder that was moved while its server ran, the file names the old place, where another server may be.
    socket = next((place for place in (folder.absolute(), Path(lines[4])) if _listens(process.pid, place)), None)
    return ServerStatus(folder, None if socket is None else process.pid, socket)


def _listens(pid: int, socket: Path) -> bool:
    """Whether the socket in this folder is that of this server: its lock file names who made it."""
    try:
        lock = socket_of(socket).with_name(f"{socket_of(socket).name}.lock").read_text().splitlines()
        return int(lock[0]) == pid and socket_of(socket).is_socket()
    except (OSError, ValueError, IndexError):
        return False


def default_folder() -> Path:
    """The data folder below ``KDSEARCH_HOME``."""
    return environment.home() / "postgres"


def _postmaster(folder: Path) -> tuple[psutil.Process, list[str]] | None:
    """The server's process and the lines of its ``postmaster.pid``; ``None`` where no server of this folder runs.

    After a crash the file may name a process id that is another process by now, or be cut short.
    """
    import psutil

    try:
        lines = (folder / "postmaster.pid").read_text(errors="replace").splitlines()
        process = psutil.Process(int(lines[0]))
        if process.name() != "postgres" or not os.path.samefile(process.cwd(), folder):
            return None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return (process, lines) if len(lines) >= 8 else (process, [*lines, *[""] * (8 - len(lines))])


def _found_or_started(folder: Path) -> ServerStatus:
    begin = time.monotonic()
    while True:
        found = status(folder)
        if found.pid is not None:
            return found
        with _lock(folder) as lock:
            if lock is not None:
                found = status(folder)  # it may have been started since
                return found if found.pid is not None else _start(folder, lock)
        alone = _postmaster(folder)
        if alone is not None and alone[1][-1].strip() == "ready" and status(folder).pid is None:
            stop(folder)  # its socket is gone, by a cleaner of temporary files say: nobody reaches it any more
            continue
        patience = _START_SECONDS if alone is None else _RECOVERY_SECONDS
        if time.monotonic() > begin + patience:
            raise LedgerError(
                f"the database in {folder} does not answer, and {_lock_file(folder)} is held by its server or by "
                f"another that starts it, for {patience:.0f} seconds. Does it run on another machine or in "
                "another container that shares this folder? Stop it there (kdsearch db stop), or name a server that "
                f"all of them reach with {environment.STORAGE}."
            )
        time.sleep(_PAUSE_SECONDS)


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[int | None]:
    """The descriptor of the folder's lock, ``None`` while another process has it."""
    descriptor = os.open(_lock_file(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # a file system without locks: PostgreSQL's own guards remain
                raise
        yield descriptor
    finally:
        os.close(descriptor)  # the lock stays with a server that has inherited it


def _start(folder: Path, lock: int) -> ServerStatus:
    account = ServerAccount.find(folder.parent)
    _initialise(folder, account)
    socket = socket_folder(folder, account)
    for attempt in range(_START_ATTEMPTS):
        _remove_stale(folder, socket)
        found = _run(folder, socket, account, lock)
        if found is not None:
            return found
        # A killed postmaster's children hold its shared memory for a moment and the next start is refused.
        time.sleep(0.5 * 2**attempt)
    raise LedgerError(_start_failure(folder, "the server ended at once"))


def _initialise(folder: Path, account: ServerAccount) -> None:
    """Make an empty database: beside its place and then moved there, so that it is whole or not there at all."""
    for unfinished in folder.parent.glob(f"{folder.name}.new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if (folder / "PG_VERSION").exists():
        _check_version(folder, account)
        account.check_owner(folder)
        return
    if folder.exists() and any(folder.iterdir()):
        raise LedgerError(f"expected a database or nothing in {folder}, found other files. Move that folder away.")
    building = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new-", dir=folder.parent))
    building.chmod(0o700)  # whatever the umask is
    account.give(building)
    command = [
        *("initdb", "--auth=peer", "--encoding=UTF8", "--username=postgres", "--no-instructions"),
        # The machine's locale may be unknown to it, and would decide how texts are sorted.
        *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    ]
    made = account.run([*command, "-D", str(building)])
    if made.returncode != 0:
        shutil.rmtree(building, ignore_errors=True)
        raise LedgerError(_start_failure(folder, "initdb failed", made.stderr + made.stdout))
    building.rename(folder)


def _check_version(folder: Path, account: ServerAccount) -> None:
    version = (folder / "PG_VERSION").read_text().strip()
    if version != account.version:
        raise LedgerError(
            f"the database in {folder} was made by PostgreSQL {version}, and this installation brings "
            f"{account.version}. Use the installation that made it, or dump it there and load it into a new folder."
        )


def _remove_stale(folder: Path, socket: Path) -> None:
    """Remove the pid files of a server that is gone, where they would keep a new one from starting.

    PostgreSQL believes a file that names a living process, whichever it is, and gives up on an empty one. We hold the
    folder's lock: no server of this folder lives. Files that name a dead process are left to PostgreSQL's own checks.
    """
    import psutil

    for file in (folder / "postmaster.pid", socket_of(socket).with_name(f"{socket_of(socket).name}.lock")):
        try:
            first = file.read_text(errors="replace").splitlines()[:1]
            dead = bool(first) and not psutil.pid_exists(int(first[0]))
        except FileNotFoundError:
            continue
        except ValueError:
            dead = False
        if not dead and _postmaster(folder) is None:
            file.unlink(missing_ok=True)


def _run(folder: Path, socket: Path, account: ServerAccount, lock: int) -> ServerStatus | None:
    """Start the server and wait until it takes connections; ``None`` where it ends instead."""
    import psutil

    quoted = str(socket).replace('"', '""')
    settings = {
        "max_connections": str(CONNECTIONS),
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "hba_file": _written(folder / "kdsearch_hba.conf", account.authentication),
        "ident_file": _written(folder / "kdsearch_ident.conf", account.identities),
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # The shell leaves the server behind and tells its process id.
    script = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
    server = [account.program("postgres"), "-D", str(folder), "-p", str(PORT), *options]
    started = account.run(["/bin/sh", "-c", script, "sh", str(folder / "log"), *server], keep=[lock])
    if started.returncode != 0 or not started.stdout.strip().isdigit():
        raise LedgerError(_start_failure(folder, started.stderr or "the shell failed"))
    pid = int(started.stdout)
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    while not _ends(process, 0):
        found = status(folder)
        if found.pid == pid:
            return found
        time.sleep(_PAUSE_SECONDS)
    return None


def _written(file: Path, lines: Sequence[str]) -> str:
    """Write a file of settings; returns its path as an argument."""
    text = "".join(f"{line}\n" for line in lines)
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
        file.chmod(0o644)  # the folder keeps others out; as root, the server is another account
    return str(file)


def _start_failure(folder: Path, error: object, said: str = "") -> str:
    log = folder / "log"
    with contextlib.suppress(OSError):
        said = said or log.read_text(errors="replace")
    tail = "".join(f"\n  {line}" for line in said.strip().splitlines()[-5:])
    return (
        f"the embedded PostgreSQL in {folder} did not start: {error}{tail}\n"
        f"Check free disk space and the rights of that folder, or name a server of yours with {environment.STORAGE}."
    )
