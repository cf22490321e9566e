"""Names of workers tell a dead one from a living one, and one whose launcher is gone from one that is watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from kdsearch.engines.worker_names import is_dead, known_of, worker_name
from kdsearch.ledger.recovery import Holders


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.wait()


def test_a_worker_is_dead_only_when_its_very_process_is_gone(process: subprocess.Popen[bytes]) -> None:
    name = worker_name(process.pid)
    assert not is_dead(name)
    assert not is_dead(worker_name())
    process.kill()
    process.wait()
    assert is_dead(name)
    host, machine, pid, started = name.split(":")
    reused = f"{host}:{machine}:{os.getpid()}:{started}"  # the id lives on in another process
    assert is_dead(reused)
    for elsewhere in (f"another:{machine}:{pid}:{started}", f"{host}:00000000:{pid}:{started}"):
        assert not is_dead(elsewhere), "what cannot be known is left to the lease"
        assert known_of([elsewhere]) == Holders([], [], [])


def test_a_death_is_a_crash_only_while_the_launcher_lives(process: subprocess.Popen[bytes]) -> None:
    launcher = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name, alone = worker_name(process.pid, launcher.pid), worker_name(process.pid, process.pid)
    assert known_of([name, alone]) == Holders([name, alone], [], [])
    process.kill()
    process.wait()
    assert known_of([name, alone]) == Holders([], [alone], [name])
    launcher.kill()
    launcher.wait()
    assert known_of([name, alone]) == Holders([], [name, alone], [])


def test_an_orphan_and_a_frozen_worker_must_renew_by_themselves(process: subprocess.Popen[bytes]) -> None:
    launcher = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = worker_name(process.pid, launcher.pid)
    launcher.kill()
    launcher.wait()
    assert known_of([name]) == Holders([], [], [])
    assert not is_dead(name)
    own = worker_name(process.pid, process.pid)
    assert known_of([own]) == Holders([own], [], [])
    process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 5
    while known_of([own]).alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert known_of([own]) == Holders([], [], [])
    process.send_signal(signal.SIGCONT)


def test_a_process_that_is_not_only_a_worker_is_vouched_for_by_nobody(process: subprocess.Popen[bytes]) -> None:
    """A notebook lives on after its launch has failed: what it holds must run out."""
    name = worker_name(process.pid)
    assert known_of([name]) == Holders([], [], [])
    process.kill()
    process.wait()
    assert known_of([name]) == Holders([], [name], [])


def test_names_of_older_versions_and_odd_texts_are_nobody_known() -> None:
    assert known_of(["", "w", "host", "a:b:c:d", "a:b:1", ":::::::"]) == Holders([], [], [])
