"""A worker process: it ends when it is told to, and hands back what it holds."""

from __future__ import annotations

import signal
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
