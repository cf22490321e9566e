"""Opening studies: identity, what may change, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import sqlalchemy as sa
from support import Loaded, ToyTask, declaration, end_a_run, toy_study

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import LedgerError, StudyDeleted, StudyMismatch
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import NewConfiguration, NewRun
from kdsearch.study.overrides import overridden


def test_opening_twice_finds_the_same_study(ledger: Ledger) -> None:
    first, _ = ledger.open_study(declaration(toy_study()))
    second, changes = ledger.open_study(declaration(toy_study()))
    assert second.id == first.id
    assert changes == []
    baselines = [row for row in ledger.results(first.id).configurations.values() if row.kind == "baseline"]
    assert [(row.name, dict(row.params)) for row in baselines] == [
        ("student alone", {"alpha": 0, "rate": 0.3}),
        ("usual", {"alpha": 0.5, "rate": 0.3}),
    ]


def test_a_launch_changes_its_own_study_alone(ledger: Ledger) -> None:
    """Neither studies that were made before it nor those made after it take its settings, its code or its start."""
    names = ("before", "own", "later")
    records = {name: ledger.open_study(declaration(toy_study(name=name)))[0] for name in names}
    for name in names:
        ledger.request_stop(records[name].id)
    ledger.open_study(declaration(toy_study(name="own", budget=kd.Budget(runs=77)), code_hash="code1"))
    after = {name: ledger.study(name) for name in names}
    assert {name: row.settings.budget.runs for name, row in after.items()} == {"before": 40, "own": 77, "later": 40}
    assert [after[name].stop_requested for name in names] == [True, False, True]
    with ledger.database.engine.connect() as connection:
        codes = connection.execute(sa.text("SELECT code_hash FROM kdsearch.study ORDER BY id")).scalars().all()
    assert codes == ["code0", "code1", "code0"]


def test_values_of_single_queries_are_those_of_the_confirm_runs_that_are_compared_first(ledger: Ledger) -> None:
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE kdsearch.run SET queries = CAST(ARRAY[0.5] AS real[])"))
    results = ledger.results(record.id)
    first = {results.study.winner_id, results.study.ablation_id, results.study.best_without_id}
    compared = {run.id for run in results.runs if run.pool == "confirm" and run.configuration_id in first}
    assert len(compared) >= 4
    assert results.queries == {run_id: [0.5] for run_id in compared}, "one query is enough"


def test_another_study_under_the_same_name_is_refused_with_the_difference(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    end_a_run(ledger, record)
    other = toy_study(space={"alpha": kd.uniform(0, 0.9), "rate": kd.uniform(0, 1)}, task=ToyTask(gain=0.1))
    with pytest.raises(StudyMismatch) as refused:
        ledger.open_study(declaration(other))
    message = str(refused.value)
    assert "space.alpha.high: 1.0 in the ledger, 0.9 in the study file" in message
    assert "task.gain: 0.05 in the ledger, 0.1 in the study file" in message
    assert "another name" in message


@dataclass(frozen=True)
class OtherData(ToyTask):
    """The toy task as it is declared, on data of other content."""

    def fingerprint(self) -> str:
        return "otherdata"


@dataclass(frozen=True)
class Streams(ToyTask):
    """A toy task whose runs vary in streams of randomness."""

    parameters: dict[str, object] = field(  # type: ignore[assignment]
        default_factory=lambda: {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+order"}
    )


def test_changed_data_are_another_study(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    end_a_run(ledger, record)
    with pytest.raises(StudyMismatch, match="data: 'toydata' in the ledger, 'otherdata' in the study file"):
        ledger.open_study(declaration(toy_study(task=OtherData())))


def test_each_field_of_a_study_that_determines_its_runs_is_refused_under_the_same_name(ledger: Ledger) -> None:
    first = toy_study(task=Streams())
    record, _ = ledger.open_study(declaration(first))
    end_a_run(ledger, record)
    changes: dict[str, dict[str, object]] = {
        "baselines.usual.alpha": {"baselines": {"student alone": {"alpha": 0}, "usual": {"alpha": 0.6}}},
        "seed": {"seed": 1},
        "teachers": {"teachers": "per-seed"},
        "vary": {"vary": ("order",)},
        "question": {"question": "best without"},
    }
    for name, change in changes.items():
        with pytest.raises(StudyMismatch, match=rf"\n  {name}: "):
            ledger.open_study(declaration(toy_study(task=Streams(), **change)))
    assert ledger.open_study(declaration(first))[1] == []


def test_budget_may_grow_and_is_logged(ledger: Ledger) -> None:
    ledger.open_study(declaration(toy_study()))
    record, changes = ledger.open_study(declaration(toy_study(budget=kd.Budget(runs=60), min_effect=0.02)))
    assert record.settings.budget.runs == 60
    assert changes == ["budget.runs: 40 before, 60 now", "min_effect: 0.01 before, 0.02 now"]
    logged = [event.message for event in ledger.results(record.id).events if event.kind == "changed"]
    assert logged == changes


def test_what_extend_added_stands_when_the_file_is_launched_again(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    larger = record.settings.budget_with({"runs": 100})
    ledger.change_settings(record.id, {"budget": larger}, "search runs extended to 100")
    again, changes = ledger.open_study(declaration(toy_study()))
    assert again.settings.budget.runs == 100
    assert changes == ["budget.runs: 40 in the file, 100 in the ledger stands"]


def test_changed_trainer_code_is_said(ledger: Ledger) -> None:
    ledger.open_study(declaration(toy_study(), code_hash="aaa"))
    _, changes = ledger.open_study(declaration(toy_study(), code_hash="bbb"))
    assert len(changes) == 1
    assert "trainer code changed: aaa before, bbb now" in changes[0]


def test_a_study_is_found_by_its_short_name(ledger: Ledger) -> None:
    ledger.open_study(declaration(toy_study()))
    assert ledger.study("toy").name == "toy@toy"
    with pytest.raises(LedgerError, match="did you mean 'toy@toy'"):
        ledger.study("toi@toy")
    ledger.open_study(declaration(toy_study(task=ToyTask(label="other"))))
    with pytest.raises(LedgerError, match="toy@toy, toy@other"):
        ledger.study("toy")


def test_a_study_with_a_preset_is_found_without_it(ledger: Ledger) -> None:
    ledger.open_study(declaration(toy_study(presets={"smoke": {"budget": kd.Budget(runs=4)}}).with_preset("smoke")))
    for name in ("toy", "toy@toy", "toy@toy+smoke"):
        assert ledger.study(name).name == "toy@toy+smoke"
    with pytest.raises(LedgerError, match="no study 'smoke'"):
        ledger.study("smoke")


def test_who_has_opened_a_study_that_was_wrong_finds_that_it_is_gone(ledger: Ledger) -> None:
    wrong, _ = ledger.open_study(declaration(toy_study()))
    ledger.log_event(wrong.id, "note", "it failed")
    right, changes = ledger.open_study(declaration(toy_study(seed=1)))
    assert right.id != wrong.id
    assert right.uid == wrong.uid
    assert changes[0].startswith("no run of it had ended, so it is begun anew as the file says now: seed: 0")
    created = "study created with 2 baselines"
    assert [event.message for event in ledger.results(right.id).events] == [created, "it failed", created, changes[0]]
    with pytest.raises(StudyDeleted):
        ledger.decide(wrong.id, lambda state: [])
    assert ledger.claim(wrong.id, "worker") == []


def test_what_a_dead_worker_held_is_no_work(ledger: Ledger, database_url: str) -> None:
    """A killed launch holds its runs until their leases are over; then the study may be corrected or deleted."""
    wrong, _ = ledger.open_study(declaration(toy_study()))
    configuration = NewConfiguration("searched", "c0", {"x": 1}, "sampler")
    ledger.decide(wrong.id, lambda state: [configuration, NewRun(("searched", "c0"), "search", 0)])
    assert len(ledger.claim(wrong.id, "worker")) == 1
    with pytest.raises(StudyMismatch):
        ledger.open_study(declaration(toy_study(seed=1)))
    with pytest.raises(LedgerError, match="its runs are trained now, by worker"):
        ledger.delete_study(wrong.id)
    with sa.create_engine(database_url).begin() as connection:
        connection.execute(sa.text("UPDATE kdsearch.run SET lease_until = now() - interval '1 second'"))
    assert ledger.open_study(declaration(toy_study(seed=1)))[0].id != wrong.id


def test_a_study_that_was_launched_wrongly_is_corrected_with_other_options(ledger: Ledger) -> None:
    wrong, _ = ledger.open_study(declaration(overridden(toy_study(), {"seed": 3})))
    right, _ = ledger.open_study(declaration(overridden(toy_study(), {"seed": 4})))
    assert (right.identity["seed"], wrong.identity["seed"]) == (4, 3)


def test_a_longer_search_after_the_winner_was_chosen_is_refused_with_what_may_grow(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study(budget=kd.Budget(runs=10))))
    with ledger.database.engine.begin() as connection:
        orders = [NewConfiguration("searched", "c0", {"alpha": 0.1, "rate": 0.2}, "test")]
        ledger.decide(record.id, lambda state: orders)
        statement = "UPDATE kdsearch.study SET winner_id = (SELECT max(id) FROM kdsearch.configuration) WHERE id = :id"
        connection.execute(sa.text(statement), {"id": record.id})
    with pytest.raises(StudyMismatch) as refused:
        ledger.open_study(declaration(toy_study(budget=kd.Budget(runs=20))))
    assert str(refused.value) == (
        "the winner of toy@toy is chosen and stays the winner, so its search cannot continue:\n"
        "  budget.runs: 10 in the ledger, 20 in the study file\n"
        "For a longer search, give the study another name in its file; else undo the change. confirm.seeds can still "
        "grow."
    )


@pytest.mark.parametrize(("direction", "sign"), [("minimize", -1.0), ("maximize", 1.0)])
def test_values_times_the_sign_are_better_the_higher_they_are(ledger: Ledger, direction: str, sign: float) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    assert replace(record, identity={**record.identity, "direction": direction}).sign == sign
