"""The database away, killed, cut off, full and crowded: workers wait, or end with a sentence, and lose nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from support import wait_for

from faults.harness import Short, broken_invariants, check, workers_of
from faults.servers import TcpServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TcpServer]:
    """A server over TCP with room for a study and little more."""
    started = TcpServer(tmp_path / "tcp", ("-c", "max_connections=14", "-c", "superuser_reserved_connections=3"))
    yield started
    started.stop(signal.SIGQUIT)


def test_away_for_half_a_minute(short: Callable[..., Short], server: TcpServer) -> None:
    study = short(storage=server.url)
    launcher = study.start()
    study.wait(6)
    server.stop()
    time.sleep(30)
    assert launcher.poll() is None
    server.start()
    check(study, launcher, launches=0)


@pytest.mark.worst
def test_restarted_in_the_first_seconds_of_the_workers(short: Callable[..., Short], server: TcpServer) -> None:
    """They have read nothing yet: the launcher was there a moment before, so that the address is known to be right."""
    study = short(storage=server.url)
    launcher = study.start()
    wait_for(lambda: workers_of(launcher), what="workers")
    server.stop(signal.SIGQUIT)
    time.sleep(4)
    assert launcher.poll() is None, "the launcher waits, and so do its workers"
    server.start()
    output = check(study, launcher, launches=0)
    assert "worker died" not in {str(row[0]) for row in study.query("SELECT kind FROM kdsearch.event")}, output


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT], ids=["killed", "at once", "fast"])
def test_restarted_while_runs_are_trained(short: Callable[..., Short], server: TcpServer, how: int) -> None:
    study = short(storage=server.url)
    launcher = study.start()
    for done in (4, 12, 20):
        study.wait(done)
        server.stop(how)
        wait_for(lambda: started_again(server), what="the server's start")
    check(study, launcher, launches=0)


def started_again(server: TcpServer) -> bool:
    try:
        server.start()
    except AssertionError:  # a killed postmaster's children still hold its memory
        return False
    return True


def test_connections_cut_at_random(short: Callable[..., Short], server: TcpServer) -> None:
    study = short(storage=server.url)
    launcher = study.start()
    study.wait(1)  # a command whose first connection is cut says so and ends: nothing has begun
    cut, drawn = 0, random.Random(0)
    while launcher.poll() is None and cut < 60:
        time.sleep(0.2)
        rows = study.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kdsearch' "
            f"AND pid <> pg_backend_pid() AND random() < {drawn.random():.2f}"
        )
        cut += len(rows)
    assert cut > 20
    check(study, launcher, launches=0)


def test_statements_that_take_too_long(short: Callable[..., Short], server: TcpServer) -> None:
    """Servers of providers have a limit for statements: what waits for a lock is cancelled, and tried again."""
    server.sql("ALTER DATABASE kd SET statement_timeout = '300ms'")
    study = short(storage=server.url)
    launcher = study.start()
    for done in (4, 12, 20):
        study.wait(done)
        server.sql("SET statement_timeout = 0; BEGIN; LOCK TABLE kdsearch.run; SELECT pg_sleep(2); COMMIT")
    check(study, launcher, launches=0)
    assert "worker died" not in {str(row[0]) for row in study.query("SELECT kind FROM kdsearch.event")}
    assert "canceling statement due to statement timeout" in (server.folder / "log").read_text()


def test_connections_exhausted(short: Callable[..., Short], server: TcpServer) -> None:
    server.sql("CREATE ROLE plain LOGIN")
    server.sql("GRANT ALL ON DATABASE kd TO plain")
    server.sql("GRANT ALL ON SCHEMA public TO plain")
    study = short(storage=server.url.replace("me@", "plain@"))
    launcher = study.start()
    study.wait(6)
    server.sql("ALTER ROLE plain CONNECTION LIMIT 0")
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'plain'")
    code, output = study.kdsearch("list")
    assert (code, "Traceback" in output) == (1, False)
    assert "The server has no free connection: raise max_connections or start fewer workers." in output
    time.sleep(4)
    assert launcher.poll() is None
    server.sql("ALTER ROLE plain CONNECTION LIMIT -1")
    check(study, launcher, launches=0)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of so many bytes; skips where this machine mounts none."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(folder)])
    if done.returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all room that is left."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as out, contextlib.suppress(OSError):  # no buffer, which closing would write
        while True:
            out.write(b"\0" * 65536)
    return file


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can only be mounted by root")
def test_the_disk_of_the_database_is_full(short: Callable[..., Short], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "120m") as disk:
        server = TcpServer(
            disk / "data", ("-c", "max_wal_size=32MB", "-c", "wal_recycle=off", "-c", "checkpoint_timeout=30s")
        )
        try:
            study = short(storage=server.url)
            launcher = study.start()
            study.wait(6)
            filler = fill(disk)
            server.sql("SELECT 1")
            with pytest.raises(sa.exc.DBAPIError):
                server.sql("CREATE TABLE much AS SELECT generate_series(1, 3000000) AS n")
            time.sleep(5)
            filler.unlink()
            server.revive()
            check(study, launcher)
        finally:
            server.stop(signal.SIGQUIT)


@pytest.mark.worst
@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can only be mounted by root")
def test_the_disk_of_the_home_is_full(short: Callable[..., Short], tmp_path: Path, server: TcpServer) -> None:
    """The worker's log lies there too: what it says at its end comes by another way."""
    with small_disk(tmp_path / "study", "4m") as disk:
        body = "p = kd_workspace()\np.write_bytes(b'0' * 1000)"
        study = short(body, storage=server.url)
        text = study.file.read_text()
        helper = (
            "def kd_workspace():\n"
            "    folder = Path(os.environ['KDSEARCH_HOME']) / 'scratch'\n"
            "    folder.mkdir(exist_ok=True)\n"
            "    return folder / f'{os.getpid()}-{time.time_ns()}'\n\n"
        )
        study.file.write_text(text.replace("def train(", helper + "def train("))
        launcher = study.start()
        study.wait(4)
        filler = fill(disk)
        output, _ = launcher.communicate(timeout=120)
        assert launcher.returncode == 1, output
        assert "the disk is full" in output
        assert "Free some space below" in output
        assert "Traceback" not in output
        filler.unlink()
        for left in (study.home / "scratch").glob("*"):
            left.unlink()
        check(study)


