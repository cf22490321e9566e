"""Kill -9 of a worker, of the launcher and of Postgres in the middle of a study: none lost, none twice."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import NOISY, program, run_program, wait_for

from kdsearch.engines.study_file import load
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults

pytestmark = pytest.mark.slow

RUNS = 24
CONFIRM = 4
ENVIRONMENT = {
    "NOISY_SECONDS": "0.2",
    "NOISY_RUNS": str(RUNS),
    "NOISY_CONFIRM": str(CONFIRM),
    "KDSEARCH_LEASE_SECONDS": "3",
}


@pytest.fixture
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield home
    embedded.stop(home / "postgres")


def results(home: Path) -> StudyResults:
    ledger = Ledger.connect()
    try:
        return ledger.results(ledger.study("noisy_quadratic").id)
    finally:
        ledger.database.dispose()


def done(home: Path) -> int:
    if embedded.status(home / "postgres").pid is None:
        return 0
    ledger = Ledger.connect()
    try:
        rows = ledger.studies()
        return sum(run.state == "done" for run in ledger.results(rows[0].id).runs) if rows else 0
    finally:
        ledger.database.dispose()


def check_complete(home: Path) -> StudyResults:
    """Every run is there once, done, and holds exactly what its configuration and seed give."""
    found = results(home)
    assert found.study.phase == "finished"
    assert {run.state for run in found.runs} == {"done"}
    counts = Counter(run.pool for run in found.runs)
    compared = 1 + 2 + len(found.study.finalist_ids)  # winner, two baselines, finalists; no teacher, so no ablation
    assert counts == {"search": RUNS, "confirm": compared * CONFIRM}
    assert len({(run.configuration_id, run.seed) for run in found.runs}) == len(found.runs)
    train = load(NOISY).study.task.function  # type: ignore[attr-defined]
    train.__globals__["SECONDS"] = 0.0
    for run in found.runs:
        alone = train(found.configurations[run.configuration_id].params, run.seed, lambda epoch, value: None)
        assert (run.objective, run.score) == alone
    return found


def killed_while_training(home: Path) -> bool:
    """Freeze a worker that holds a run and, if it still holds it then, kill it."""
    held = [run.worker for run in results(home).runs if run.state == "leased" and run.worker]
    if not held:
        return False
    pid = int(held[0].split(":")[2])
    os.kill(pid, signal.SIGSTOP)
    holds = any(run.state == "leased" and run.worker == held[0] for run in results(home).runs)
    os.kill(pid, signal.SIGKILL if holds else signal.SIGCONT)
    return holds


def test_a_killed_worker_is_replaced_and_its_run_trained_again(own_home: Path) -> None:
    launch = program("launch", str(NOISY), home=own_home)
    wait_for(lambda: done(own_home) >= 4, what="four runs")
    assert len(workers_of(launch.pid)) == 2
    wait_for(lambda: killed_while_training(own_home), what="a worker that holds a run")
    output, _ = launch.communicate(timeout=120)
    assert launch.returncode == 0, output
    found = check_complete(own_home)
    assert sum(run.attempt - 1 for run in found.runs) >= 1, "the killed worker held a run"
    assert any(event.kind == "worker died" for event in found.events)


def test_a_killed_launcher_leaves_a_study_that_goes_on(own_home: Path) -> None:
    launch = program("launch", str(NOISY), home=own_home)
    wait_for(lambda: done(own_home) >= 4, what="four runs")
    workers = workers_of(launch.pid)
    os.kill(launch.pid, signal.SIGKILL)
    launch.communicate(timeout=30)
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in workers), what="the end of orphaned workers")
    before = done(own_home)
    assert before < RUNS
    code, output = run_program("launch", str(NOISY), home=own_home)
    assert code == 0, output
    check_complete(own_home)


def test_killed_with_all_its_workers_the_study_goes_on_without_waiting_for_leases(own_home: Path) -> None:
    launch = program("launch", str(NOISY), home=own_home, KDSEARCH_LEASE_SECONDS="600")
    wait_for(lambda: done(own_home) >= 4, what="four runs")
    wait_for(lambda: any(run.state == "leased" for run in results(own_home).runs), what="a run that is held")
    for pid in [launch.pid, *workers_of(launch.pid)]:
        os.kill(pid, signal.SIGKILL)
    launch.communicate(timeout=30)
    held = [run for run in results(own_home).runs if run.state == "leased"]
    assert held
    code, output = run_program("launch", str(NOISY), home=own_home, KDSEARCH_LEASE_SECONDS="600", timeout=90)
    assert code == 0, output
    found = check_complete(own_home)
    assert all(run.attempt == 2 for run in found.runs if run.id in {old.id for old in held})


def test_a_killed_postgres_comes_back_and_the_study_goes_on(own_home: Path) -> None:
    launch = program("launch", str(NOISY), home=own_home)
    wait_for(lambda: done(own_home) >= 4, what="four runs")
    postmaster = embedded.status(own_home / "postgres").pid
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    output, _ = launch.communicate(timeout=120)
    assert "Traceback" not in output
    assert launch.returncode == 0, output
    check_complete(own_home)
    assert embedded.status(own_home / "postgres").pid not in (None, postmaster)


def test_a_late_result_of_a_frozen_worker_is_discarded(own_home: Path) -> None:
    launch = program("launch", str(NOISY), "--workers", "1", home=own_home)
    wait_for(lambda: done(own_home) >= 2, what="two runs")
    (frozen,) = workers_of(launch.pid)
    wait_for(lambda: any(run.state == "leased" for run in results(own_home).runs), what="a lease")
    os.kill(frozen, signal.SIGSTOP)
    try:
        held = wait_for(lambda: [run for run in results(own_home).runs if run.state == "leased"], what="a held run")
        other = program("launch", str(NOISY), "--workers", "1", home=own_home)
        wait_for(
            lambda: all(run.state == "done" for run in results(own_home).runs if run.id == held[0].id),
            what="the run's second training",
        )
        stored = next(run for run in results(own_home).runs if run.id == held[0].id)
    finally:
        os.kill(frozen, signal.SIGCONT)
    for process in (launch, other):
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    found = check_complete(own_home)
    again = next(run for run in found.runs if run.id == held[0].id)
    assert (again.attempt, again.worker, again.finished_at) == (2, stored.worker, stored.finished_at)
    assert any(event.kind == "lease lost" and event.run_id == held[0].id for event in found.events)


def test_ctrl_c_ends_cleanly_and_hands_back_every_run(own_home: Path) -> None:
    launch = program("launch", str(NOISY), home=own_home)
    wait_for(lambda: done(own_home) >= 4, what="four runs")
    launch.send_signal(signal.SIGINT)
    output, _ = launch.communicate(timeout=60)
    assert launch.returncode == 130
    assert "nothing is lost" in output
    assert "Traceback" not in output
    assert not any(run.state == "leased" for run in results(own_home).runs)
    code, output = run_program("launch", str(NOISY), home=own_home)
    assert code == 0, output
    check_complete(own_home)


def test_a_second_launch_and_a_worker_join(own_home: Path, tmp_path: Path) -> None:
    meet = {"NOISY_MEET": "3", "NOISY_MARKS": str(tmp_path)}
    first = program("launch", str(NOISY), "--workers", "1", home=own_home, **meet)
    wait_for(lambda: done(own_home) >= 1, what="a run")
    second = program("launch", str(NOISY), "--workers", "1", home=own_home, **meet)
    third = program("worker", str(NOISY), home=own_home, **meet)
    for process in (first, second, third):
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    found = check_complete(own_home)
    assert len({run.worker for run in found.runs if run.pool == "search"}) == 3, "all three helped with the search"


@pytest.mark.parametrize("poison", ["raise", "exit"])
def test_a_worker_in_which_nothing_works_ends_and_fails_no_run(own_home: Path, tmp_path: Path, poison: str) -> None:
    """The launch's own worker waits in its second run for the other's first, so that there is something to take."""
    meet = {"NOISY_MEET": "2", "NOISY_MARKS": str(tmp_path)}
    launch = program("launch", str(NOISY), "--workers", "1", home=own_home, **meet)
    wait_for(lambda: done(own_home) >= 1, what="a run")
    code, output = run_program("worker", str(NOISY), home=own_home, NOISY_POISONED=poison, **meet)
    assert code == 1, output
    # Three of them, or more where all that the queue held shared a seed: the seed might be the cause then.
    assert re.search(r"\d+ runs in a row (raised an exception|ended with the same error) in this worker", output), (
        output
    )
    output, _ = launch.communicate(timeout=120)
    assert launch.returncode == 0, output
    check_complete(own_home)


def workers_of(pid: int) -> list[int]:
    """Worker processes that a launcher started."""
    children = psutil.Process(pid).children()
    return [child.pid for child in children if "kdsearch.engines.worker_process" in " ".join(child.cmdline())]


def test_a_worker_asked_to_end_from_outside_is_replaced(own_home: Path) -> None:
    launch = program("launch", str(NOISY), "--workers", "1", home=own_home)
    wait_for(lambda: done(own_home) >= 2, what="two runs")
    (worker,) = workers_of(launch.pid)
    os.kill(worker, signal.SIGTERM)
    output, _ = launch.communicate(timeout=120)
    assert launch.returncode == 0, output
    found = check_complete(own_home)
    assert len({run.worker for run in found.runs}) == 2
