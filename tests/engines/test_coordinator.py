"""What the launcher does beside planning, and how far ahead it plans."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.engines import coordinator as coordinators
from kdsearch.engines.coordinator import BackgroundTask, Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.leases import Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.queries import SearchState

NO_TEACHER = ToyTask(has_teacher=False, parameters={"alpha": 0, "rate": 0.3})


def searching(ledger: Ledger, runs: int, capacity: int = 2, *, ahead: bool = True) -> Coordinator:
    """A coordinator whose study is in its search, some runs queued."""
    study = toy_study(
        task=NO_TEACHER,
        space={"rate": kd.uniform(0, 1)},
        baselines={},
        budget=kd.Budget(runs=runs),
        search=kd.Adaptive(stop_early=False),
    )
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, capacity, ahead=ahead)
    coordinator.mirror.sync = lambda: 0  # type: ignore[method-assign]
    coordinator.tick()
    return coordinator


def take(coordinator: Coordinator, most: int, seconds: float = 0.001) -> int:
    """Claim and end up to ``most`` runs; returns how many there were."""
    leases = coordinator.ledger.claim(coordinator.record.id, "somebody elsewhere", limit=most)
    values = [{"objective": 0.5 + 0.01 * (lease.run_id % 7), "seconds": seconds} for lease in leases]
    coordinator.ledger.finish([Outcome(lease, "done", value) for lease, value in zip(leases, values, strict=True)])
    return len(leases)


def queued(coordinator: Coordinator) -> int:
    runs = coordinator.ledger.search_state(coordinator.record.id).runs
    return sum(run.state == "queued" for run in runs if run.pool == "search")


class Asked:
    """Says how deep the queue shall be, and keeps what it was told."""

    def __init__(self, wanted: int) -> None:
        self.answer = wanted
        self.claims: list[int] = []

    def wanted(self, now: float, claims: int) -> int:
        assert abs(now - time.monotonic()) < 60
        self.claims.append(claims)
        return self.answer


def test_the_queue_is_as_deep_as_the_claims_so_far_tell(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = searching(ledger, runs=400)
    assert queued(coordinator) == 2
    depth = Asked(70)
    monkeypatch.setattr(coordinator, "_depth", depth)
    coordinator.advance()
    assert take(coordinator, 30) == 30
    assert queued(coordinator) == 40
    coordinator.advance()
    assert queued(coordinator) == 70
    assert depth.claims == [0, 30]


def test_a_deep_queue_never_exceeds_the_budget(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = searching(ledger, runs=60)
    monkeypatch.setattr(coordinator, "_depth", Asked(1000))
    for _ in range(10):
        take(coordinator, 20)
        coordinator.tick()
    state = ledger.search_state(coordinator.record.id)
    assert sum(run.pool == "search" for run in state.runs) == 60


def test_who_trains_himself_plans_no_further_ahead_than_told(ledger: Ledger) -> None:
    coordinator = searching(ledger, runs=100, ahead=False)
    for _ in range(5):
        take(coordinator, 30)
        coordinator.tick()
    assert coordinator.planner.capacity == 2


def test_neither_a_slow_mirror_nor_a_slow_leader_delays_a_tick(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    calls: list[str] = []

    def slow(name: str) -> None:
        calls.append(name)
        go.wait(30)

    coordinator = searching(ledger, runs=100)
    coordinator.mirroring.wait()
    coordinator.mirroring = BackgroundTask("mirror", 0.0)
    coordinator.mirror.sync = lambda: slow("mirror") or 0  # type: ignore[func-returns-value,method-assign]
    monkeypatch.setattr(coordinators, "leader_now", lambda state: slow("leader"))
    try:
        for _ in range(3):
            take(coordinator, 2)
            coordinator.tick()
            assert queued(coordinator) >= 2
        assert sorted(calls) == ["leader", "mirror"], "one of each at a time"
    finally:
        go.set()
    coordinator.finish()
    assert calls.count("mirror") == 2, "the last pass comes after the one that ran"


def test_no_leader_that_is_still_being_found_takes_the_winners_place(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search of a leader began before the winner was chosen, and ends after it was."""
    asked, go = threading.Event(), threading.Event()

    def found(state: SearchState) -> str:
        if state.study.winner_id is not None:
            return "the winner"
        asked.set()
        go.wait(10)
        return "a former leader"

    monkeypatch.setattr(coordinators, "leader_now", found)
    monkeypatch.setattr(Coordinator, "_note", lambda *_: None)
    coordinator = searching(ledger, runs=100)
    take(coordinator, 2)
    coordinator.tick()
    assert asked.wait(10)
    state = ledger.search_state(coordinator.record.id)
    threading.Timer(0.3, go.set).start()
    chosen = replace(state, study=replace(state.study, winner_id=1))
    assert str(coordinator._progress(chosen).leader) == "the winner"
    coordinator._leading.wait()
    assert str(coordinator._progress(chosen).leader) == "the winner"


@pytest.mark.timeout(60)
def test_it_ends_when_the_study_was_asked_to_stop(ledger: Ledger) -> None:
    coordinator = searching(ledger, runs=100)
    shown: list[str] = []

    def watch() -> None:
        assert len(shown) < 20, "it goes on"
        ledger.request_stop(coordinator.record.id)

    coordinator.serve(lambda progress: shown.append(progress.phase), lambda: None, watch)
    assert set(shown) == {"search"}
    coordinator.finish()


def test_work_aside_pauses_ten_times_as_long_as_it_took() -> None:
    aside, calls = BackgroundTask("test", 0.0), []

    def work() -> None:
        calls.append(1)
        time.sleep(0.05)

    assert aside.start(work)
    aside.wait()
    assert not aside.start(work)
    time.sleep(0.8)
    assert aside.start(work)
    aside.wait()
    assert len(calls) == 2


def test_no_worker_is_begun_for_a_study_that_is_finished(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    begun: list[int] = []
    Coordinator(ledger, study, record, 4).serve(lambda progress: None, lambda: begun.append(1), lambda: None)
    assert begun == []


@pytest.mark.timeout(60)
def test_workers_are_begun_for_a_study_that_is_not_over_at_the_look_before(ledger: Ledger) -> None:
    """One that was finished at that look has none, and the launch ends."""
    coordinator = searching(ledger, runs=100)
    begun: list[str] = []
    looks = iter(["finished"])
    tick = coordinator.tick

    def looked() -> object:
        return replace(tick(), phase=next(looks, "search"))

    coordinator.tick = looked  # type: ignore[method-assign, assignment]
    coordinator.serve(lambda progress: None, lambda: begun.append("workers"), lambda: None)
    assert begun == []

    looks = iter(["search"])
    coordinator.serve(
        lambda progress: ledger.request_stop(coordinator.record.id), lambda: begun.append("workers"), lambda: None
    )
    assert begun == ["workers"]
