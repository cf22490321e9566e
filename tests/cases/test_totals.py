"""Budgets and fresh seeds: absurd totals, the way back, and what comes too late because the winner is chosen."""

from __future__ import annotations

from typing import Any

import pytest
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.cli.more_runs import add, extend
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import KdsearchError, StudyMismatch
from kdsearch.ledger import schema
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.studies import log_event
from kdsearch.search.confirmation import orders


def call(url: str, **asked: Any) -> None:
    """``kdsearch extend toy`` with these options."""
    options = {"runs": None, "hours": None, "gpu_hours": None, "confirm_seeds": None, **asked}
    extend("toy@toy", **options, preset=None, data=None, storage=url)


@pytest.fixture
def finished(ledger: Ledger) -> StudyRecord:
    study = small()
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study), "cpu", 1).run()  # type: ignore[arg-type]
    return ledger.study_by_id(record.id)


def small(**changes: Any) -> kd.Study:
    return toy_study(budget=kd.Budget(runs=8), confirm=kd.Confirm(seeds=3, finalists=1), **changes)


def with_folds() -> kd.Study:
    """A study in which each fresh seed has a teacher of its own."""
    parameters = {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+order+split+teacher"}
    return small(task=ToyTask(folds=3, parameters=parameters))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"confirm_seeds": 99_999_999_999}, r"got 99,999,999,999 confirm seeds; at most .*, since with 10,000"),
        ({"runs": 99_999_999_999}, r"got 99,999,999,999 runs; at most .*, since a ledger with more"),
        ({"confirm_seeds": 4}, r"the study has 4 confirm seeds; extend takes a larger total, got 4"),
        ({"confirm_seeds": 2}, r"the study has 4 confirm seeds; extend takes a larger total, got 2"),
        ({"hours": 1e300}, r"it has no limit in hours"),
        ({"runs": 39}, r"the study has 40 runs; extend takes a larger total, got 39"),
    ],
)
def test_absurd_totals_are_refused_with_the_reason(
    ledger: Ledger, database_url: str, asked: dict[str, Any], sentence: str
) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    with pytest.raises(KdsearchError, match=sentence):
        call(database_url, **asked)
    assert ledger.study_by_id(record.id).settings == record.settings


@pytest.mark.parametrize("hours", [float("nan"), float("inf"), 1e300, -1.0])
def test_absurd_hours_are_refused(ledger: Ledger, database_url: str, hours: float) -> None:
    ledger.open_study(declaration(toy_study(budget=kd.Budget(hours=2))))
    with pytest.raises(KdsearchError, match=r"at most 1,000,000, since|takes a larger total"):
        call(database_url, hours=hours)


def test_too_many_seeds_for_the_teachers_are_refused(ledger: Ledger, database_url: str) -> None:
    ledger.open_study(declaration(with_folds()))
    with pytest.raises(KdsearchError, match="ask for fewer confirm seeds"):
        call(database_url, confirm_seeds=50_000)


def test_add_queues_no_absurd_number_of_seeds(database_url: str) -> None:
    with pytest.raises(KdsearchError, match=r"got --seeds 10,000,000; at most 10,000 are queued at once"):
        add("toy@toy", seeds=10_000_000, storage=database_url)


