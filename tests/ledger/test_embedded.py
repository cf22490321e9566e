"""The embedded server: found, started and stopped, whatever a crash, another user or an odd machine left behind."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from support import runs, wait_for

from kdsearch import environment
from kdsearch.errors import LedgerError
from kdsearch.ledger import embedded, server_account
from kdsearch.ledger.database import Database
from kdsearch.ledger.server_account import ServerAccount
from kdsearch.ledger.socket_folder import socket_folder

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user of the machine")
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose server is stopped at the end."""
    path = tmp_path / "own"
    yield path
    embedded.stop(path)


def select_one(url: str) -> int:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(sa.text("SELECT 1")).scalar_one())
    finally:
        engine.dispose()


def crash(folder: Path) -> None:
    """End the server as a power cut does: at once, its pid file left behind."""
    pid = embedded.status(folder).pid
    assert pid is not None
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        process.kill()
    wait_for(lambda: not any(map(runs, family)), what="the end of the server")


def as_nobody(code: str, *, home: Path | str = "/") -> subprocess.CompletedProcess[str]:
    """Run Python code as another user of the machine; skips where the interpreter is shut to others."""
    program = Path(sys.executable).resolve()
    if not all(path.stat().st_mode & stat.S_IXOTH for path in (program, *program.parents)):
        pytest.skip(f"only the owner of this machine's Python may run it: {program}")
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd="/",
        capture_output=True,
        text=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )


def test_the_server_is_found_again_and_stopped(folder: Path) -> None:
    assert embedded.status(folder).pid is None
    url = embedded.start(folder)
    first = embedded.status(folder).pid
    assert first is not None
    assert embedded.start(folder) == url
    assert embedded.status(folder).pid == first
    assert embedded.stop(folder)
    assert embedded.status(folder).pid is None
    assert not embedded.stop(folder)


