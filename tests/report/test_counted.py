"""Status from counts of the database is the status of all runs, word for word."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from support import Loaded, declaration, toy_study

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger import overview
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.report import status
from kdsearch.report.counted import SHOWN_EVENTS, counted_status
from kdsearch.statistics.summaries import spreads, summarize, summarize_all


@pytest.fixture
def searching(ledger: Ledger) -> StudyRecord:
    """A study that was interrupted in its search, with runs in every state and of two code hashes."""
    study = toy_study(budget=kd.Budget(runs=60))
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    advance = coordinator.advance

    def stop_soon() -> int:
        if ledger.ended_runs(record.id) > 40:
            raise KeyboardInterrupt
        return advance()

    coordinator.advance = stop_soon  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    assert ledger.study_by_id(record.id).phase == "search"
    return record


def change(ledger: Ledger, record: StudyRecord, state: str, which: str) -> None:
    with ledger.database.engine.begin() as connection:
        statement = f"UPDATE kdsearch.run SET {state} WHERE study_id = :id AND pool = 'search' AND {which}"
        connection.execute(sa.text(statement), {"id": record.id})


def test_counts_say_what_runs_say(ledger: Ledger, searching: StudyRecord) -> None:
    for state, which in (
        ("code_hash = code_hash", "true"),
        ("code_hash = 'other'", "state = 'done' AND id % 5 = 0"),
        ("code_hash = ''", "state = 'done' AND id % 7 = 0"),
        ("state = 'diverged', objective = 0.1", "state = 'done' AND id % 4 = 0"),
        ("state = 'failed'", "id % 9 = 0"),
        ("state = 'leased', token = gen_random_uuid(), lease_until = now()", "state = 'queued' AND id % 2 = 0"),
        ("state = 'cancelled'", "state = 'queued'"),
        ("score = NULL", "true"),
        ("finished_at = NULL", "id % 3 = 0"),
        ("seconds = NULL", "true"),
    ):
        change(ledger, searching, state, which)
        for working in (True, False):
            expected = status(ledger.results(searching.id, curves=False), working=working)
            assert counted_status(ledger.overview(searching.id, SHOWN_EVENTS), working=working) == expected


def test_a_new_study_too(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    assert counted_status(ledger.overview(record.id, SHOWN_EVENTS)) == status(ledger.results(record.id))


def test_counts_say_when_they_do_not_tell(
    ledger: Ledger, searching: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget of time depends on when runs overlapped, and the pace on more runs than were read."""
    found = ledger.overview(searching.id)
    monkeypatch.setattr(overview, "LATEST", 3)
    monkeypatch.setattr("kdsearch.report.counted.LATEST", 3)
    assert len(ledger.overview(searching.id).latest) == 3
    assert counted_status(ledger.overview(searching.id)) is None
    monkeypatch.undo()
    assert counted_status(found) is not None
    timed, _ = ledger.open_study(declaration(toy_study(name="timed", budget=kd.Budget(hours=1))))
    assert counted_status(ledger.overview(timed.id)) is None


def test_many_samples_at_once_are_summarized_as_each() -> None:
    samples = [[0.5], [0.1, 0.2], [0.3, 0.3, 0.3], [0.7, 0.1], [1e9, 1e9 + 1e-6], [0.01 * i for i in range(25)]]
    assert repr(summarize_all(samples)) == repr([summarize(sample) for sample in samples])
    assert spreads(samples).tolist() == pytest.approx([summarize(sample).sd for sample in samples], nan_ok=True)
    assert spreads([]).tolist() == []
    assert summarize_all([[]])[0].n == 0
