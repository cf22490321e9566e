"""Report and counts beside the real planner: what is expected comes true, what is added later changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.cli.more_runs import extend
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import StudyResults
from kdsearch.report import Estimate, build
from kdsearch.report.selection import select
from kdsearch.report.units import Units
from kdsearch.search.manual import add_configuration
from kdsearch.search.remaining import remaining
from kdsearch.study.declaration import Study

from .drawing import ALL


def runs_left(results: StudyResults) -> int:
    return remaining(results.study, results.configurations, results.runs).runs


def launch(ledger: Ledger, study: Study) -> tuple[int, list[tuple[SearchState, int]]]:
    """Run a study to its end; return its id and, at each decision, the state with the number of runs expected."""
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 4)
    seen: list[tuple[SearchState, int]] = []
    plan = coordinator.planner.plan

    def watched(state: SearchState) -> Any:
        ended = sum(run.state in ("done", "diverged", "failed") for run in state.runs)
        seen.append((state, ended + remaining(state.study, state.configurations, state.runs).runs))
        return plan(state)

    coordinator.planner.plan = watched  # type: ignore[method-assign]
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    return record.id, seen


@pytest.mark.parametrize("teachers", ["one", "per-seed"])
def test_what_is_expected_comes_true(ledger: Ledger, teachers: str) -> None:
    study_id, seen = launch(ledger, toy_study(teachers=teachers))
    results = ledger.results(study_id)
    final = len(results.runs)
    assert runs_left(results) == 0
    assert {expected for state, expected in seen if state.study.winner_id is not None} == {final}
    if teachers == "one":
        assert {expected for _, expected in seen} == {final}
    else:  # teachers of search seeds are known once a run has asked for them
        counts = [expected for _, expected in seen]
        assert counts == sorted(counts)
        assert counts[-1] == final


@dataclass(frozen=True)
class Folded(ToyTask):
    """The toy task with folds, its streams named."""

    parameters: Mapping[str, Any] = field(default_factory=lambda: {"alpha": 0.5, "rate": 0.3, "vary": ALL})
    folds: int = 5


@pytest.mark.parametrize("teachers", [None, 6, 4])
def test_a_study_that_draws_folds_and_teachers(ledger: Ledger, teachers: int | None) -> None:
    confirm = kd.Confirm(seeds=12, finalists=1, others=6)
    study_id, seen = launch(ledger, toy_study(task=Folded(), teachers=teachers, confirm=confirm, budget=kd.Budget(60)))
    results = ledger.results(study_id)
    assert runs_left(results) == 0
    assert {expected for state, expected in seen if state.study.winner_id is not None} == {len(results.runs)}
    report = build(results)
    assert any(
        note.startswith("Estimand: the mean, over student seeds, partitions of this train list and teachers trained so")
        for note in report.notes
    )
    assert (
        sum(note.startswith(("Search: 54 of 54", "Search without distillation: 6 of 6")) for note in report.notes) == 2
    )
    table = report.table("comparison")
    labels = [row.label for row in table.rows]
    assert labels[1] == "winner without distillation"
    assert labels[2].startswith("best without distillation (w")
    assert table.column("n") == [12, 12, 12, 6, 6, 6]
    words = table.column("verdict")
    pairs = table.column("pairs")
    assert pairs[1:] == ([12, 12, 6, 6, 6] if teachers is None else [teachers] * 5)
    assert (words[1] == "no verdict") == (teachers == 4)
    # The teacher that a run had, as the ledger holds it, is the unit that the report takes.
    units = Units.of(select(results))
    taught = [run for run in select(results).of(results.study.winner_id or 0, "confirm") if run.needs is not None]
    assert len({units.key(run.seed) for run in taught}) == len({run.needs for run in taught}) == (teachers or 12)
    preflight = report.table("preflight")
    assert preflight.column("n") == [5, 3]
    assert "(paired on 3 folds, t 95 % interval)." in preflight.notes[0]


def test_runs_added_to_a_finished_study_leave_its_report_as_it_was(ledger: Ledger) -> None:
    study = toy_study()
    study_id, _ = launch(ledger, study)
    before = build(ledger.results(study_id))
    winner = ledger.results(study_id).study.winner_id
    assert winner is not None
    params = ledger.results(study_id).configurations[winner].params
    add_configuration(ledger, study, study_id, params, 12)
    add_configuration(ledger, study, study_id, {**params, "rate": 0.123}, 4)
    queued = build(ledger.results(study_id))
    assert [row.note for row in queued.table("added").rows][-1] == "4 to come"
    assert queued.table("comparison") == before.table("comparison"), "search runs that wait open no verdict"
    launch(ledger, study)
    results = ledger.results(study_id)
    assert results.study.phase == "finished"
    late = sum(run.pool == "search" for run in results.runs) - 40
    assert late > 4
    after = build(results)
    assert [table for table in after.tables if table.key != "added"] == list(before.tables)
    assert f"{late} search runs came after the choice: shown under 'Added after the choice', in no other table." in (
        after.notes
    )
    shown = after.table("added")
    assert sum(int(str(count)) for count in shown.column("n")) == late
    mine = next(row for row in results.configurations.values() if row.origin == "user")
    own = [run.objective for run in results.runs if run.configuration_id == mine.id and run.objective is not None]
    (row,) = [row for row in shown.rows if row.label == mine.name]
    estimate = row.cells[1]
    assert isinstance(estimate, Estimate)
    assert (row.cells[0], estimate.value) == (4, pytest.approx(sum(own) / 4))
    assert row.cells[-1] == 0.123
    choice = next(event for event in results.events if event.kind == "winner")
    assert f"of {choice.data['search_seeds']} search seeds" in after.table("winner").notes[0]
    assert "counted here" not in after.table("winner").notes[0]
    extended = results.study.settings.changed(confirm=results.study.settings.confirm_with(6))
    assert runs_left(replace(results, study=replace(results.study, settings=extended))) > 0


@pytest.mark.slow
def test_each_extension_of_fresh_seeds_is_a_look(ledger: Ledger, database_url: str) -> None:
    study = toy_study()
    study_id, _ = launch(ledger, study)
    assert any(note.startswith("Look 1 at fresh seeds:") for note in notes_of(ledger, study_id))
    extend("toy@toy", confirm_seeds=6, storage=database_url)
    assert any(note.startswith("Look 1 at fresh seeds:") for note in notes_of(ledger, study_id)), "no new seed yet"
    launch(ledger, study)
    assert any(note.startswith("Look 2 at fresh seeds after 1 look at 4") for note in notes_of(ledger, study_id))
    launch(ledger, toy_study(confirm=kd.Confirm(seeds=9, finalists=2)))  # the study file may ask for more as well
    assert any(note.startswith("Look 3 at fresh seeds after 2 looks at 4, 6") for note in notes_of(ledger, study_id))


def notes_of(ledger: Ledger, study_id: int) -> tuple[str, ...]:
    return build(ledger.results(study_id)).table("comparison").notes


def test_the_table_of_a_running_search_says_what_the_planner_believes(ledger: Ledger) -> None:
    study = toy_study()
    study_id, _ = launch(ledger, study)
    results = ledger.results(study_id)
    before = replace(results, study=replace(results.study, phase="search", winner_id=None), events=())
    table = build(before).table("leading")
    choice = next(event for event in results.events if event.kind == "winner")
    first = table.column("estimate")[0]
    assert isinstance(first, Estimate)
    assert (first.value, first.sd, first.n) == pytest.approx(
        (choice.data["estimate"], choice.data["estimate_sd"], choice.data["search_seeds"])
    )
    assert results.study.winner_id is not None
    assert table.rows[0].label == results.configurations[results.study.winner_id].name
    assert table.column("standing")[0] == "leads"
