"""Runs that hang, that keep the interpreter to themselves, and that end their worker: the study goes on and says so."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support import wait_for

from faults.harness import Short, broken_invariants, check, workers_of
from faults.memory import memory_limit
from faults.servers import TcpServer

pytestmark = pytest.mark.slow


@pytest.mark.worst
def test_a_hung_worker_does_not_outlive_its_launcher(short: Callable[..., Short]) -> None:
    """Its parent gone, it renews no more; the next launch does not wait for it."""
    study = short("if first('hung'): time.sleep(10**6)", runs=8)
    launcher = study.start(workers=1)
    wait_for(lambda: (study.folder / "hung").exists() and study.count("state = 'leased'"), what="the hang")
    (worker,) = workers_of(launcher)
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()
    check(study)
    wait_for(lambda: not psutil.pid_exists(worker), what="the end of the orphan")


def test_a_launcher_that_is_told_to_end_ends_its_hung_worker(short: Callable[..., Short]) -> None:
    study = short("if first('hung'): time.sleep(10**6)", runs=8)
    launcher = study.start(workers=1)
    wait_for(lambda: (study.folder / "hung").exists() and study.count("state = 'leased'"), what="the hang")
    launcher.terminate()
    launcher.wait(60)
    check(study)


@pytest.mark.parametrize("hang", ["time.sleep(10**6)", "ctypes.PyDLL(None).sleep(10**6)"], ids=["asleep", "in C"])
def test_a_hung_run_is_ended_at_its_limit(short: Callable[..., Short], hang: str) -> None:
    """Also where the interpreter itself is held, so that no thread of the worker runs."""
    study = short(f"if first('hung'): {hang}", "run_timeout=4", runs=8)
    output = check(study, study.start())
    assert re.search(r"run \d+ is overdue and is queued again: it ran for more than 4 s", output), output
    assert study.count("failures = 1 AND state = 'done'") == 1


def test_a_run_that_always_hangs_fails_and_the_study_goes_on(short: Callable[..., Short]) -> None:
    study = short("if params['x'] < .3 and seed == 0: time.sleep(10**6)", "run_timeout=1.5", runs=8)
    code, output = study.run(timeout=300)
    assert code == 0, output
    assert study.count("state = 'failed' AND error LIKE '%run_timeout%'") == study.count("state = 'failed'") > 0
    assert broken_invariants(study) == {}


def test_a_worker_whose_interpreter_is_busy_keeps_its_run(short: Callable[..., Short]) -> None:
    """For longer than two leases no thread of it runs; its result counts all the same."""
    study = short("if first('busy'): ctypes.PyDLL(None).sleep(8)", runs=8)
    output = check(study, study.start(workers=1))
    assert study.count("attempt > 1") == 0, output
    assert "discarded" not in output


@pytest.mark.parametrize(
    "how", ["os.kill(os.getpid(), 9)", "os._exit(3)", "ctypes.string_at(0)"], ids=["kill", "exit", "segv"]
)
def test_a_run_that_ends_its_worker_fails_and_the_study_goes_on(short: Callable[..., Short], how: str) -> None:
    study = short(f"if params['x'] > .5 and seed == 0: {how}", runs=8)
    code, output = study.run(workers=1, timeout=300)
    assert code == 0, output
    failed = study.query("SELECT failures, losses, attempt, error FROM kdsearch.run WHERE state = 'failed'")
    assert failed
    assert {row[:3] for row in failed} == {(3, 0, 3)}
    assert all("the worker process ended while it trained this run" in str(row[3]) for row in failed)
    ending = {"os.kill(os.getpid(), 9)": "SIGKILL (out of memory?)", "os._exit(3)": "exit code 3"}.get(how, "SIGSEGV")
    assert ending in output
    assert study.count("state = 'done' AND failures > 1") == 0, "one that was with it when it died is tried alone"
    assert broken_invariants(study) == {}


def test_a_run_whose_memory_grows_until_it_is_killed_fails_and_the_others_go_on(
    short: Callable[..., Short], tmp_path: Path
) -> None:
    """Nobody raises ``MemoryError``: the kernel kills the process that holds most."""
    server = TcpServer(tmp_path / "tcp")  # outside the limit
    try:
        body = "held = []\nwhile params['x'] > .5 and seed == 0: held.append(np.ones(1 << 22)); time.sleep(.01)"
        study = short(body, runs=8, storage=server.url)
        with memory_limit(1536 << 20) as limit:
            launcher = study.start(workers=1)
            whose = limit(launcher.pid)
            output, _ = launcher.communicate(timeout=300)
        assert launcher.returncode == 0, output
        assert "Traceback" not in output
        failed = study.query(
            "SELECT r.seed, c.params ->> 'x', r.failures, r.error FROM kdsearch.run r "
            "JOIN kdsearch.configuration c ON c.id = r.configuration_id WHERE r.state = 'failed'"
        )
        assert failed, f"{whose} killed nobody"
        for seed, x, failures, error in failed:
            assert (seed, float(str(x)) > 0.5, failures) == (0, True, 3)
            assert "out of memory" in str(error)
        assert "SIGKILL (out of memory?)" in output
        assert study.count("state = 'done' AND pool = 'search'") + len(failed) >= study.runs
        assert broken_invariants(study) == {}
    finally:
        server.stop(signal.SIGQUIT)


def test_where_every_run_ends_its_worker_the_launch_ends_too(short: Callable[..., Short]) -> None:
    study = short("print('error: not the program\\'s own word', flush=True); os._exit(1)", runs=8)
    begin = time.monotonic()
    code, output = study.run(workers=1)
    assert code == 1
    assert "12 workers in a row ended while they trained" in output
    assert "ended with exit code 1" in output
    assert "not the program's own word" in output, "the end of what it printed"
    assert time.monotonic() - begin < 150


def test_runs_that_were_with_the_guilty_one_are_not_failed_for_it(short: Callable[..., Short]) -> None:
    """Short runs are claimed together: once they have lost their worker together, each is tried alone."""
    study = short("if seed == 1 and params['x'] > .5: os._exit(1)", runs=24, environment={"SHORT_SECONDS": "0"})
    code, output = study.run(workers=1, timeout=300)
    assert code == 0, output
    guilty = study.query(
        "SELECT c.params ->> 'x', r.seed FROM kdsearch.run r "
        "JOIN kdsearch.configuration c ON c.id = r.configuration_id WHERE r.state = 'failed'"
    )
    assert guilty
    assert all(seed == 1 and float(str(x)) > 0.5 for x, seed in guilty)
