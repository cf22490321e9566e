"""A launch from Python, as the command makes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import NOISY

import kdsearch as kd
from kdsearch.engines.launch import Launch, launch
from kdsearch.errors import KdsearchError, StudyFileError, StudyMismatch
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.report import build, render


@pytest.fixture
def small(database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDSEARCH_STORAGE", database_url)
    monkeypatch.setenv("NOISY_RUNS", "8")
    monkeypatch.setenv("NOISY_CONFIRM", "2")


def rows(results: StudyResults) -> list[tuple[object, ...]]:
    return sorted((run.pool, run.configuration_id, run.seed, run.objective, run.score) for run in results.runs)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("engine", ["debug", "local"])
def test_it_runs_a_file_to_its_end_and_returns_all_runs(engine: str) -> None:
    results = kd.launch(NOISY, engine=engine, workers=1)  # type: ignore[arg-type]
    assert results.study.phase == "finished"
    assert {run.state for run in results.runs} == {"done"}
    assert sum(run.pool == "search" for run in results.runs) == 8
    assert "noisy_quadratic" in render(build(results), "table")
    again = Launch.open(NOISY, engine="debug").run()
    assert (again.before, again.ended) == (len(results.runs), len(results.runs))
    assert again.finished
    assert rows(again.results) == rows(results)


@pytest.mark.usefixtures("small")
def test_it_is_told_how_far_it_is_and_what_the_file_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    ran = Launch.open(NOISY, engine="debug").run(lambda progress: seen.append(progress.ended))
    assert seen[0] == 0
    assert seen[-1] == ran.ended > 8
    assert ran.seconds > 0
    assert ran.cpu_seconds > 0
    monkeypatch.setenv("NOISY_RUNS", "10")
    with pytest.raises(StudyMismatch, match="chosen and stays the winner"):
        Launch.open(NOISY, engine="debug")
    monkeypatch.setenv("NOISY_RUNS", "8")
    monkeypatch.setenv("NOISY_CONFIRM", "3")
    opened = Launch.open(NOISY, engine="debug")
    assert "confirm.seeds: 2 before, 3 now" in opened.changes
    assert opened.retry_failed() == (0, [])
    assert opened.run().ended > ran.ended


@pytest.mark.usefixtures("small")
def test_what_cannot_be_launched_is_said(tmp_path: Path) -> None:
    with pytest.raises(KdsearchError, match="expected the engine local or debug, got 'cloud'"):
        Launch.open(NOISY, engine="cloud")
    with pytest.raises(StudyFileError, match="found no file"):
        launch(tmp_path / "none.py")
    assert Ledger.connect().studies() == []
