"""No result and many failures are said before anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kdsearch.ledger.records import StudyResults
from kdsearch.report import build

Make = Callable[..., StudyResults]
WINNER, ABLATION = 10, 20


def failing(results: StudyResults, pool: str, *configurations: int) -> StudyResults:
    runs = tuple(
        replace(run, state="failed", objective=None, score=None, scores={})
        if run.pool == pool and run.configuration_id in configurations
        else run
        for run in results.runs
    )
    return replace(results, runs=runs)


def first_id(results: StudyResults, configuration: int) -> int:
    return next(run.id for run in results.runs if (run.configuration_id, run.pool) == (configuration, "confirm"))


def test_a_winner_whose_confirm_runs_all_failed_is_said_first(results: Make) -> None:
    full = failing(results(), "confirm", WINNER)
    notes = build(full).notes
    assert notes[0] == f"No result: every confirm run of the winner failed; see kdsearch logs {first_id(full, WINNER)}."
    assert not any("ended yet" in note for note in notes)


def test_an_ablation_whose_confirm_runs_all_failed_is_said_first(results: Make) -> None:
    full = failing(results(), "confirm", ABLATION)
    report = build(full)
    assert report.notes[0] == (
        "No result of the primary comparison: every confirm run of the winner without distillation failed; see "
        f"kdsearch logs {first_id(full, ABLATION)}."
    )
    texts = [*report.notes, *(note for table in report.tables for note in table.notes)]
    assert not any("ended yet" in text or "yet" in text.split() for text in texts)


def test_confirm_runs_of_other_code_are_not_called_failed(results: Make) -> None:
    full = results()
    runs = tuple(
        replace(run, code_hash="bbbb") if run.pool == "confirm" and run.configuration_id == WINNER else run
        for run in full.runs
    )
    assert build(replace(full, runs=runs)).notes[0] == (
        "No result: 3 confirm runs of the winner ended under another code hash, not counted; include by --mix-code."
    )
    gone = tuple(run for run in full.runs if run.pool != "confirm" or run.configuration_id != WINNER)
    assert build(replace(full, runs=gone)).notes[0].startswith("No result: the ledger holds no confirm run")


def test_many_failed_runs_are_the_first_note(results: Make) -> None:
    assert not any("Many runs failed" in note for note in build(results()).notes)  # 1 of 7 search runs
    notes = build(failing(results(), "search", 11)).notes
    assert notes[0].startswith("Many runs failed: 3 of 7 search runs. What is left")
    both = build(failing(failing(results(), "search", 11), "confirm", 3, 2)).notes
    assert both[0].startswith("Many runs failed: 3 of 7 search runs and 6 of 15 confirm runs.")
    searching = build(failing(results("search"), "search", 11)).notes
    assert searching[0].startswith("Many runs failed: 3 of 7 search runs.")


def test_quiet_while_confirm_runs_are_going(results: Make) -> None:
    waiting = replace(results("confirm"), runs=tuple(run for run in results("confirm").runs if run.pool != "confirm"))
    assert not any(note.startswith("No result") for note in build(waiting).notes)
