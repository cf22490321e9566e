"""No part of a database's password stands where other users see it: in command lines and environments of others."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support import wait_for

from kdsearch.ledger.ledger import Ledger

PASSWORD = "sesame-7f3a"
STUDY = """
import time
import kdsearch as kd

def train(params, seed, report):
    time.sleep(0.02)
    return params["x"]

study = kd.Study("seen", train, {"x": kd.uniform(0, 1)}, search=kd.Fixed(seeds=2), budget=kd.Budget(runs=8),
    confirm=kd.Confirm(seeds=2, finalists=0))
"""


@pytest.fixture
def started(tmp_path: Path, ledger: Ledger, database_url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program on a URL with a password, given in one of the ways."""
    url = sa.make_url(database_url).set(password=PASSWORD)
    url = url.set(username=url.username or "root").render_as_string(hide_password=False)
    assert PASSWORD in url
    (tmp_path / "url").write_text(url)
    (tmp_path / "url").chmod(0o600)
    begun: list[subprocess.Popen[str]] = []

    def start(way: str, *words: str) -> subprocess.Popen[str]:
        given = {"typed": ("--storage", url), "file": ("--storage", f"@{tmp_path / 'url'}"), "environment": ()}[way]
        own = {"KDSEARCH_STORAGE": url} if way == "environment" else {}
        begun.append(
            subprocess.Popen(
                [sys.executable, "-m", "kdsearch", *words, *given],
                env={**os.environ, **own, "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def showing(own: int) -> list[str]:
    """Processes but this one and ``own`` whose command line shows the password, or whose environment shows it to
    another user.
    """
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in (os.getpid(), own):
            continue
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()
            environ = folder / "environ"
            foreign = environ.stat().st_uid != os.geteuid() or environ.stat().st_mode & 0o077
            if foreign:
                line += environ.read_bytes()
            if PASSWORD.encode() in line:
                found.append(line.decode(errors="replace"))
    return found


@pytest.mark.parametrize("way", ["typed", "environment"])
def test_workers_of_a_launch(tmp_path: Path, started: Callable[..., subprocess.Popen[str]], way: str) -> None:
    """What a user types himself is seen; what kdsearch starts from it is not."""
    file = tmp_path / "seen.py"
    file.write_text(STUDY)
    launcher = started(way, "launch", str(file), "--workers", "1")
    seen = 0
    while launcher.poll() is None:
        assert showing(launcher.pid if way == "typed" else 0) == []
        seen += 1
        time.sleep(0.1)
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    assert seen > 10
    assert PASSWORD not in output
    assert not [log for log in (tmp_path / "home").rglob("*.log") if PASSWORD in log.read_text()]


@pytest.mark.parametrize(
    ("way", "command"),
    [("typed", "worker"), ("file", "worker"), ("environment", "worker"), ("typed", "dashboard"), ("file", "dashboard")],
)
def test_a_worker_and_the_dashboard(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], ledger: Ledger, way: str, command: str
) -> None:
    from kdsearch.engines.study_file import load

    file = tmp_path / "seen.py"
    file.write_text(STUDY)
    ledger.open_study(load(file).declaration())
    process = started(way, *{"worker": ("worker", str(file)), "dashboard": ("dashboard", "--port", "18192")}[command])
    assert process.stdout is not None
    line = process.stdout.readline()
    wait_for(lambda: line.startswith(("working on", "Optuna dashboard")), seconds=1, what=line)
    for _ in range(5):
        assert showing(process.pid if way == "typed" else 0) == []
        time.sleep(0.05)
    assert PASSWORD not in line
