"""Status from counts of the database is the status of all runs, word for word."""

from __future__ import annotations

import json
import math
from dataclasses import replace

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
from kdsearch.search.leader import leader_now
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


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """From ten search runs on a study is large."""
    for place in ("kdsearch.ledger.overview.LARGE", "kdsearch.engines.coordinator.LARGE"):
        monkeypatch.setattr(place, 10)


def shown(ledger: Ledger, record: StudyRecord) -> tuple[str, ...]:
    found = counted_status(ledger.overview(record.id, SHOWN_EVENTS))
    assert found is not None
    return found.notes


@pytest.mark.usefixtures("large")
def test_of_a_large_study_what_was_found_last_is_shown(
    ledger: Ledger, searching: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher has noted it; neither configurations nor objectives are read for it."""
    expected = status(ledger.results(searching.id, curves=False))
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    ledger.note_leader(searching.id, found)
    assert ledger.study_by_id(searching.id).leader == found
    monkeypatch.setattr(overview, "_samples", None)
    read = ledger.overview(searching.id, SHOWN_EVENTS)
    assert [row.id for row in read.configurations.values() if row.kind in ("searched", "without")] == [found.id]
    assert counted_status(read) == expected


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("change", [{"digits": None}, {"extra": 1}, {"digits": None, "extra": 1}])
def test_a_leader_that_another_version_noted_is_found_anew(
    ledger: Ledger, searching: StudyRecord, change: dict[str, int | None]
) -> None:
    expected = shown(ledger, searching)
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    stored = {**found.to_json(), "estimate": 0.12345, **{name: 1 for name, value in change.items() if value}}
    for name in (name for name, value in change.items() if value is None):
        del stored[name]
    with ledger.database.engine.begin() as connection:
        statement = sa.text("UPDATE kdsearch.study SET leader = CAST(:leader AS jsonb) WHERE id = :id")
        connection.execute(statement, {"leader": json.dumps(stored), "id": searching.id})
    assert ledger.study_by_id(searching.id).leader is None
    assert shown(ledger, searching) == expected


@pytest.mark.usefixtures("large")
def test_what_was_found_long_ago_is_found_anew(
    ledger: Ledger, searching: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    ended = found.ended
    fresh = status(ledger.results(searching.id, curves=False)).notes
    before = replace(found, ended=ended - 4, estimate=0.12345)
    ledger.note_leader(searching.id, before)
    assert shown(ledger, searching) == fresh
    monkeypatch.setattr(overview, "BEHIND", 4.5 / ended)
    said = f"The leader is that of the first {ended - 4} of {ended} ended search runs."
    assert said in shown(ledger, searching)
    assert "estimate 0.123" in " ".join(shown(ledger, searching))
    monkeypatch.setattr(overview, "BEHIND", 3.5 / ended)
    assert shown(ledger, searching) == fresh
    monkeypatch.setattr(overview, "LARGE", ended + 1)
    ledger.note_leader(searching.id, replace(before, ended=ended))
    assert shown(ledger, searching) == fresh, "a small study is read"
    monkeypatch.setattr(overview, "LARGE", ended)
    assert "estimate 0.123" in " ".join(shown(ledger, searching))


@pytest.mark.usefixtures("large")
def test_what_was_found_before_runs_were_deleted_is_found_anew(ledger: Ledger, searching: StudyRecord) -> None:
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    fresh = status(ledger.results(searching.id, curves=False)).notes
    ledger.note_leader(searching.id, replace(found, ended=found.ended + 1, estimate=0.12345))
    assert shown(ledger, searching) == fresh
    ledger.note_leader(searching.id, replace(found, id=10**9, name="gone"))
    assert shown(ledger, searching) == fresh


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("code", ["'other'", "NULL"])
def test_of_several_codes_the_runs_are_read(ledger: Ledger, searching: StudyRecord, code: str) -> None:
    """A launcher counts the runs of all."""
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    ledger.note_leader(searching.id, replace(found, estimate=0.12345))
    assert "estimate 0.123" in " ".join(shown(ledger, searching))
    change(ledger, searching, f"code_hash = {code}", "state = 'done' AND id % 5 = 0")
    assert shown(ledger, searching) == status(ledger.results(searching.id, curves=False)).notes


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("values", ["0.5 + 1e-9 * (id % 7)", "100 * (id % 7)"])
def test_decimals_are_those_of_both_searches(ledger: Ledger, searching: StudyRecord, values: str) -> None:
    """Diverged runs say nothing of them."""
    without = "(SELECT kind FROM kdsearch.configuration c WHERE c.id = configuration_id) = 'without'"
    change(ledger, searching, f"objective = {values}", f"state = 'done' AND {without}")
    change(ledger, searching, "state = 'diverged', objective = -1e5", "state = 'done' AND id % 6 = 0")
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    ledger.note_leader(searching.id, found)
    expected = status(ledger.results(searching.id, curves=False))
    assert counted_status(ledger.overview(searching.id, SHOWN_EVENTS)) == expected


@pytest.mark.usefixtures("large")
def test_a_launcher_notes_what_leads(ledger: Ledger, searching: StudyRecord) -> None:
    """Each time that it has found that anew, beside planning."""
    study = toy_study(budget=kd.Budget(runs=60))
    coordinator = Coordinator(ledger, study, searching, 4)
    noted = []
    coordinator.ledger.note_leader = lambda *given: noted.append(given)  # type: ignore[assignment,method-assign]
    coordinator.tick()
    coordinator._leading.wait()
    for _ in range(3):
        coordinator.tick()
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    assert noted == [(searching.id, found)]
    assert found.ended == ledger.overview(searching.id).ended
    state = ledger.search_state(searching.id)
    coordinator._note(replace(found, ended=9), state)
    coordinator._note(replace(found, ended=20), replace(state, study=replace(state.study, winner_id=found.id)))
    assert len(noted) == 1, "neither of a small study nor of one that has its winner"
    coordinator._note(replace(found, ended=20), state)
    assert len(noted) == 2


def test_numbers_that_json_lacks_are_not_known(ledger: Ledger, searching: StudyRecord) -> None:
    found = leader_now(ledger.search_state(searching.id))
    assert found is not None
    ledger.note_leader(searching.id, replace(found, mean=math.inf, raw_sd=-math.inf, sd=math.nan))
    kept = ledger.study_by_id(searching.id).leader
    assert repr(kept) == repr(replace(found, mean=math.nan, raw_sd=math.nan, sd=math.nan))


def test_what_another_version_has_noted_is_nothing(ledger: Ledger, searching: StudyRecord) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("""UPDATE kdsearch.study SET leader = '{"ended": 3, "best": 1}'"""))
    assert ledger.study_by_id(searching.id).leader is None


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