@pytest.mark.parametrize(("number", "starts"), [(errno.ENOLCK, True), (errno.EIO, False)])
def test_a_file_system_without_locks_is_no_hindrance(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, starts: bool
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    if starts:
        embedded.start(folder)
        assert embedded.status(folder).pid is not None
    else:
        with pytest.raises(LedgerError, match=os.strerror(number)):
            embedded.start(folder)


def test_a_server_whose_file_comes_and_goes_is_not_running(tmp_path: Path) -> None:
    """initdb writes and removes it: between the look and the reading it may go."""
    over = threading.Event()

    def toggle() -> None:
        while not over.is_set():
            (tmp_path / "postmaster.pid").touch()
            (tmp_path / "postmaster.pid").unlink()

    toggler = threading.Thread(target=toggle)
    toggler.start()
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            assert embedded.status(tmp_path).pid is None
    finally:
        over.set()
        toggler.join()


@pytest.mark.parametrize(
    "left", ["another process", "this process", "a dead process", "empty", "cut short", "garbled", "socket lock"]
)
def test_a_pid_file_left_by_a_crash_harms_nobody(folder: Path, left: str) -> None:
    """After a reboot its number is some other process: that one is neither taken for the server nor stopped."""
    embedded.start(folder)
    crash(folder)
    stranger = subprocess.Popen(["sleep", "600"])
    file = folder / "postmaster.pid"
    lines = file.read_text().splitlines()
    try:
        if left == "another process":
            file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        elif left == "this process":
            file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        elif left == "empty":
            file.write_text("")
        elif left == "cut short":
            file.write_text("\n".join([str(stranger.pid), *lines[1:3]]))
        elif left == "garbled":
            file.write_bytes(b"\xff\x00 no number\n" * 8)
        elif left == "socket lock":
            (folder / ".s.PGSQL.5432.lock").write_text("\n".join([str(stranger.pid), *lines[1:5]]) + "\n")
        assert embedded.status(folder).pid is None
        assert not embedded.stop(folder)
        assert select_one(embedded.start(folder)) == 1
        assert embedded.stop(folder)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_of_another_folder_is_another_process(folder: Path, server: str, tmp_path: Path) -> None:
    """A PostgreSQL of somebody else got the number: by its name alone it would be taken for ours."""
    embedded.start(folder)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(folder / "postmaster.pid", other / "postmaster.pid")
    assert embedded.status(other).pid is None
    assert not embedded.stop(other)
    assert embedded.status(folder).pid is not None


def test_starters_at_once_get_one_server(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(lambda _: embedded.start(folder), range(8)))
    assert len(urls) == 1
    running = psutil.process_iter(["name", "cmdline"])  # what is ending just now has no command line
    servers = [p for p in running if p.info["name"] == "postgres" and str(folder) in (p.info["cmdline"] or ())]
    assert len(servers) == 1


def test_what_an_interrupted_start_left_is_cleared(folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.new-x1")
    (unfinished / "base").mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert select_one(embedded.start(folder)) == 1
    assert not unfinished.exists()


def test_foreign_files_in_its_place_are_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(LedgerError, match="found other files"):
        embedded.start(folder)
    assert (folder / "thesis.tex").read_text() == "mine"


def test_a_database_of_another_version_is_named(folder: Path) -> None:
    folder.mkdir()
    (folder / "PG_VERSION").write_text("17\n")
    with pytest.raises(LedgerError, match="made by PostgreSQL 17"):
        embedded.start(folder)


def test_a_folder_in_use_elsewhere_is_not_started_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that shares the folder holds its lock, and its process id means nothing here."""
    embedded.start(folder)
    (folder / "postmaster.pid").rename(folder / "hidden")
    monkeypatch.setattr(embedded, "_START_SECONDS", 0.3)
    with pytest.raises(LedgerError, match="another container that shares this folder"):
        embedded.start(folder)
    (folder / "hidden").rename(folder / "postmaster.pid")


def test_a_server_that_cannot_start_says_its_own_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    embedded.stop(folder)
    (folder / "global" / "pg_control").unlink()
    monkeypatch.setattr(embedded, "_START_ATTEMPTS", 1)
    with pytest.raises(LedgerError, match=r"(?s)did not start.*pg_control.*Check free disk space"):
        embedded.start(folder)


def test_the_environment_of_other_postgres_programs_does_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {"PGPORT": "6000", "PGDATA": "/nowhere", "LC_ALL": "xx_YY.latin1", "LANG": "xx", "PGHOSTADDR": "10.1.2.3"}
    others |= {"PGOPTIONS": "-c statement_timeout=1", "PGCLIENTENCODING": "LATIN1", "PGTARGETSESSIONATTRS": "standby"}
    for name, value in {**others, "PGSSLMODE": "require", "PGREQUIREAUTH": "scram-sha-256"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KDSEARCH_HOME", str(folder.parent))
    monkeypatch.setattr(embedded, "default_folder", lambda: folder)
    database = Database()
    with database.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT 'λ', pg_sleep(0.05)")).scalar() == "λ"
    database.dispose()


ODD = [
    "a folder, named & so (1) é",
    "a+b%41c",
    'it\'s "quoted" $HOME `id` \\',
    "long " + 90 * "x",
]


@pytest.mark.parametrize("name", ODD)
def test_a_database_in_a_folder_of_an_odd_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_STORAGE", raising=False)
    with tempfile.TemporaryDirectory(prefix="k") as parent:  # short: of a long path the socket lies elsewhere anyway
        Path(parent).chmod(0o711)
        monkeypatch.setenv("KDSEARCH_HOME", str(Path(parent) / name))
        database = Database()
        try:
            assert select_one(database.rendered_url(hide_password=False)) == 1
        finally:
            database.dispose()
            embedded.stop()


def test_the_socket_is_the_owners_alone(folder: Path, tmp_path: Path) -> None:
    long = tmp_path / ("n" * 100) / "own"
    for data in (folder, long):
        url = embedded.start(data)
        try:
            place = embedded.status(data).socket
            assert place is not None
            assert (place == data) == (data == folder)
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
            assert stat.S_IMODE((place / ".s.PGSQL.5432").stat().st_mode) == 0o700
            engine = sa.create_engine(url)
            with engine.connect() as connection:
                assert connection.execute(sa.text("SHOW listen_addresses")).scalar() == ""
                assert connection.execute(sa.text("SHOW max_connections")).scalar() == str(embedded.CONNECTIONS)
                methods = connection.execute(sa.text("SELECT auth_method FROM pg_hba_file_rules")).scalars()
                assert set(methods) == {"peer"}
            engine.dispose()
        finally:
            embedded.stop(data)
        assert place.exists() == (data == folder), "a folder that was made for the socket goes with it"


@AS_ROOT
@pytest.mark.parametrize("long", [False, True], ids=["in the data folder", "in a temporary folder"])
def test_another_user_cannot_connect(folder: Path, tmp_path: Path, long: bool) -> None:
    data = tmp_path / ("n" * 100) / "own" if long else folder
    embedded.start(data)
    try:
        place = embedded.status(data).socket
        code = f"import socket; socket.socket(socket.AF_UNIX).connect('{place}/.s.PGSQL.5432')"
        assert "PermissionError" in as_nobody(code).stderr
        # Even where the folders were opened by hand, the server asks who it is.
        for path in (data, place, *[parent for parent in data.parents if str(parent).startswith(str(tmp_path))]):
            assert path is not None
            path.chmod(0o755)
        (place / ".s.PGSQL.5432").chmod(0o777)  # type: ignore[operator]
        refused = as_nobody(f"import psycopg2; psycopg2.connect('host={place} port=5432 user=postgres')")
        assert "Peer authentication failed" in refused.stderr
    finally:
        data.chmod(0o700)
        embedded.stop(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
@pytest.mark.parametrize(
    ("program", "said"), [(None, "No such file"), ("#!/bin/sh\necho no room for one >&2\nexit 1\n", "no room for one")]
)
def test_why_no_account_could_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, said: str
) -> None:
    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setenv("PATH", str(tmp_path))
    if program is not None:
        (tmp_path / "useradd").write_text(program)
        (tmp_path / "useradd").chmod(0o755)
    with pytest.raises(LedgerError, match=f"no system user .* could be made for it: .*{said}"):
        ServerAccount.find(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes accounts")
@pytest.mark.parametrize("said", ["user already exists", "cannot lock /etc/passwd; try again later"])
def test_launches_at_one_moment_make_one_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Whoever is not first is refused by useradd; the account is there then, or a little later."""
    name = f"kdsearch-{os.getpid()}"
    first = f"({shutil.which('useradd')} --system --no-create-home {name})"
    behind = "" if "exists" in said else ">/dev/null 2>&1 &"
    (tmp_path / "useradd").write_text(f"#!/bin/sh\n{first} {behind}\necho '{said}' >&2\nexit 1\n")
    (tmp_path / "useradd").chmod(0o755)
    monkeypatch.setattr(server_account, "_SYSTEM_USER", name)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    try:
        assert ServerAccount.find(Path("/tmp")).uid == pwd.getpwnam(name).pw_uid
    finally:
        wait_for(lambda: subprocess.run(["userdel", name], capture_output=True).returncode == 0)


def test_a_socket_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the temporary folder anybody may have made a folder, or a link, under the name that we would take."""
    short = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    short.chmod(0o1777)
    other = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    other.chmod(0o1777)
    data = tmp_path / ("n" * 100)
    data.mkdir()
    account = ServerAccount.find(tmp_path)
    try:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
        monkeypatch.setenv("TMPDIR", str(other))
        monkeypatch.setattr(tempfile, "tempdir", None)
        first = socket_folder(data, account)
        assert first.parent == short
        first.rmdir()
        first.symlink_to(other)
        assert socket_folder(data, account).parent == other
    finally:
        shutil.rmtree(short)
        shutil.rmtree(other)


def test_folders_above_the_data_may_be_passed_and_not_be_read_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever new files are allowed by default: as root, the server runs by another account."""

    def refused(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "no", str(folder))

    monkeypatch.setattr(embedded, "_found_or_started", refused)
    before = os.umask(0)
    try:
        with pytest.raises(LedgerError):
            embedded.start(tmp_path / "home" / "postgres")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o711


@AS_ROOT
def test_as_root_no_folder_is_opened_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("KDSEARCH_HOME", str(closed / "home"))
    with pytest.raises(LedgerError, match=r"cannot enter .*closed/home: .*/closed is closed to others"):
        embedded.start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o711


@AS_ROOT
def test_as_root_a_home_from_mktemp_lets_postgres_pass_and_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("KDSEARCH_HOME", str(home))
    (home / "notes.txt").write_text("mine")
    (home / "notes.txt").chmod(0o644)
    with pytest.raises(LedgerError, match="is closed to others"):
        embedded.start()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700, "the notes could be read by whoever knows their name"
    (home / "notes.txt").chmod(0o600)
    try:
        assert select_one(embedded.start()) == 1
        assert stat.S_IMODE(home.stat().st_mode) == 0o701
        assert "PermissionError" in as_nobody(f"import os; os.listdir({str(home)!r})").stderr
    finally:
        embedded.stop()


@AS_ROOT
def test_as_root_the_default_home_is_one_that_postgres_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.delenv("KDSEARCH_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(closed))
    monkeypatch.setattr(environment, "_ROOT_HOME", tmp_path / "system")
    assert environment.home() == tmp_path / "system"
    (closed / "kdsearch").mkdir()  # of before: what lies there is not forgotten
    assert environment.home() == closed / "kdsearch"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "open"))
    assert environment.home() == tmp_path / "open" / "kdsearch"


@AS_ROOT
def test_as_root_programs_in_a_closed_folder_are_copied(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    programs = ServerAccount.find(tmp_path).programs
    package = programs.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, closed / part.name)
    closed.chmod(0o700)
    moved = closed / programs.relative_to(package.parent)
    monkeypatch.setattr(server_account, "_wheel_programs", lambda: moved)
    assert select_one(embedded.start(folder)) == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    embedded.stop(folder)
    assert select_one(embedded.start(folder)) == 1, "the copy is used again"
    assert len(list(tmp_path.glob("postgresql-*"))) == 1


@AS_ROOT
def test_two_users_of_a_machine_have_a_database_each(folder: Path) -> None:
    """The first one's files in the temporary folder do not stand in the second one's way."""
    with tempfile.TemporaryDirectory(prefix="k") as theirs:
        os.chown(theirs, NOBODY, NOBODY)
        code = (
            "from pathlib import Path; from kdsearch.ledger import embedded\n"
            f"folder = Path({theirs!r}) / 'home' / 'postgres'\n"
            "print(embedded.start(folder)); print(embedded.stop(folder))"
        )
        embedded.start(folder)
        done = as_nobody(code, home=theirs)
        if "Permission denied" in done.stderr and "kdsearch" not in done.stderr:
            pytest.skip(f"another user cannot run {sys.executable}: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr
        assert "host=" in done.stdout
        assert done.stdout.strip().endswith("True")


@AS_ROOT
def test_a_copy_that_root_made_is_refused_with_what_helps(folder: Path) -> None:
    embedded.start(folder)
    embedded.stop(folder)
    copy = folder.with_name("a copy")
    shutil.copytree(folder, copy)
    with pytest.raises(LedgerError, match=r"belongs to the user root.* chown -R \w+: '.*a copy'") as refused:
        embedded.start(copy)
    helps = re.search("chown -R .*a copy'", str(refused.value))
    assert helps is not None
    subprocess.run(["sh", "-c", helps[0]], check=True)
    try:
        assert select_one(embedded.start(copy)) == 1
    finally:
        embedded.stop(copy)


@AS_ROOT
def test_a_home_of_another_user_is_refused_in_a_sentence(folder: Path) -> None:
    embedded.start(folder)
    code = (
        "from pathlib import Path; from kdsearch.ledger import embedded; from kdsearch.errors import LedgerError\n"
        f"try: embedded.start(Path({str(folder)!r}))\n"
        "except LedgerError as error: print(error)"
    )
    done = as_nobody(code)
    assert "did not start" in done.stdout, done.stderr
    assert "Permission denied" in done.stdout


def test_a_statement_starts_a_crashed_server_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else would: the embedded server is nobody's service."""
    monkeypatch.delenv("KDSEARCH_STORAGE", raising=False)
    with tempfile.TemporaryDirectory(prefix="k") as parent:
        Path(parent).chmod(0o711)
        monkeypatch.setenv("KDSEARCH_HOME", str(Path(parent) / "home"))
        database = Database(patience=20.0)
        try:
            for _ in range(2):
                crash(environment.home() / "postgres")
                assert database.transaction(lambda connection: connection.execute(sa.text("SELECT 7")).scalar()) == 7
        finally:
            database.dispose()
            embedded.stop()


def test_a_server_whose_socket_was_removed_is_started_anew(folder: Path) -> None:
    """Cleaners of temporary files do so; nobody reaches that server any more."""
    url = embedded.start(folder)
    first = embedded.status(folder).pid
    (folder / ".s.PGSQL.5432").unlink()
    assert embedded.status(folder).pid is None
    assert select_one(embedded.start(folder)) == 1
    assert embedded.status(folder).pid not in (None, first)
    assert url == embedded.start(folder)


def test_a_folder_that_was_moved_while_its_server_runs_keeps_its_own_data(folder: Path, tmp_path: Path) -> None:
    """Another server at the old place must not be taken for it."""
    engine = sa.create_engine(embedded.start(folder), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE mine AS SELECT 42 AS answer"))
    engine.dispose()
    moved = tmp_path / "moved"
    folder.rename(moved)
    Path(f"{folder}.lock").rename(f"{moved}.lock")
    try:
        assert select_one(embedded.start(folder)) == 1
        engine = sa.create_engine(embedded.start(moved))
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT answer FROM mine")).scalar() == 42
        engine.dispose()
    finally:
        embedded.stop(moved)
    assert select_one(embedded.start(folder)) == 1, "also where the other's end took the socket with it"


@pytest.mark.parametrize("umask", [0o077, 0o777, 0o000])
def test_a_new_home_can_be_used_under_any_umask(umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDSEARCH_HOME", str(tmp_path / "home"))
    old = os.umask(umask)
    try:
        assert select_one(embedded.start()) == 1
    finally:
        os.umask(old)
        embedded.stop()


def test_a_frozen_server_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    pid = embedded.status(folder).pid
    assert pid is not None
    monkeypatch.setattr(embedded, "_STOP_SECONDS", 1.0)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert embedded.stop(folder)
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    finally:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGCONT)
