"""kdsearch's environment variables and their defaults, read at the moment of use."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import platformdirs

from kdsearch.errors import KdsearchError

HOME = "KDSEARCH_HOME"
STORAGE = "KDSEARCH_STORAGE"
DATA = "KDSEARCH_DATA"
ARTIFACTS = "KDSEARCH_ARTIFACTS"
NODE = "KDSEARCH_NODE"
LEASE = "KDSEARCH_LEASE_SECONDS"
DEFAULT_LEASE_SECONDS = 30.0
_LONGEST_LEASE = 86400.0
_FOLDER_ATTEMPTS = 40
_ROOT_HOME = Path("/var/lib/kdsearch")


def home() -> Path:
    """The folder of the embedded database, artifacts, caches and logs (``KDSEARCH_HOME``); it is created if missing.

    A new one is closed to other users of the machine. As root they may pass through it, since PostgreSQL runs as one of
    them, but neither list nor enter what lies in it.
    """
    path = _folder_of(HOME) or _default_home()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.mkdir(exist_ok=True)
            path.chmod(0o711 if _is_root() else 0o700)  # whatever the umask is
    except OSError as error:
        raise KdsearchError(
            f"expected a folder that can be written at {path} (from {HOME} or the user's data directory), "
            f"got: {error}. Set {HOME} to a folder of yours."
        ) from error
    return path


def folder(*names: str) -> Path:
    """A folder below :func:`home` that no other user of the machine can enter; it is created if missing."""
    for attempt in range(_FOLDER_ATTEMPTS):
        try:
            path = home()
            for name in names:
                path /= name
                path.mkdir(mode=0o700, exist_ok=True)
                if stat.S_IMODE(path.stat().st_mode) != 0o700 and path.stat().st_uid == os.geteuid():
                    path.chmod(0o700)  # made by an older version, or under an odd umask
            return path
        except (FileNotFoundError, FileExistsError):  # another process has just removed one of them, for it was empty
            if attempt == _FOLDER_ATTEMPTS - 1:
                raise
            time.sleep(0.001 * attempt)
    raise AssertionError("unreachable")


def _folder_of(variable: str) -> Path | None:
    """The folder that a variable names. A relative one is what it was at first: a user's code may change folder."""
    value = os.environ.get(variable)
    if not value:
        return None
    try:
        path = Path(value).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:  # a user that is not known, links in a circle, a NUL
        raise KdsearchError(f"expected a folder in {variable}, got {value!r}: {error}") from error
    if not Path(value).is_absolute():
        os.environ[variable] = str(path)
    return path


def _default_home() -> Path:
    """The user's data folder; of root a system folder, where root's own is closed to the account of PostgreSQL."""
    path = Path(platformdirs.user_data_dir("kdsearch")).resolve()
    closed = any(not part.stat().st_mode & stat.S_IXOTH for part in path.parents if part.exists())
    return _ROOT_HOME if _is_root() and closed and not path.exists() else path


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def pin() -> None:
    """Fix relative folders and files of the variables now: a user's code may change the working folder."""
    for variable in (HOME, DATA):
        _folder_of(variable)
    artifacts_url()
    value = os.environ.get(STORAGE, "")
    if value.startswith("@"):
        os.environ[STORAGE] = f"@{Path(value[1:]).expanduser().absolute()}"


def storage_url(given: str | None = None) -> str | None:
    """The database URL that is given, or that of ``KDSEARCH_STORAGE``; ``None`` means the embedded server.

    ``@FILE`` names a file that holds it: a password in it then stands in no command line and no shell's history.
    """
    value = given or os.environ.get(STORAGE) or None
    if value is None or not value.startswith("@"):
        return value
    file = Path(value[1:]).expanduser()
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KdsearchError(
            f"expected a file that holds the database URL at {file} ({STORAGE} or --storage @FILE), got: {error}"
        ) from error
    if not text:
        raise KdsearchError(f"expected a database URL in {file} ({STORAGE} or --storage @FILE), the file is empty")
    return text


def artifacts_url() -> str | None:
    """Where machines that share no ``KDSEARCH_HOME`` keep weights and checkpoints (``KDSEARCH_ARTIFACTS``), if set."""
    value = os.environ.get(ARTIFACTS) or None
    return value if value is None or "://" in value else str(_folder_of(ARTIFACTS))


def data_root() -> Path | None:
    """The folder of ``KDSEARCH_DATA``, if set."""
    return _folder_of(DATA)


def node_name() -> str:
    """What this machine is called: as the engine that started this process says (``KDSEARCH_NODE``), else its host."""
    return os.environ.get(NODE) or socket.gethostname()


def lease_seconds() -> float:
    """How long a worker holds a run without renewing it, in seconds."""
    value = os.environ.get(LEASE)
    if not value:
        return DEFAULT_LEASE_SECONDS
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= _LONGEST_LEASE:
        raise KdsearchError(
            f"{LEASE} is a number of seconds above 0, at most {_LONGEST_LEASE:.0f} (a day), got {value!r}. Unset it "
            "for the default of 30."
        )
    return seconds


def shipped(installed: str, in_clone: str) -> Path:
    """A folder that comes with kdsearch: inside the installed package, or next to the package in a clone."""
    package = Path(__file__).resolve().parent
    inside = package / installed
    return inside if inside.is_dir() else package.parent / in_clone
