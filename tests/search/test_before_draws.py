"""Studies that began before runs drew folds and teachers go on as they did; golden values are those of that program."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa
from support import Loaded, ToyTask, declaration, runs_expected, toy_study

import kdsearch as kd
from kdsearch.data.folds import FIRST
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import KdsearchError, StudyMismatch
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord, StudyResults

SINCE = {"folds", "without", "question", "idle_without_teacher", "query_groups", "teacher_saw"}


def older(ledger: Ledger, study: kd.Study) -> StudyRecord:
    """The row of this study as a program from before draws has written it."""
    record, _ = ledger.open_study(declaration(study))
    settings = {name: value for name, value in record.settings.to_json().items() if name not in SINCE}
    settings["confirm"] = {name: settings["confirm"][name] for name in ("seeds", "finalists")}
    with ledger.database.engine.begin() as connection:
        statement = sa.text("UPDATE kdsearch.study SET version = 1, settings = :settings WHERE id = :id")
        connection.execute(statement, {"settings": json.dumps(settings), "id": record.id})
    again, changes = ledger.open_study(declaration(study))
    assert (again.version, again.settings.to_json(), changes) == (1, settings, [])
    return again


def finish(ledger: Ledger, study: kd.Study, record: StudyRecord) -> StudyResults:
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_the_best_of_three_teachers_serves_all_runs_and_fresh_seeds_begin_at_2_to_the_31(ledger: Ledger) -> None:
    study = toy_study()
    results = finish(ledger, study, older(ledger, study))
    assert Counter(run.pool for run in results.runs) == {"search": 40, "confirm": 24, "teacher": 3, "preflight": 3}
    assert {run.fold for run in results.runs} == {FIRST}
    teachers = [run for run in results.runs if run.pool == "teacher"]
    assert [run.seed for run in teachers] == [2_000_000, 2_000_001, 2_000_002]
    best = max(teachers, key=lambda run: run.objective or 0)
    assert (results.study.teacher_run_id, best.seed) == (best.id, 2_000_000)
    assert {run.needs for run in results.runs} == {None, best.id}
    fresh = {run.seed for run in results.runs if run.pool == "confirm"}
    assert fresh == {2**31 + index for index in range(4)}
    assert results.study.best_without_id is None
    assert {row.kind for row in results.configurations.values()} == {"searched", "baseline", "ablation", "teacher"}
    names = {row.id: row.name for row in results.configurations.values()}
    assert [names[id_] for id_ in (results.study.winner_id or 0, *results.study.finalist_ids)] == ["c23", "c13", "c11"]
    rows = {row.name: row.params for row in results.configurations.values()}
    assert rows["c0"] == pytest.approx({"alpha": 0.40994958858937025, "rate": 0.9641202185302973})
    assert rows["c9"] == pytest.approx({"alpha": 0.5200631022453308, "rate": 0.4854592550545931})
    assert rows["c23"] == pytest.approx({"alpha": 0.6015881955665818, "rate": 0.510735383831015})
    searched = {row.id: int(row.name[1:]) for row in results.configurations.values() if row.kind == "searched"}
    for id_, number in searched.items():
        assert min(run.seed for run in results.runs if run.configuration_id == id_) == 64 * number
    (event,) = [event for event in results.events if event.kind == "preflight"]
    assert event.data["gap"] == pytest.approx(0.13386526823987)
    assert set(event.data) == {"teacher", "student", "gap", "low", "high", "warning"}


def test_each_seed_has_the_teacher_that_it_had(ledger: Ledger) -> None:
    study = toy_study(teachers="per-seed", budget=kd.Budget(runs=20))
    results = finish(ledger, study, older(ledger, study))
    by_id = {run.id: run for run in results.runs}
    served = {(run.pool, run.seed): by_id[run.needs].seed for run in results.runs if run.needs is not None}
    assert served == {
        ("search", 0): 2**30,
        ("search", 1): 2**30 + 1,
        **{("confirm", 2**31 + index): 2**30 + 2**29 + index for index in range(4)},
    }


def test_an_extended_study_goes_on_in_its_own_range_of_seeds(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    record = older(ledger, study)
    finish(ledger, study, record)
    ledger.change_settings(record.id, {"confirm": {"seeds": 6, "finalists": 2}}, "confirm seeds extended from 4 to 6")
    state = ledger.search_state(record.id)
    after = finish(ledger, study, record)
    assert runs_expected(state.study, state.configurations, state.runs) == len(after.runs)
    winner = [run.seed for run in after.runs if run.configuration_id == after.study.winner_id and run.pool == "confirm"]
    assert winner == [2**31 + index for index in range(6)]
    assert [event.data for event in after.events if event.kind == "look"] == [{"seeds": 4}, {"seeds": 6}]


def test_a_file_that_asks_for_what_came_later_changes_nothing_of_it(ledger: Ledger) -> None:
    study = toy_study(budget=kd.Budget(runs=12))
    record = older(ledger, study)
    confirm = kd.Confirm(seeds=4, finalists=2, others=2)
    asked = toy_study(budget=kd.Budget(runs=12, without=0.5), confirm=confirm)
    with pytest.raises(StudyMismatch, match="question"):
        ledger.open_study(declaration(replace(asked, question="best without")))
    again, changes = ledger.open_study(declaration(asked))
    assert (again.settings, changes) == (record.settings, [])
    results = finish(ledger, asked, again)
    assert Counter(row.kind for row in results.configurations.values())["without"] == 0
    seeds = Counter(run.configuration_id for run in results.runs if run.pool == "confirm")
    assert set(seeds.values()) == {4}


def test_without_a_teacher_that_ends_well_it_says_what_it_said(ledger: Ledger) -> None:
    study = toy_study(task=ToyTask(teacher_diverges=(2_000_000, 2_000_001, 2_000_002)))
    record = older(ledger, study)
    with pytest.raises(KdsearchError, match="none of the 3 teacher runs ended well"):
        finish(ledger, study, record)
