"""How many runs a study will have: what the planner orders, counted before it is ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support import runs_expected

from kdsearch.draws import FIRST_CONFIRM_SEED
from kdsearch.ledger.records import ConfigurationRecord, SearchRun, StudyRecord, StudyResults
from kdsearch.search import preflight
from kdsearch.search import remaining as counted
from kdsearch.search.remaining import remaining

Make = Callable[..., StudyResults]
TEACHER, ALONE, PAPER, WINNER, SECOND, SINGLE, ABLATION = 1, 2, 3, 10, 11, 12, 20


def runs_left(results: StudyResults) -> int:
    return remaining(results.study, results.configurations, results.runs).runs


def bare(phase: str, results: Make, **settings: Any) -> StudyRecord:
    study = results(phase).study
    return replace(study, settings=study.settings.changed(preflight={"seeds": 3}, **settings))


def confirm(*configurations: int, seeds: int = 3, state: Any = "queued", needs: bool = False) -> list[SearchRun]:
    return [
        SearchRun(
            1000 * id_ + seed, id_, "confirm", FIRST_CONFIRM_SEED[1] + seed, state, None, needs=seed if needs else None
        )
        for id_ in configurations
        for seed in range(seeds)
    ]


def test_at_the_start(results: Make) -> None:
    configurations = {id_: row for id_, row in results().configurations.items() if row.kind == "baseline"}
    # 3 teachers, 3 pre-flight, 20 search, 3 seeds of winner, ablation, 2 baselines, 2 finalists
    assert runs_expected(bare("teacher", results), configurations, ()) == 3 + 3 + 20 + 3 * 6
    # peers that teach one another: neither candidates nor pre-flight, but an ablation
    assert runs_expected(bare("teacher", results, teachers="none"), configurations, ()) == 20 + 3 * 6
    # no term of any other network: no ablation either
    none = bare("teacher", results, teachers="none", teacher_parameters=[])
    assert runs_expected(none, configurations, ()) == 20 + 3 * 5
    # one teacher a seed: one more run for each fresh seed
    assert runs_expected(bare("teacher", results, teachers="per-seed"), configurations, ()) == 3 + 3 + 20 + 3 * 6 + 3
    assert counted.TEACHER_CANDIDATES == preflight.TEACHER_CANDIDATES


def test_in_the_search_failed_runs_are_spent_and_cancelled_ones_are_not(results: Make) -> None:
    full = results("search")
    assert runs_expected(full.study, full.configurations, full.runs) == 6 + 20 + 18
    cancelled = (*full.runs[:-1], replace(full.runs[-1], state="cancelled"))
    assert runs_expected(full.study, full.configurations, cancelled) == 6 + 20 + 18
    over = replace(full.study, settings=full.study.settings.changed(budget={"runs": 5}))
    assert runs_expected(over, full.configurations, full.runs) == 6 + 7 + 18


@pytest.mark.parametrize(
    ("ablation", "finalists", "compared"),
    [
        (ABLATION, (SECOND, SINGLE), 6),
        (WINNER, (SECOND, SINGLE), 5),  # the winner uses no teacher
        (ALONE, (SECOND, SINGLE), 5),  # the very numbers of a baseline
        (ABLATION, (), 4),
        (None, (WINNER, SECOND), 4),
    ],
)
def test_after_the_choice_each_configuration_counts_once(
    results: Make, ablation: int | None, finalists: tuple[int, ...], compared: int
) -> None:
    full = results("confirm", ablation_id=ablation, finalist_ids=finalists)
    runs = [run for run in full.runs if run.pool != "confirm"]
    assert runs_expected(full.study, full.configurations, runs) == len(runs) + 3 * compared
    ordered = [*runs, *confirm(*{WINNER, ALONE, PAPER, ablation or WINNER, *finalists})]
    assert runs_expected(full.study, full.configurations, ordered) == len(ordered) == len(runs) + 3 * compared


def test_failed_confirm_runs_are_not_run_again(results: Make) -> None:
    full = results("finished")
    failed = [replace(run, state="failed") if run.pool == "confirm" else run for run in full.runs]
    assert runs_expected(full.study, full.configurations, failed) == len(failed)
    assert runs_left(replace(full, runs=tuple(failed))) == 0


def test_extended_seeds_are_to_come(results: Make) -> None:
    full = results("finished")
    study = replace(full.study, settings=full.study.settings.changed(confirm={"seeds": 5, "finalists": 2}))
    assert runs_expected(study, full.configurations, full.runs) == len(full.runs) + 2 * 5
    assert runs_left(replace(full, study=study)) == 10


def test_teachers_of_fresh_seeds(results: Make) -> None:
    study = bare("confirm", results, teachers="per-seed")
    configurations = results().configurations
    compared = (WINNER, ABLATION, ALONE, PAPER, SECOND)
    assert runs_expected(study, configurations, ()) == 3 * 5 + 3
    there = confirm(*compared, needs=True)
    assert runs_expected(study, configurations, there) == len(there)
    no_teacher = {
        id_: ConfigurationRecord(id_, row.kind, row.name, {**row.params, "alpha": 0, "representation_weight": 0})
        for id_, row in configurations.items()
    }
    assert runs_expected(study, no_teacher, ()) == 3 * 5


def test_a_study_without_a_winner_is_as_long_as_it_is(results: Make) -> None:
    full = results("finished", winner_id=None)
    assert runs_expected(full.study, full.configurations, full.runs) == len(full.runs)


def test_left_is_expected_less_ended(results: Make) -> None:
    full = results("search")
    open_runs = tuple(
        replace(run, state="leased") if run.seed == 0 and run.pool == "search" else run for run in full.runs
    )
    assert runs_left(replace(full, runs=open_runs)) == runs_left(full) + sum(
        before.state != after.state for before, after in zip(full.runs, open_runs, strict=True)
    )
