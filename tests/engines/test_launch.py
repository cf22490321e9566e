"""A launch from Python, as the command makes it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from support import NOISY, Loaded, declaration, toy_study

import kdsearch as kd
from kdsearch import environment
from kdsearch.cli.app import app
from kdsearch.engines import artifacts
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.devices import Slot
from kdsearch.engines.launch import Launch, launch
from kdsearch.errors import KdsearchError, StudyFileError, StudyMismatch
from kdsearch.ledger.leases import Outcome
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
def test_one_that_was_asked_to_stop_is_not_finished() -> None:
    opened = Launch.open(NOISY, engine="debug")
    ran = opened.run(lambda progress: opened.ledger.request_stop(opened.record.id))
    assert not ran.finished
    assert Launch.open(NOISY, engine="debug").run().finished


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("asked", "trained"), [(None, 1), (3, 3)])
def test_the_debug_engine_trains_one_by_one_unless_it_is_told_how_many(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, trained: int
) -> None:
    made: list[int] = []

    class Told(DebugEngine):
        def __init__(self, coordinator: Any, loaded: Any, device: str, population: int) -> None:
            made.append(population)
            super().__init__(coordinator, loaded, device, population)

    monkeypatch.setattr("kdsearch.engines.launch.DebugEngine", Told)
    assert Launch.open(NOISY, engine="debug", population=asked).run().finished
    assert made == [trained]


@pytest.mark.usefixtures("small")
def test_it_is_told_how_far_it_is_and_what_the_file_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("kdsearch.engines.debug._SHOWN_EVERY", 0.0)
    ran = Launch.open(NOISY, engine="debug").run(lambda progress: seen.append(progress.ended))
    assert seen[0] == 0
    assert len(set(seen)) > 5, "and on its way"
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
def test_what_a_killed_worker_left_is_gone_before_the_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that it has filled would stop the runs to come."""
    results = Launch.open(NOISY, engine="debug").run().results
    left = environment.home() / "runs" / str(results.study.uid) / str(results.runs[0].id)
    left.mkdir(parents=True)
    (left / "checkpoint.pt").write_text("large")
    monkeypatch.setenv("NOISY_CONFIRM", "3")
    there: list[bool] = []
    later = left.parent / str(results.runs[1].id)

    def observe(progress: object) -> None:
        there.append(left.exists())
        later.mkdir(parents=True, exist_ok=True)

    assert Launch.open(NOISY, engine="debug").run(observe).finished
    assert there
    assert not any(there)
    assert not later.parent.exists(), "and what is left meanwhile is gone at the end"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("engine", "workers", "places"), [("debug", 3, 1), ("local", 3, 3), ("debug", None, 1)])
def test_the_debug_engine_has_one_worker(engine: str, workers: int | None, places: int) -> None:
    assert len(Launch.open(NOISY, engine=engine, workers=workers).places) == places  # type: ignore[arg-type]


def test_its_defaults_are_those_of_the_command() -> None:
    (command,) = (found for found in app.registered_commands if found.callback and found.callback.__name__ == "launch")
    assert command.callback is not None
    options = inspect.signature(command.callback).parameters
    own = inspect.signature(launch).parameters
    shared = set(own) & set(options) - {"study_file"}
    assert shared >= {"preset", "engine", "workers", "slots_per_gpu", "population", "retry_failed"}
    assert {name: own[name].default for name in shared} == {name: options[name].default for name in shared}


def test_lost_teachers_train_again_when_failed_runs_are_tried_again(ledger: Ledger, tmp_path: Path) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 2)
    coordinator.advance()
    weights = tmp_path / "weights.pt"
    weights.write_text("teacher")
    held = sorted(ledger.claim(record.id, "w", limit=20), key=lambda lease: lease.pool)
    *students, teacher = held
    values = {"objective": 0.7, "artifact": artifacts.store(weights)}
    ledger.finish([Outcome(teacher, "done", values)])
    for _ in range(3):
        for student in students:
            ledger.fail(record.id, student, "ValueError: no")
        students = ledger.claim(record.id, "w") + ledger.claim(record.id, "w") + ledger.claim(record.id, "w")
    opened = Launch(Loaded(study), ledger, record, [], "debug", [Slot("cpu", ())], 1)  # type: ignore[arg-type]
    assert opened.retry_failed() == (3, []), "the teacher's weights are there"
    artifacts.fetch(values["artifact"]).unlink()
    assert opened.retry_failed() == (0, [teacher.run_id])
    results = ledger.results(record.id)
    (run,) = [run for run in results.runs if run.pool == "teacher"]
    assert (run.state, run.artifact) == ("queued", None)
    assert [event.message for event in results.events if event.kind == "teacher lost"] == [
        f"weights of teacher runs [{teacher.run_id}] are gone; they train again"
    ]


@pytest.mark.usefixtures("small")
def test_what_cannot_be_launched_is_said(tmp_path: Path) -> None:
    with pytest.raises(KdsearchError, match="expected the engine local, debug or ray, got 'cloud'"):
        Launch.open(NOISY, engine="cloud")
    with pytest.raises(StudyFileError, match="found no file"):
        launch(tmp_path / "none.py")
    assert Ledger.connect().studies() == []
