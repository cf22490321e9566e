"""A worker process: it ends when it is told to, and hands back what it holds."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from support import program, wait_for

from kdsearch.engines.study_file import load
from kdsearch.engines.worker_process import search_path
from kdsearch.ledger.ledger import Ledger
from kdsearch.search.planner import StudyPlanner

SLOW = """
import time
import kdsearch as kd

def train(params, seed, report):
    for epoch in range(1, 600):
        time.sleep(0.1)
        report(epoch, params["x"])
    return params["x"]

study = kd.Study(name="slow", task=train, space={"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=4))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_hands_back_its_run(ledger: Ledger, database_url: str, tmp_path: Path, number: int) -> None:
    file = tmp_path / "slow.py"
    file.write_text(SLOW)
    loaded = load(file)
    record, _ = ledger.open_study(loaded.declaration())
    planner = StudyPlanner(loaded.study, 2)
    ledger.decide(record.id, lambda state: list(planner.plan(state)))
    worker = program("worker", str(file), "--device", "cpu", home=tmp_path / "home", KDSEARCH_STORAGE=database_url)
    try:
        wait_for(lambda: ledger.lease_holders(record.id), what="a run that is trained")
        worker.send_signal(number)
        output, _ = worker.communicate(timeout=30)
    finally:
        worker.kill()
    assert worker.returncode == 0, output
    assert output.endswith("stopped while slow@function is in phase search\n")
    with ledger.database.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT state, failures FROM kdsearch.run")).all()
    assert {tuple(row) for row in rows} == {("queued", 0)}


def test_code_that_was_edited_since_the_launch_is_said(ledger: Ledger, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    file.write_text(SLOW)
    record, _ = ledger.open_study(load(file).declaration())
    file.write_text(SLOW.replace('return params["x"]', 'return 2 * params["x"]'))
    worker = program("worker", str(file), "--device", "cpu", home=tmp_path / "home", KDSEARCH_STORAGE=database_url)
    try:
        wait_for(
            lambda: any(event.kind == "code changed" for event in ledger.results(record.id).events),
            what="a word on other code",
        )
    finally:
        worker.terminate()
        worker.communicate(timeout=60)


def test_workers_look_for_modules_where_the_launcher_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), Path("not a text")])
    monkeypatch.chdir(tmp_path)
    assert search_path() == [str(tmp_path), str(tmp_path)]


def test_a_worker_of_a_file_that_says_another_study_now_trains_nothing(
    ledger: Ledger, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "slow.py"
    file.write_text(SLOW)
    record, _ = ledger.open_study(load(file).declaration())
    file.write_text(SLOW.replace("kd.uniform(0, 1)", "kd.uniform(0, 2)"))
    worker = program("worker", str(file), "--device", "cpu", home=tmp_path / "home", KDSEARCH_STORAGE=database_url)
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert f"{file} is not the study {record.name!r} of the ledger any more:" in output
    assert ledger.results(record.id).runs == ()


def test_a_worker_that_hangs_ends_as_one_that_failed() -> None:
    code = "from kdsearch.engines.worker_process import _leave; _leave()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == ("told to stop, and still in a run that reports nothing: the run goes back to the queue\n")
