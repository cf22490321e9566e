"""CPU and clock seconds of the commands over a large ledger, each as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from kdsearch.ledger.ledger import Ledger

GOALS = {"status": 2, "logs": 2, "list": 2, "report": 10, "report html": 10, "export csv": 10, "dashboard": 5}
"""CPU seconds of each command; of the dashboard seconds by the clock until its first page is there."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a command and of the database meanwhile, and ``wall`` seconds by the clock."""

    command: str
    cpu: float
    server: float
    wall: float


def commands(study: str, run: int, folder: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """Name and arguments of each command that is measured, cheap ones first."""
    yield "list", ["list"]
    yield "status", ["status", study]
    yield "logs", ["logs", str(run)]
    yield "report", ["report", study]
    yield "report html", ["report", study, "--html", str(folder / "report.html")]
    yield "export csv", ["export", "runs", study, "--output", str(folder / "runs.csv")]
    yield "export json", ["export", "runs", study, "--output", str(folder / "runs.json")]


def measure(ledger: Ledger, study_id: int, *, profiles: Path | None = None, only: Sequence[str] = ()) -> Iterator[Cost]:
    """What each command costs; ``profiles``: a folder for what cProfile says of each; ``only``: of which commands."""
    record = ledger.study_by_id(study_id)
    server = server_of(ledger)
    with tempfile.TemporaryDirectory(prefix="kdsearch-load-") as folder:
        for name, arguments in commands(record.name, 1000, Path(folder)):
            if not only or name in only:
                place = None if profiles is None else profiles / f"{name.replace(' ', '-')}.prof"
                yield _cost(name, arguments, server, place)
        if not only or "dashboard" in only:
            yield from _dashboard(ledger, record.name, server)


def server_of(ledger: Ledger) -> psutil.Process:
    """The postmaster; its children's times, those of connections that are closed among them, are in its own."""
    import sqlalchemy as sa

    with ledger.database.engine.connect() as connection:
        file = Path(connection.execute(sa.text("SHOW data_directory")).scalar_one()) / "postmaster.pid"
    return psutil.Process(int(file.read_text().split()[0]))


def server_seconds(server: psutil.Process) -> float:
    """CPU seconds of the server so far."""
    own = server.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in server.children():
        times = child.cpu_times()
        total += times.user + times.system
    return total


def _cost(name: str, arguments: Sequence[str], server: psutil.Process, profile: Path | None) -> Cost:
    program = [sys.executable, *(["-m", "cProfile", "-o", str(profile)] if profile else [])]
    before, begin = server_seconds(server), time.perf_counter()
    process = subprocess.Popen([*program, "-m", "kdsearch", *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}")
    wall = time.perf_counter() - begin
    return Cost(name, used.ru_utime + used.ru_stime, server_seconds(server) - before, wall)


def _dashboard(ledger: Ledger, study: str, server: psutil.Process) -> Iterator[Cost]:
    """Until the study's page has its trials for the first time, the study not mirrored; then mirrored."""
    from kdsearch.engines.optuna_mirror import optuna_storage, rebuild

    optuna_storage(ledger.database)
    rebuild(ledger.database, study)
    yield _first_page("dashboard, not mirrored", study, server)
    with subprocess.Popen([sys.executable, "-m", "kdsearch", "db", "mirror", study], stdout=subprocess.DEVNULL) as done:
        done.wait()
    yield _first_page("dashboard, mirrored", study, server)


def _first_page(name: str, study: str, server: psutil.Process) -> Cost:
    import optuna_dashboard  # noqa: F401  # its files are in the page cache, as on any second start

    before, begin = server_seconds(server), time.perf_counter()
    command = [sys.executable, "-m", "kdsearch", "dashboard", "--port", str(free_port())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http://" in line)
        found = re.search(r"http://\S+", line)
        assert found is not None
        _read_page(found[0], study)
        wall = time.perf_counter() - begin
        times = psutil.Process(process.pid).cpu_times()
        return Cost(name, times.user + times.system, server_seconds(server) - before, wall)
    finally:
        process.kill()
        process.wait()


def _read_page(address: str, study: str) -> None:
    """The page itself, then what its script asks for: the studies, and this one with trials."""
    import json
    from http.cookiejar import CookieJar

    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    opener.open(address).read()
    base = address.split("/dashboard")[0]
    studies = json.load(opener.open(f"{base}/api/studies"))["study_summaries"]
    number = next(row["study_id"] for row in studies if row["study_name"] == study)
    trials = json.load(opener.open(f"{base}/api/studies/{number}?after=0"))["trials"]
    if not trials:
        raise RuntimeError(f"the page of {study} has no trials")
    print(f"    the page has {len(trials):,} trials", flush=True)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def lines(costs: Iterable[Cost]) -> Iterator[str]:
    """The costs as lines, each as soon as it is known."""
    yield f"{'command':<26}{'CPU s':>8}{'server CPU s':>14}{'clock s':>9}{'goal':>6}"
    for cost in costs:
        goal = GOALS.get(cost.command.split(",")[0], "")
        yield f"{cost.command:<26}{cost.cpu:8.2f}{cost.server:14.2f}{cost.wall:9.2f}{goal:>6}"
