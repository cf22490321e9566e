"""The phase before the search waits for its teachers and for the students beside them."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from support import ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.errors import KdsearchError
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.ledger import Ledger


def begun(ledger: Ledger, study: kd.Study, version: int) -> tuple[Coordinator, list[Lease]]:
    """A study with all runs of its pre-flight claimed; version 1 is of before runs drew folds and teachers."""
    record, _ = ledger.open_study(declaration(study))
    if version == 1:
        settings = json.dumps(record.settings.before_draws().to_json())
        with ledger.database.engine.begin() as connection:
            statement = sa.text("UPDATE kdsearch.study SET version = 1, settings = :settings WHERE id = :id")
            connection.execute(statement, {"settings": settings, "id": record.id})
        record = ledger.study_by_id(record.id)
    coordinator = Coordinator(ledger, study, record, 2)
    coordinator.advance()
    return coordinator, ledger.claim(record.id, "w", limit=20)


@pytest.mark.parametrize(("version", "teachers"), [(2, 1), (1, 3)])
@pytest.mark.parametrize("last", ["preflight", "teacher"])
def test_the_search_begins_when_teachers_and_students_alone_have_ended(
    ledger: Ledger, version: int, teachers: int, last: str
) -> None:
    coordinator, leases = begun(ledger, toy_study(preflight_seeds=2), version)
    assert sorted(lease.pool for lease in leases) == ["preflight"] * 2 + ["teacher"] * teachers
    *first, one = sorted(leases, key=lambda lease: lease.pool == last)
    values = {lease.run_id: {"objective": 0.7 + 0.01 * place} for place, lease in enumerate(leases)}
    ledger.finish([Outcome(lease, "done", {**values[lease.run_id], "artifact": "weights"}) for lease in first])
    coordinator.advance()
    state = ledger.search_state(coordinator.record.id)
    assert state.study.phase == "teacher"
    assert {run.pool for run in state.runs} == {"teacher", "preflight"}
    ledger.finish([Outcome(one, "done", {**values[one.run_id], "artifact": "weights"})])
    coordinator.advance()
    results = ledger.results(coordinator.record.id)
    assert results.study.phase == "search"
    (event,) = [event for event in results.events if event.kind == "preflight"]
    assert (len(event.data["teacher"]), len(event.data["student"])) == (teachers, 2), "with what came last"


def test_where_no_candidate_of_an_older_study_ended_well_the_log_of_the_first_is_named(ledger: Ledger) -> None:
    coordinator, leases = begun(ledger, toy_study(preflight_seeds=2), 1)
    taught = sorted(lease.run_id for lease in leases if lease.pool == "teacher")
    values = {"objective": 0.1, "artifact": None}
    ledger.finish([Outcome(lease, "diverged" if lease.run_id in taught else "done", values) for lease in leases])
    with pytest.raises(KdsearchError, match=rf"none of the 3 teacher runs ended well.* kdsearch logs {taught[0]};"):
        coordinator.advance()


def test_the_weights_of_teachers_are_kept_and_of_students_are_not(ledger: Ledger) -> None:
    _, leases = begun(ledger, toy_study(preflight_seeds=2), 2)
    assert {(lease.pool, lease.keep_weights) for lease in leases} == {("teacher", True), ("preflight", False)}


def test_a_study_without_a_teacher_begins_with_its_search(ledger: Ledger) -> None:
    study = toy_study(
        task=ToyTask(has_teacher=False, parameters={"alpha": 0, "rate": 0.3}), space={"rate": kd.uniform(0, 1)}
    )
    coordinator, leases = begun(ledger, study, 2)
    assert leases == []
    assert ledger.study_by_id(coordinator.record.id).phase == "search"
    coordinator.advance()
    assert {run.pool for run in ledger.search_state(coordinator.record.id).runs} == {"search"}
