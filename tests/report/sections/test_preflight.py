"""The pre-flight section: candidates alone, and the planner's verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kdsearch.draws import FIRST_TEACHER_SEED
from kdsearch.ledger.records import EventRecord, RunRecord, StudyResults
from kdsearch.report import Estimate, Table, build
from kdsearch.search.teachers import own_teacher_seed

Make = Callable[..., StudyResults]


def event(gap: float, low: float, high: float, warning: bool) -> EventRecord:
    data = {"teacher": [0.7], "student": [0.70, 0.71, 0.72], "gap": gap, "low": low, "high": high, "warning": warning}
    return EventRecord(datetime(2026, 11, 1, tzinfo=UTC), "preflight", "pre-flight", data=data)


def section(results: StudyResults, *events: EventRecord) -> Table:
    return build(replace(results, events=events)).table("preflight")


def per_seed(results: StudyResults) -> StudyResults:
    settings = results.study.settings.changed(teachers="per-seed")
    own = [
        RunRecord(500 + index, 1, "teacher", own_teacher_seed(index), "done", 0.99, code_hash="aaaa")
        for index in range(10)
    ]
    return replace(
        results, study=replace(results.study, settings=settings, teacher_run_id=501), runs=(*results.runs, *own)
    )


def test_teachers_of_single_seeds_are_no_candidates(results: Make) -> None:
    table = section(per_seed(results()))
    assert table.column("n") == [3, 3]
    cell = table.column("objective")[0]
    assert isinstance(cell, Estimate)
    assert cell.value == pytest.approx(0.91)
    assert "Each student seed has its own teacher; these three measure the gap." in table.notes
    assert not any("Teacher used" in note for note in table.notes)
    assert all(2_000_000 <= FIRST_TEACHER_SEED + index < 2_001_000 for index in range(3))


def test_the_best_candidate_is_named_with_one_teacher(results: Make) -> None:
    assert "the best of 3 by objective" in section(results()).notes[1]


def test_the_planners_warning_stands(results: Make) -> None:
    # The interval is above 0 and the table shows a wide gap: the event decides.
    verdict = section(results(), event(0.008, 0.001, 0.015, True)).notes[0]
    assert verdict == (
        "Verdict: hardly a gap to distil: teacher minus student alone is +0.0080 [+0.0010, +0.0150], smaller than the "
        "student's seed sd (0.0100) or min_effect (0.01) (Welch 95 % interval)."
    )
    changed_since = section(results(), event(0.5, 0.4, 0.6, True)).notes[0]
    assert "hardly a gap to distil" in changed_since
    assert "smaller" not in changed_since


def test_without_a_warning_the_interval_gives_the_nuance(results: Make) -> None:
    flat = results()
    runs = tuple(replace(run, objective=0.71) if run.pool == "teacher" else run for run in flat.runs)
    sure = section(replace(flat, runs=runs), event(0.05, 0.02, 0.08, False)).notes[0]
    assert sure.startswith("Verdict: fine: the teacher is better than the student alone, +0.0500 [+0.0200, +0.0800]")
    likely = section(flat, event(0.05, -0.02, 0.12, False)).notes[0]
    assert likely.startswith("Verdict: a gap is likely but not sure from so few runs")


def test_without_an_event_the_same_rule_holds(results: Make) -> None:
    full = results()
    # 0.72 against 0.71 with student sd 0.01: at the limit it is no warning, below it is one
    for objective, words in ((0.7201, "a gap is likely"), (0.7199, "hardly a gap")):
        runs = tuple(
            replace(run, objective=objective + 0.02 * (run.seed - 2_000_001)) if run.pool == "teacher" else run
            for run in full.runs
        )
        assert section(replace(full, runs=runs)).notes[0].startswith(f"Verdict: {words}")


def test_in_the_teacher_phase_the_verdict_is_not_the_last(results: Make) -> None:
    assert build(results("teacher")).table("preflight").notes[0].startswith("Verdict so far: fine")


def test_where_no_student_is_asked_for_none_is_shown(results: Make) -> None:
    full = results()
    runs = tuple(run for run in full.runs if run.pool != "preflight")
    settings = full.study.settings.changed(preflight={"seeds": 0})
    table = section(replace(full, runs=runs, study=replace(full.study, settings=settings)))
    assert [row.label for row in table.rows] == ["teacher"]
    assert table.notes[0] == "The study asks for no student alone (preflight_seeds=0)."


def test_too_few_runs_have_no_verdict(results: Make) -> None:
    note = EventRecord(datetime(2026, 11, 1, tzinfo=UTC), "preflight", "pre-flight: too few runs ended")
    assert section(results(), note).notes[0] == "Verdict: too few runs ended to compare teacher and student."
    full = results()
    runs = tuple(run for run in full.runs if run.pool != "preflight" or run.seed == 1_000_000)
    table = section(replace(full, runs=runs))
    assert table.notes[0] == "Verdict: too few runs ended to compare teacher and student."
    cell = table.column("gap")[0]
    assert isinstance(cell, Estimate)
    assert math.isnan(cell.low)