def test_the_optuna_study_is_deleted_while_it_is_drawn(short: Callable[..., Short], server: TcpServer) -> None:
    """A projection never ends a study, and is drawn anew."""
    import optuna

    # Between two drawings lie ten times the seconds that one takes: the search goes on slowly until both are deleted.
    study = short("time.sleep(0 if (MARKS / 'both').exists() else 5)", storage=server.url, runs=100)
    launcher = study.start()
    deleted = 0
    while launcher.poll() is None and deleted < 2:
        time.sleep(0.2)
        if study.query("SELECT 1 FROM public.studies, kdsearch.study WHERE phase = 'search'"):
            with contextlib.suppress(optuna.exceptions.StorageInternalError):  # it is written to at this moment
                storage = optuna.storages.RDBStorage(server.url)
                for summary in storage.get_all_studies():
                    storage.delete_study(summary._study_id)
                    deleted += 1
    (study.folder / "both").touch()
    assert deleted > 1
    check(study, launcher, launches=0)
    assert study.query("SELECT 1 FROM public.studies")
    (told,) = study.query("SELECT count(*) FROM public.trials WHERE state IN ('PRUNED', 'COMPLETE')")
    assert (told,) == tuple(study.query("SELECT count(*) FROM kdsearch.configuration"))


def test_the_optuna_tables_are_gone_and_cannot_be_made(short: Callable[..., Short], server: TcpServer) -> None:
    """Then the study ends all the same, and says what is not up to date."""
    server.sql("CREATE ROLE plain LOGIN")
    server.sql("GRANT CREATE ON DATABASE kd TO plain")
    server.sql("REVOKE ALL ON SCHEMA public FROM plain, PUBLIC")
    study = short(storage=server.url.replace("me@", "plain@"), runs=8)
    code, output = study.run()
    assert code == 0, output
    assert "is not up to date: " in output
    assert "kdsearch db mirror short@function" in output
    assert broken_invariants(study) == {}
