"""Processes killed, frozen, crowded and interrupted: no run is lost, none counted twice, the table stays the same."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest
from support import wait_for

from faults.harness import Short, check, workers_of
from kdsearch.ledger import embedded

pytestmark = pytest.mark.slow


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def postmaster(short: Short) -> int:
    pid = embedded.status(short.home / "postgres").pid
    assert pid is not None
    return pid


@pytest.mark.parametrize("struck", ["worker", "launcher", "launcher and worker", "all", "postgres"])
def test_killed(short: Callable[..., Short], struck: str) -> None:
    study = short()
    launcher = study.start()
    study.wait(8)
    workers = wait_for(lambda: workers_of(launcher), what="workers")
    victims = {
        "worker": [workers[0]],
        "launcher": [launcher.pid],
        "launcher and worker": [launcher.pid, workers[0]],
        "all": [launcher.pid, *workers, postmaster(study)],
        "postgres": [postmaster(study)],
    }[struck]
    kill(*victims)
    if launcher.pid in victims:
        launcher.wait()
        check(study)
    else:
        check(study, launcher, launches=0)


@pytest.mark.worst
def test_everything_killed_again_and_again(short: Callable[..., Short]) -> None:
    study = short()
    for done in (3, 12, 24):
        launcher = study.start()
        study.wait(done)
        kill(launcher.pid, *workers_of(launcher), postmaster(study))
        launcher.communicate()
    check(study)


def test_five_launchers_share_a_study(short: Callable[..., Short]) -> None:
    study = short()
    launchers = [study.start(workers=1) for _ in range(5)]
    for launcher in launchers:
        output, _ = launcher.communicate(timeout=180)
        assert launcher.returncode == 0, output
    check(study, launches=0)
    assert len(study.query("SELECT DISTINCT worker FROM kdsearch.run")) >= 3, "they share it"


def frozen_in_a_run(study: Short, pid: int) -> bool:
    """Freeze a worker where it holds a run then, and has sent no result of it."""
    held = f"SELECT 1 FROM kdsearch.run WHERE state = 'leased' AND split_part(worker, ':', 3) = '{pid}'"
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.3)
    if study.query(held):
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def test_a_worker_that_is_frozen_longer_than_its_lease(short: Callable[..., Short]) -> None:
    study = short()
    launcher = study.start()
    study.wait(4)
    frozen = workers_of(launcher)[0]
    wait_for(lambda: frozen_in_a_run(study, frozen), what="a worker that holds a run")
    time.sleep(5)
    os.kill(frozen, signal.SIGCONT)
    check(study, launcher, launches=0)
    assert study.query("SELECT 1 FROM kdsearch.event WHERE kind = 'lease lost'"), "others took its run"


@pytest.mark.parametrize("signals", ["INT", "TERM", "INT INT", "TERM TERM", "INT TERM", "HUP"])
def test_interrupted(short: Callable[..., Short], signals: str) -> None:
    """Also by somebody who is impatient: workers hand back their runs, or lose them."""
    study = short()
    launcher = study.start()
    study.wait(6)
    for name in signals.split():
        launcher.send_signal(getattr(signal, f"SIG{name}"))
        time.sleep(0.1)
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode not in (0, None)
    assert "Traceback" not in output
    check(study)


def test_interrupted_before_anything_has_begun(short: Callable[..., Short]) -> None:
    study = short()
    for used in (0.15, 0.3, 0.45, 0.6, 0.8):  # seconds of CPU; before, it is Python itself that is interrupted
        launcher = study.start()
        process = psutil.Process(launcher.pid)
        wait_for(lambda: process.cpu_times().user >= used, what="its first imports")  # noqa: B023
        launcher.send_signal(signal.SIGINT)
        output, _ = launcher.communicate(timeout=60)
        assert "Traceback" not in output
        assert launcher.returncode in (130, -signal.SIGINT), output
        assert not study.query("SELECT 1 FROM kdsearch.study WHERE phase = 'finished'"), "it ends at once"
    check(study)


def test_clocks_that_are_an_hour_off(short: Callable[..., Short]) -> None:
    """Leases follow the clock of Postgres alone: that of a worker may say anything."""
    study = short()
    skew = "_time = time.time\ntime.time = lambda: _time() + 3600 * (-1) ** os.getpid()\n"
    study.file.write_text(study.file.read_text().replace("import numpy", f"{skew}import numpy"))
    check(study, study.start(), launches=0)


def test_out_of_memory(short: Callable[..., Short]) -> None:
    study = short("if first('memory'): bytearray(1 << 60)")
    check(study, study.start(), launches=0)
    assert study.count("failures = 1") == 1


def test_a_workspace_that_a_killed_worker_left_is_swept(short: Callable[..., Short]) -> None:
    """Killed after its result was stored and before its folder was removed."""
    study = short(runs=8)
    code, output = study.run()
    assert code == 0, output
    ((uid, run_id),) = study.query("SELECT s.uid, r.id FROM kdsearch.run r JOIN kdsearch.study s ON true LIMIT 1")
    left = study.home / "runs" / str(uid) / str(run_id)
    left.mkdir(parents=True)
    (left / "checkpoint.pt").write_bytes(b"old")
    assert study.run()[0] == 0
    assert not left.exists()
