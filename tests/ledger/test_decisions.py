"""Who decides: launchers always, workers only where no launcher does, and nobody waits for a plan in the making."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa
from support import declaration, toy_study

from kdsearch.data.folds import Fold
from kdsearch.errors import LedgerError
from kdsearch.ledger import leases, recovery
from kdsearch.ledger.leases import Outcome
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import CancelRun, FailRun, NewConfiguration, NewRun, Note, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import Kind

NOTE = [Note("test", "decided")]


@pytest.fixture
def study_id(ledger: Ledger) -> int:
    record, _ = ledger.open_study(declaration(toy_study()))
    return record.id


def grow_old(ledger: Ledger, seconds: float) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE kdsearch.study SET planned_at = planned_at - :s * interval '1 second'"),
            {"s": seconds},
        )


def test_a_worker_leaves_planning_to_a_launcher_that_decides(ledger: Ledger, study_id: int) -> None:
    assert ledger.decide(study_id, lambda state: NOTE, after=5.0) == NOTE, "nobody has decided yet"
    assert ledger.decide(study_id, lambda state: NOTE, after=5.0) == NOTE, "nor is a worker's decision a launcher's"
    assert ledger.decide(study_id, lambda state: NOTE) == NOTE
    asked: list[SearchState] = []

    def plan(state: SearchState) -> list[Note]:
        asked.append(state)
        return NOTE

    assert ledger.decide(study_id, plan, after=5.0) == []
    assert asked == [], "the study is not even read"
    grow_old(ledger, 5.1)
    assert ledger.decide(study_id, plan, after=5.0) == NOTE
    assert len(asked) == 1


def test_a_worker_does_not_wait_for_a_plan_in_the_making(ledger: Ledger, study_id: int, database_url: str) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(state: SearchState) -> list[Note]:
        begun.set()
        go.wait(30)
        return NOTE

    def launcher() -> None:
        own = Ledger.connect(database_url)
        own.decide(study_id, slow)
        own.database.dispose()

    thread = threading.Thread(target=launcher)
    thread.start()
    try:
        assert begun.wait(30)
        assert ledger.decide(study_id, lambda state: NOTE, after=5.0) == []
        assert not go.is_set()
    finally:
        go.set()
        thread.join()


def test_a_run_that_was_taken_back_is_the_same_run_when_it_is_ordered_again(ledger: Ledger, study_id: int) -> None:
    new = NewConfiguration("searched", "c0", {"alpha": 0.5, "rate": 0.3}, "sampler")
    name: tuple[Kind, str] = ("searched", "c0")
    teachers = [NewRun(("teacher", "teacher"), "teacher", 2_000_000 + number) for number in range(2)]
    told = NewConfiguration("teacher", "teacher", {"width": 2}, "kdsearch")
    first = NewRun(name, "search", 7, needs=("seed", 2_000_000), priority=3, keep_weights=True)
    other = NewRun(name, "search", 8)
    ledger.decide(study_id, lambda state: [told, *teachers, new, first, other])
    one, two = (run.id for run in ledger.search_state(study_id).runs if run.pool == "teacher")
    (run, _) = [run for run in ledger.search_state(study_id).runs if run.pool == "search"]
    assert run.needs == one

    def again(state: SearchState) -> list[Order]:
        ours = run.configuration_id
        return [NewRun(ours, "search", 7, needs=two), NewRun(ours, "search", 8, needs=two), CancelRun(run.id)]

    ledger.decide(study_id, again)
    found = {row.seed: row for row in ledger.search_state(study_id).runs if row.pool == "search"}
    assert found[7] == replace(run, needs=two), "in one decision it is taken back and queued behind the other teacher"
    assert found[8].needs is None, "a run that waits already is left alone"
    (row,) = [row for row in ledger.results(study_id).runs if row.id == run.id]
    assert row.state == "queued"
    columns = sa.text("SELECT priority, keep_weights FROM kdsearch.run WHERE id = :id")
    with ledger.database.engine.begin() as connection:
        assert tuple(connection.execute(columns, {"id": run.id}).one()) == (3, True)


def test_a_run_may_name_its_teacher_by_seed_also_one_of_an_earlier_plan(ledger: Ledger, study_id: int) -> None:
    told = NewConfiguration("teacher", "teacher", {"width": 2}, "kdsearch")
    new = NewConfiguration("searched", "c0", {"alpha": 0.5, "rate": 0.3}, "sampler")
    teacher = NewRun(("teacher", "teacher"), "teacher", 2_000_000)
    ledger.decide(study_id, lambda state: [told, teacher, new, NewRun(("searched", "c0"), "search", 2_000_000)])
    student = NewRun(("searched", "c0"), "search", 7, needs=("seed", 2_000_000))

    def plan(state: SearchState) -> list[Order]:
        searched = next(row.id for row in state.configurations.values() if row.kind == "searched")
        return [replace(student, configuration=searched)]

    ledger.decide(study_id, plan)
    runs = ledger.search_state(study_id).runs
    (own,) = [run.id for run in runs if run.pool == "teacher"]
    assert [run.needs for run in runs if run.seed == 7] == [own]


def test_an_order_that_comes_late_leaves_what_was_claimed_or_has_ended_alone(ledger: Ledger, study_id: int) -> None:
    name: tuple[Kind, str] = ("searched", "c0")
    new = NewConfiguration("searched", "c0", {"alpha": 0.5, "rate": 0.3}, "sampler")
    ledger.decide(study_id, lambda state: [new, *(NewRun(name, "search", seed) for seed in range(6))])
    done, cancelled, failed, *_ = held = ledger.claim(study_id, "w", limit=3)
    ledger.finish([Outcome(done, "done", {"objective": 0.5})])
    waiting = [run.id for run in ledger.search_state(study_id).runs if run.state == "queued"]
    late = [CancelRun(done.run_id), CancelRun(cancelled.run_id), FailRun(failed.run_id, "never starts")]
    ledger.decide(study_id, lambda state: [*late, CancelRun(waiting[0]), FailRun(waiting[1], "never starts")])
    runs = {run.id: run for run in ledger.results(study_id).runs}
    assert [runs[lease.run_id].state for lease in held] == ["done", "leased", "leased"]
    assert [runs[run_id].state for run_id in waiting] == ["cancelled", "failed", "queued"]
    assert runs[waiting[1]].error == "never starts"
    outcomes = [Outcome(lease, "done", {"objective": 0.6}) for lease in held[1:]]
    assert ledger.finish(outcomes) == {lease.run_id for lease in held[1:]}, "their work is not discarded"


@pytest.mark.parametrize("fold", [Fold(-1, 0), Fold(0, -1)])
def test_a_fold_below_0_is_refused_before_anything_is_stored(ledger: Ledger, study_id: int, fold: Fold) -> None:
    new = NewConfiguration("searched", "c0", {"alpha": 0.5, "rate": 0.3}, "sampler")
    with pytest.raises(LedgerError, match="expected a partition and a fold from 0 on"):
        ledger.decide(study_id, lambda state: [new, NewRun(("searched", "c0"), "search", 0, fold=fold)])
    state = ledger.search_state(study_id)
    assert (state.runs, [row.kind for row in state.configurations.values() if row.kind == "searched"]) == ((), [])


def test_methods_are_documented_as_the_functions_that_they_run() -> None:
    """As ``help(Ledger)`` shows them."""
    for method, function in [(Ledger.fail, leases.fail), (Ledger.retry_failed, recovery.retry_failed)]:
        assert (method.__name__, method.__doc__) == (function.__name__, function.__doc__)


def test_a_note_is_stored_each_time_unless_it_is_said_once(ledger: Ledger, study_id: int) -> None:
    for number in range(2):
        notes = [Note("look", f"{number} runs"), Note("gap", "0.1", once=True)]
        ledger.decide(study_id, lambda state, notes=notes: notes)
    events = [(event.kind, event.message) for event in ledger.results(study_id).events if event.kind in ("look", "gap")]
    assert events == [("look", "0 runs"), ("gap", "0.1"), ("look", "1 runs")]
