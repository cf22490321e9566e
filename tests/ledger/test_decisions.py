"""Who decides: launchers always, workers only where no launcher does, and nobody waits for a plan in the making."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from support import declaration
from support import toy_study

from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import Note
from kdsearch.ledger.views import SearchState

NOTE = [Note("test", "decided")]


@pytest.fixture
def study_id(ledger: Ledger) -> int:
    record, _ = ledger.open_study(declaration(toy_study()))
    return record.id


def grow_old(ledger: Ledger, seconds: float) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE kdsearch.study SET planned_at = planned_at - :s * interval '1 second'"), {"s": seconds}
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