def test_an_extension_can_be_taken_back_before_the_choice(
    ledger: Ledger, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    call(database_url, confirm_seeds=9_000, runs=4_000)
    call(database_url, confirm_seeds=6, runs=50)
    settings = ledger.study_by_id(record.id).settings
    assert (settings.confirm.seeds, settings.budget.runs) == (6, 50)
    assert "toy@toy is lowered to 6 fresh seeds and lowered to 50 search runs" in capsys.readouterr().out
    with pytest.raises(KdsearchError, match="or, to take an extension back, one from 4 on, got 3"):
        call(database_url, confirm_seeds=3)


def test_an_absurd_number_that_was_stored_before_can_be_lowered(ledger: Ledger, database_url: str) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    absurd = record.settings.confirm_with(99_999_999_999)
    changed = record.settings.changed(confirm=absurd)
    with ledger.database.engine.begin() as connection:
        connection.execute(schema.study.update().values(settings=changed.to_json()))
        log_event(connection, record.id, "changed", "confirm seeds extended from 4 to 99999999999", {"confirm": absurd})
    call(database_url, confirm_seeds=4)
    assert ledger.study_by_id(record.id).settings.confirm.seeds == 4


def test_fresh_seeds_that_wait_can_be_taken_back_and_asked_for_again(
    ledger: Ledger, database_url: str, finished: StudyRecord
) -> None:
    study = small()
    call(database_url, confirm_seeds=300)
    ledger.decide(finished.id, lambda state: orders(study, state))
    assert waiting(ledger, finished) > 800
    call(database_url, confirm_seeds=4)
    begun = {run.seed for run in ledger.results(finished.id).runs if run.pool == "confirm" and run.state == "queued"}
    assert begun == {finished.draws.first_confirm_seed + 3}
    resume(ledger, study, finished)
    assert ledger.study_by_id(finished.id).phase == "finished"
    assert waiting(ledger, finished) == 0
    with pytest.raises(KdsearchError, match=r"fresh seed 3 of toy@toy has begun \(run \d+, done\), so that the study"):
        call(database_url, confirm_seeds=3)
    call(database_url, confirm_seeds=5)
    resume(ledger, study, finished)
    ended = [run for run in ledger.results(finished.id).runs if run.configuration_id == finished.winner_id]
    assert sum(run.pool == "confirm" and run.state == "done" for run in ended) == 5


def test_teachers_of_fresh_seeds_that_are_taken_back_are_not_trained(ledger: Ledger, database_url: str) -> None:
    study = with_folds()
    record, _ = ledger.open_study(declaration(study))
    resume(ledger, study, record)
    assert ledger.study_by_id(record.id).winner_id is not None
    extend(record.name, None, None, None, 40, None, None, database_url)
    ledger.decide(record.id, lambda state: orders(study, state))
    trained = sum(run.pool == "teacher" and run.state == "done" for run in ledger.results(record.id).runs)
    extend(record.name, None, None, None, 4, None, None, database_url)
    resume(ledger, study, record)
    runs = ledger.results(record.id).runs
    assert sum(run.pool == "teacher" and run.state == "done" for run in runs) == trained + 1
    extend(record.name, None, None, None, 6, None, None, database_url)
    resume(ledger, study, record)
    runs = ledger.results(record.id).runs
    own = [run for run in runs if run.configuration_id == ledger.study_by_id(record.id).winner_id]
    assert sum(run.pool == "confirm" and run.state == "done" for run in own) == 6


def resume(ledger: Ledger, study: kd.Study, record: StudyRecord) -> None:
    again = ledger.study_by_id(record.id)
    DebugEngine(Coordinator(ledger, study, again, 2), Loaded(study), "cpu", 1).run()  # type: ignore[arg-type]


def waiting(ledger: Ledger, record: StudyRecord) -> int:
    return sum(run.state == "queued" for run in ledger.results(record.id).runs)


TOO_LATE: list[tuple[dict[str, Any], str]] = [
    ({"budget": kd.Budget(runs=12)}, "budget.runs: 8 in the ledger, 12 in the study file"),
    ({"budget": kd.Budget(hours=3)}, "budget.runs: 8 in the ledger, None in the study file"),
    ({"confirm": kd.Confirm(seeds=3, finalists=2)}, "confirm.finalists: 1 in the ledger, 2 in the study file"),
]


def test_a_search_that_ended_takes_no_larger_budget(ledger: Ledger, database_url: str, finished: StudyRecord) -> None:
    reason = "is chosen and stays the winner, so its search cannot continue"
    for changes, line in TOO_LATE:
        fields: dict[str, Any] = {"budget": kd.Budget(runs=8), "confirm": kd.Confirm(seeds=3, finalists=1), **changes}
        with pytest.raises(StudyMismatch) as refused:
            ledger.open_study(declaration(toy_study(**fields)))
        assert f"{line}\n" in str(refused.value)
        assert reason in str(refused.value)
    with pytest.raises(KdsearchError, match=reason):
        call(database_url, runs=12)
    assert ledger.study_by_id(finished.id).settings == finished.settings


def test_more_fresh_seeds_and_a_smaller_budget_are_no_reason_to_refuse(ledger: Ledger, finished: StudyRecord) -> None:
    more = toy_study(budget=kd.Budget(runs=6), confirm=kd.Confirm(seeds=5, finalists=1))
    record, changes = ledger.open_study(declaration(more))
    assert record.settings.confirm.seeds == 5
    assert "confirm.seeds: 3 before, 5 now" in changes
    assert "budget.runs: 6 in the file, 8 in the ledger stands" in changes
