"""Workers whose runs train together: the same study, the same results, whatever ends them."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import Loaded, PopulationTask, ToyTask, declaration, program, toy_study, wait_for

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.population import PopulationWorker, make_worker
from kdsearch.ledger import embedded
from kdsearch.ledger.leases import Lease
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import RunRecord, StudyResults
from kdsearch.tasks.base import Job, Layout, RunRequest

CROWD = Path(__file__).parents[1] / "fixtures" / "crowd.py"


def launch(ledger: Ledger, population: int, task: ToyTask, **changes: Any) -> StudyResults:
    study = toy_study(task=task, search=kd.Fixed(seeds=4), **changes)
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, max(2, population))
    DebugEngine(coordinator, Loaded(study), population=population).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def objectives(results: StudyResults) -> dict[tuple[str, int], float | None]:
    return {(results.configurations[run.configuration_id].name, run.seed): run.objective for run in results.runs}


def test_a_study_is_the_same_alone_and_together(ledger: Ledger) -> None:
    together = launch(ledger, 8, crowd := PopulationTask())
    assert max(crowd.seen) == 8
    assert together.study.phase == "finished"
    assert {run.state for run in together.runs} == {"done"}
    assert {run.attempt for run in together.runs} == {1}
    alone = launch(ledger, 1, ToyTask(label="alone"), name="alone")
    assert objectives(together) == objectives(alone)


def test_a_free_slot_is_filled_at_the_boundary_while_the_others_train_on(ledger: Ledger) -> None:
    crowd = PopulationTask()
    results = launch(ledger, 4, crowd, budget=kd.Budget(runs=40))
    students = [run for run in results.runs if run.pool != "teacher"]
    assert sum(crowd.seen) == sum(2 + run.seed % 4 for run in students), "every run had its epochs, once"
    assert sum(0 in ages and len(ages) > 1 for ages in crowd.ages) > 10, "runs begin beside runs in their middle"
    assert sum(count == 4 for count in crowd.seen) > 0.6 * len(crowd.seen)


def test_one_run_that_cannot_begin_fails_alone(ledger: Ledger) -> None:
    results = launch(ledger, 8, PopulationTask(own_fault=1_000_001))
    failed = [run for run in results.runs if run.state == "failed"]
    assert [run.seed for run in failed] == [1_000_001], "a student of the pre-flight"
    assert all("this run cannot begin" in str(run.error) for run in failed)
    assert all(run.state == "done" for run in results.runs if run.seed != 1_000_001)
    assert results.study.phase == "finished"


def test_one_run_whose_parts_are_not_there_fails_alone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = PopulationWorker.job

    def missing(self: PopulationWorker, lease: Lease) -> Job:
        if lease.seed == 1_000_001:
            raise ValueError("its parameters cannot be read")
        return usual(self, lease)

    monkeypatch.setattr(PopulationWorker, "job", missing)
    results = launch(ledger, 8, PopulationTask())
    failed = [run for run in results.runs if run.state == "failed"]
    assert [run.seed for run in failed] == [1_000_001]
    assert "its parameters cannot be read" in str(failed[0].error)
    assert {run.attempt for run in results.runs if run.state == "done"} == {1}


def test_a_fault_of_a_common_step_is_nobodys_own_and_fewer_train_at_once(ledger: Ledger) -> None:
    results = launch(ledger, 8, crowd := PopulationTask(common_fault=3))
    assert {run.state for run in results.runs} == {"done"}, "no run is to blame"
    assert max(crowd.seen[5:]) <= 4
    said = [event.message for event in results.events if event.kind == "population"]
    assert any("RuntimeError: the device has no memory" in line and "goes on with 4 at once" in line for line in said)
    assert any("goes on with 2 at once" in line for line in said)


def test_a_diverged_run_is_a_result(ledger: Ledger) -> None:
    results = launch(ledger, 4, PopulationTask(diverges_above=0.5))
    states = Counter(run.state for run in results.runs)
    assert states["diverged"] > 0
    assert states["done"] > 0
    assert set(states) == {"done", "diverged"}


def test_a_population_that_cannot_be_made_keeps_no_run(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: PopulationTask, layout: Layout, device: str) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(PopulationTask, "population", refuse)
    results = launch(ledger, 8, PopulationTask())
    assert {run.state for run in results.runs} == {"done"}, "one by one, in the end"
    said = [event.message for event in results.events if event.kind == "population"]
    assert "8 runs at once raised MemoryError: no room" in said[0]


def test_a_teacher_that_was_put_off_is_trained_though_runs_then_train_one_by_one(ledger: Ledger) -> None:
    study = toy_study(task=PopulationTask())
    record, _ = ledger.open_study(declaration(study))
    Coordinator(ledger, study, record, 8).tick()
    worker = make_worker(ledger, Loaded(study), record, Layout(8, "crowd"))  # type: ignore[arg-type]
    assert isinstance(worker, PopulationWorker)
    teacher = next(lease for lease in worker.claim(20) if lease.pool == "teacher")
    worker.deferred, worker.layout = [teacher], Layout(1)
    worker.run_batch()
    runs = {run.id: run.state for run in ledger.results(record.id).runs}
    worker.close()
    assert runs[teacher.run_id] == "done"


def test_a_student_that_does_not_fit_is_trained_alone(ledger: Ledger) -> None:
    class Choosy(PopulationTask):
        def trains_together(self, request: RunRequest) -> bool:
            return super().trains_together(request) and request.seed % 3 > 0

    results = launch(ledger, 8, Choosy())
    assert {run.state for run in results.runs} == {"done"}
    assert {run.attempt for run in results.runs} == {1}, "and is claimed once"
    assert any(run.seed % 3 == 0 for run in results.runs if run.pool == "search")


@pytest.mark.parametrize("broken", ["finish", "claim"])
def test_a_fault_of_the_ledger_is_no_fault_of_a_step(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    crowd = PopulationTask(has_teacher=False, parameters={"alpha": 0.0, "rate": 0.3})
    study = toy_study(task=crowd, baselines={}, space={"rate": kd.uniform(0, 1)})
    record, _ = ledger.open_study(declaration(study))
    Coordinator(ledger, study, record, 8).tick()
    worker = make_worker(ledger, Loaded(study), record, Layout(4, "crowd"))  # type: ignore[arg-type]
    usual, calls = getattr(ledger, broken), []

    def fails(*given: Any, **named: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise RuntimeError("the ledger is broken")
        return usual(*given, **named)

    monkeypatch.setattr(ledger, broken, fails)
    with pytest.raises(RuntimeError, match="the ledger is broken"):
        worker.run_until_finished()
    results = ledger.results(record.id)
    assert "leased" not in {run.state for run in results.runs}, "all are handed back"
    assert not [event for event in results.events if event.kind == "population"], "and no step is blamed"


def test_who_is_stopped_hands_all_back(ledger: Ledger) -> None:
    crowd = PopulationTask(has_teacher=False, parameters={"alpha": 0.0, "rate": 0.3})
    study = toy_study(task=crowd, baselines={}, space={"rate": kd.uniform(0, 1)})
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 8)
    coordinator.tick()
    worker = make_worker(
        ledger,
        Loaded(study),  # type: ignore[arg-type]
        record,
        Layout(8, "crowd"),
        should_stop=lambda: len(crowd.seen) >= 2,
    )
    worker.run_until_finished()
    states = Counter(run.state for run in ledger.results(record.id).runs)
    assert len(crowd.seen) == 2
    assert set(states) == {"queued"}, "in the second epoch nothing had ended, and nothing is kept"


def test_a_lost_lease_frees_its_slot_and_the_others_train_on(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = PopulationTask(has_teacher=False, parameters={"alpha": 0.0, "rate": 0.3})
    study = toy_study(task=crowd, baselines={}, space={"rate": kd.uniform(0, 1)}, search=kd.Fixed(seeds=4))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 8)
    coordinator.tick()
    worker = make_worker(ledger, Loaded(study), record, Layout(8, "crowd"), advance=coordinator.advance)  # type: ignore[arg-type]
    lost: list[int] = []

    def holds(lease: Any) -> bool:
        if not lost and len(crowd.seen) == 1:
            lost.append(lease.run_id)
        return lease.run_id not in lost

    monkeypatch.setattr(worker.heartbeat, "holds", holds)
    assert isinstance(worker, PopulationWorker)
    worker.run_batch()
    runs = {run.id: run for run in ledger.results(record.id).runs}
    assert runs[lost[0]].state == "leased", "it is no longer this worker's to end"
    assert sum(run.state == "done" for run in runs.values()) >= 3


@pytest.mark.slow
def test_a_killed_worker_of_a_population_loses_nothing_that_was_stored(home: Path) -> None:
    launch = program("launch", str(CROWD), "--workers", "1", "--population", "8", home=home, KDSEARCH_LEASE_SECONDS="3")
    try:
        wait_for(lambda: _states(home)["done"] >= 4 and _states(home)["leased"] >= 4, what="runs that ended")
        (worker,) = [
            row
            for row in psutil.Process(launch.pid).children()
            if "kdsearch.engines.worker_process" in " ".join(row.cmdline())
        ]
        worker.send_signal(signal.SIGSTOP)
        before, held = _objectives(home), _states(home)["leased"]
        worker.kill()
        output, _ = launch.communicate(timeout=120)
        assert launch.returncode == 0, output
        assert {run.state for run in _runs(home)} == {"done"}
        after = _objectives(home)
        assert {key: after[key] for key in before} == before
        assert Counter(run.attempt for run in _runs(home)) == {1: len(after) - held, 2: held}
    finally:
        launch.kill()
        embedded.stop(home / "postgres")


def _runs(home: Path) -> tuple[RunRecord, ...]:
    if embedded.status(home / "postgres").pid is None:
        return ()
    ledger = Ledger.connect()
    try:
        rows = ledger.studies()
        return ledger.results(rows[0].id).runs if rows else ()
    finally:
        ledger.database.dispose()


def _states(home: Path) -> Counter[str]:
    return Counter(run.state for run in _runs(home))


def _objectives(home: Path) -> dict[int, float | None]:
    return {run.id: run.objective for run in _runs(home) if run.state == "done"}


@pytest.mark.parametrize(("width", "at_once"), [(2, 1), (7, 1), (8, 2), (16, 4)])
def test_a_quarter_of_the_slots_is_filled_at_a_boundary(ledger: Ledger, width: int, at_once: int) -> None:
    study = toy_study(task=PopulationTask(), search=kd.Fixed(seeds=4), budget=kd.Budget(runs=40))
    record, _ = ledger.open_study(declaration(study))
    Coordinator(ledger, study, record, 40).advance()
    worker = make_worker(ledger, Loaded(study), record, Layout(width, "looped"), device="cpu")  # type: ignore[arg-type]
    assert isinstance(worker, PopulationWorker)
    try:
        leases = worker.claim_for_slots(width)
        assert len(leases) == at_once
        ledger.release(leases)
    finally:
        worker.close()
