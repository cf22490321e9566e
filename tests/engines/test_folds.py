"""Runs of several folds in workers: which fold, seed and teacher a run gets, and populations of several folds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support import Loaded, PopulationTask, ToyTask, declaration, end_a_run, toy_study

import kdsearch as kd
from kdsearch.data.folds import Fold
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import StudyMismatch
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.tasks import RunContext, RunRequest, RunResult
from kdsearch.tasks.base import Jobs, Layout

SEEN: list[tuple[RunRequest, RunContext]] = []
FOLDS: list[set[Fold]] = []


class Watched(ToyTask):
    """Tells what runs were trained, and gives what each of four queries reached."""

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        SEEN.append((request, context))
        result = super().train(request, context)
        if context.keep_queries and result.score is not None:
            result.queries = [result.score] * 4
        return result


class Mixed(PopulationTask):
    """Tells which folds a population was given."""

    def population(self, layout: Layout, device: str) -> object:  # type: ignore[override]
        inner = super().population(layout, device)

        class Telling:
            def train(self, jobs: Jobs) -> None:
                held = set[Fold]()
                FOLDS.append(held)
                inner.train(_Noting(jobs, held))

        return Telling()


class _Noting:
    def __init__(self, jobs: Jobs, held: set[Fold]) -> None:
        self.jobs, self.held = jobs, held

    def claim(self, free: int) -> Sequence[object]:
        claimed = self.jobs.claim(free)
        self.held |= {job.request.fold for job in claimed}
        return claimed

    def __getattr__(self, name: str) -> object:
        return getattr(self.jobs, name)


def run(ledger: Ledger, study: kd.Study, population: int = 1) -> StudyResults:
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, max(2, population))
    DebugEngine(coordinator, Loaded(study), population=population).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_a_worker_trains_what_the_ledger_says(ledger: Ledger) -> None:
    SEEN.clear()
    study = toy_study(task=Watched(folds=3), budget=kd.Budget(runs=20), confirm=kd.Confirm(seeds=4, finalists=0))
    results = run(ledger, study)
    students = {(dict_key(request.params), request.seed): (request, context) for request, context in SEEN}
    for stored in results.runs:
        params = results.configurations[stored.configuration_id].params
        if stored.pool == "teacher":
            continue
        request, context = students[dict_key(params), stored.seed]
        assert request.fold == stored.fold
        assert context.keep_queries == (stored.pool == "confirm")
        assert (request.teacher is not None) == (params["alpha"] != 0)
    teachers = [request for request, _ in SEEN if request.role == "teacher"]
    stored_teachers = [row for row in results.runs if row.pool == "teacher"]
    assert {request.fold for request in teachers} == {row.fold for row in stored_teachers}
    # The seed that a teacher trains with is its number alone, so that another fold may have the same.
    assert {request.seed for request in teachers} == {
        2_000_000 + (row.seed - 2_000_000) % 49_152 for row in stored_teachers
    }
    fresh = [row for row in results.runs if row.pool == "confirm"]
    assert {row.fold for row in fresh} == {Fold(1, 0), Fold(1, 1), Fold(1, 2), Fold(2, 0)}
    assert all(row.seed < 2**31 for row in results.runs)
    compared = {results.study.winner_id, results.study.ablation_id, results.study.best_without_id}
    kept = {row.id for row in fresh if row.configuration_id in compared}
    assert results.queries.keys() == kept
    assert all(len(values) == 4 for values in results.queries.values())


def dict_key(params: object) -> tuple[object, ...]:
    return tuple(sorted(dict(params).items()))  # type: ignore[call-overload]


def test_a_population_holds_runs_of_several_folds_and_none_is_lost(ledger: Ledger) -> None:
    FOLDS.clear()
    changes = {"budget": kd.Budget(runs=40), "confirm": kd.Confirm(seeds=5, finalists=0)}
    together = run(ledger, toy_study(task=Mixed(folds=4), search=kd.Fixed(seeds=4), **changes), population=8)
    assert together.study.phase == "finished"
    assert {row.state for row in together.runs} == {"done"}
    assert max(len(held) for held in FOLDS) >= 4
    assert len(set.union(*FOLDS)) == 4 + 5  # of the search and of five fresh seeds
    alone = run(ledger, toy_study(task=ToyTask(folds=4), name="alone", search=kd.Fixed(seeds=4), **changes))

    def values(results: StudyResults) -> dict[object, object]:
        return {
            (results.configurations[row.configuration_id].name, row.pool, row.seed): row.objective
            for row in results.runs
        }

    assert values(together) == values(alone)


def test_the_question_is_part_of_what_a_study_is(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    end_a_run(ledger, record)
    with pytest.raises(StudyMismatch, match="question: 'nothing' in the ledger, 'best without' in the study file"):
        ledger.open_study(declaration(toy_study(question="best without")))


def test_a_teacher_a_seed_is_one_a_seed_where_the_split_is_fixed(ledger: Ledger) -> None:
    SEEN.clear()
    parameters = {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+order"}
    run(ledger, toy_study(task=Watched(parameters=parameters), teachers="per-seed", confirm=kd.Confirm(seeds=6)))
    fresh = {request.seed: request.teacher for request, context in SEEN if context.keep_queries and request.teacher}
    assert len(fresh) == len(set(fresh.values())) == 6
