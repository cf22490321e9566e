"""The clock of the database moves by an hour while runs are trained: none is lost and none counted twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.harness import Short, check, workers_of
from faults.servers import TcpServer

pytestmark = pytest.mark.slow

HOUR = 3600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TcpServer]:
    started = TcpServer(tmp_path / "tcp")
    yield started
    started.stop(signal.SIGQUIT)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[tuple[TcpServer, Callable[[int], None]]]:
    """A server whose clock the test moves by so many seconds, through the library of ``faketime``."""
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"), None)
    if library is None:
        pytest.skip("needs libfaketime: apt-get install faketime")
    moved = tmp_path / "clock"

    def move(seconds: int) -> None:
        moved.with_suffix(".new").write_text(f"{seconds:+d}\n")
        os.replace(moved.with_suffix(".new"), moved)

    move(0)
    variables = (
        f"LD_PRELOAD={library}",
        f"FAKETIME_TIMESTAMP_FILE={moved}",
        "FAKETIME_NO_CACHE=1",
        "DONT_FAKE_MONOTONIC=1",
    )
    started = TcpServer(tmp_path / "tcp", variables=variables)
    yield started, move
    started.stop(signal.SIGQUIT)


def seconds_ahead(study: Short) -> float:
    ((seconds,),) = study.query("SELECT extract(epoch FROM clock_timestamp())")
    return float(str(seconds)) - time.time()


@pytest.mark.parametrize("moves", [(HOUR, 0), (-HOUR, 0), (HOUR, -HOUR)], ids=["on and back", "back and on", "both"])
def test_the_servers_clock_jumps(
    short: Callable[..., Short], clock: tuple[TcpServer, Callable[[int], None]], moves: tuple[int, ...]
) -> None:
    """After each jump a worker is killed: its runs are found although leases say nothing."""
    server, move = clock
    study = short(storage=server.url)
    launcher = study.start()
    for done, seconds in zip((6, 18), moves, strict=True):
        study.wait(done)
        move(seconds)
        assert abs(seconds_ahead(study) - seconds) < 60
        os.kill(workers_of(launcher)[0], signal.SIGKILL)
    check(study, launcher, launches=0)


@pytest.mark.parametrize("hours", [-1, 1])
def test_leases_that_end_an_hour_earlier_or_later(short: Callable[..., Short], server: TcpServer, hours: int) -> None:
    """As they do where somebody sets the clock; what is needed for this is there on every machine."""
    study = short(storage=server.url)
    launcher = study.start()
    for done in (4, 12, 20):
        study.wait(done)
        server.sql(
            f"UPDATE kdsearch.run SET lease_until = lease_until + {hours} * interval '1 hour', "
            f"started_at = started_at + {hours} * interval '1 hour' WHERE state = 'leased'"
        )
    check(study, launcher, launches=0)
