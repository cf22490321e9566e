"""Other tables of studies whose runs draw folds and teachers: sources, pre-flight, status, exports, across studies."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kdsearch.ledger.records import ConfigurationRecord, EventRecord, StudyResults
from kdsearch.report import Estimate, Table, build, build_across_studies, runs_csv, runs_json, status
from kdsearch.report.render import render_table
from kdsearch.search.remaining import remaining

from . import drawing
from .drawing import ABLATION, ALL, ALONE, BEST, TEACHER, WINNER

SCORES = {WINNER: [0.70, 0.72, 0.74, 0.73], ABLATION: [0.69, 0.70, 0.71, 0.70], BEST: [0.68, 0.70, 0.71, 0.70]}


def cell(table: Table, key: str, row: int) -> Estimate:
    found = table.column(key)[row]
    assert isinstance(found, Estimate)
    return found


def with_streams(found: StudyResults, streams: dict[str, list[float]]) -> StudyResults:
    """Runs that somebody added of the winner's numbers, in which only some streams follow the seed."""
    rows, made = dict(found.configurations), list(found.runs)
    for place, (vary, scores) in enumerate(streams.items()):
        params = {**rows[WINNER].params, "vary": vary}
        rows[50 + place] = ConfigurationRecord(50 + place, "ablation", f"v{place}", params, "user")
        made += drawing.runs(found.study, rows[50 + place], "search", scores)
    return replace(found, configurations=rows, runs=tuple(made))


def test_split_and_teacher_are_sources_like_the_others() -> None:
    folds = [0.70, 0.72, 0.71, 0.73, 0.74]
    own = [0.70 + 0.001 * place for place in range(16)]
    found = with_streams(
        drawing.results(SCORES),
        {
            "initialisation": [0.70, 0.72],
            "order": [0.71, 0.72],
            "split": [folds[seed % 5] for seed in range(12)],
            "teacher": [own[seed % 16] for seed in range(20)],
            "nothing": [0.70, 0.70],
        },
    )
    table = build(found).table("sources")
    assert [row.label for row in table.rows] == [
        "c4: initialisation + order + split + teacher",
        "c4: initialisation",
        "c4: order",
        "c4: split",
        "c4: teacher",
        "c4: nothing",
    ]
    # Twelve seeds meet five folds, twenty seeds sixteen teachers; equal draws are equal runs.
    assert table.column("n") == [4, 2, 2, 5, 16, 2]
    split, whole = cell(table, "share", 3), np.var(SCORES[WINNER], ddof=1)
    ratio = np.var(folds, ddof=1) / whole
    assert (split.value, split.low, split.high) == pytest.approx((ratio, *(ratio / stats.f.ppf([0.975, 0.025], 4, 3))))
    assert cell(table, "sd", 3).value == pytest.approx(np.std(folds, ddof=1))
    assert (
        "split: the teacher keeps its own seed and changes with the fold all the same, being trained outside it."
    ) in table.notes
    draws = "Where nothing but split and teacher follows the seed, n counts draws: equal ones are equal runs."
    assert draws in table.notes
    assert any(
        note.startswith("c4: These runs cannot tell whether the shares add up to 1: remainder") for note in table.notes
    )
    given = {"teachers": "given", "vary": "initialisation+order+split"}
    held = with_streams(drawing.results(SCORES, **given), {"split": folds})
    notes = build(held).table("sources").notes
    assert draws.replace(" and teacher", "") in notes
    assert not any(note.startswith("split: ") for note in notes), "the given one changes with nothing"
    shared = with_streams(drawing.results(SCORES, teachers=2), {"order": [0.7, 0.71]})
    assert (
        "Runs in which all streams follow the seed share 2 teachers: intervals of their sd and of shares take them for "
        "independent runs, and are too narrow."
    ) in build(shared).table("sources").notes


def event(**data: Any) -> EventRecord:
    return EventRecord(drawing.CHOSEN_AT, "preflight", "pre-flight", data=data)


def preflight(*events: EventRecord, **settings: Any) -> Table:
    return build(drawing.results(SCORES, events=events, **settings)).table("preflight")


def test_teachers_of_the_search_are_one_a_fold_and_none_is_chosen() -> None:
    table = preflight()
    assert table.column("n") == [5, 3]
    # Teachers 0.77, 0.74, 0.75 on the folds of students 0.72, 0.73, 0.74: gaps 0.05, 0.01, 0.01.
    gap = cell(table, "gap", 0)
    half = stats.t.ppf(0.975, 2) * stats.tstd([0.05, 0.01, 0.01]) / math.sqrt(3)
    assert (gap.value, gap.low, gap.n) == pytest.approx((0.07 / 3, 0.07 / 3 - half, 3))
    assert table.notes[0].endswith("(paired on 3 folds, t 95 % interval).")
    assert table.notes[1] == (
        "One teacher a fold, trained outside it, none of them chosen: fold 0 0.7700, fold 1 0.7400, fold 2 0.7500, "
        "fold 3 0.7300, fold 4 0.7600. Fresh seeds have teachers of their own."
    )
    assert "objective (validation mAP) on what validates each run; sd over seeds and 5 folds of one" in table.caption
    assert preflight(teachers=8).notes[1].endswith("Fresh seeds share 8 others.")
    held = preflight(vary="initialisation+order+teacher")
    assert "; sd over seeds; " in held.caption
    assert held.notes[0].endswith("(Welch 95 % interval).")
    assert held.notes[1] == "These teachers of the search, not chosen. Fresh seeds have teachers of their own."


def test_the_planners_finding_stands() -> None:
    told = event(teacher=[0.7], student=[0.7, 0.71], gap=0.05, low=0.02, high=0.08, warning=False, folds=5)
    assert preflight(told).notes[0] == (
        "Verdict: fine: the teacher is better than the student alone, +0.0500 [+0.0200, +0.0800] (paired on 5 folds, t "
        "95 % interval)."
    )
    unpaired = event(teacher=[0.7], student=[0.7, 0.71], gap=0.05, low=0.02, high=0.08, warning=False)
    assert preflight(unpaired).notes[0].endswith("(Welch 95 % interval).")


def test_one_teacher_is_kept_without_a_choice() -> None:
    one = {"teachers": "one", "folds": 1, "vary": "initialisation+order"}
    table = preflight(event(teacher=[0.77], student=[0.7, 0.71], difference=0.04), **one)
    assert table.column("n") == [1, 3]
    warned = preflight(event(teacher=[0.71], student=[0.7, 0.71], difference=0.004, warning=True), **one)
    assert warned.notes[0] == (
        "Verdict: hardly a gap to distil: teacher minus student alone is +0.0040; of one teacher there is no interval."
    )
    assert table.notes[:2] == (
        "Verdict: teacher minus student alone is +0.0400; of one teacher there is no interval.",
        "One teacher for all runs, kept without a choice: run 1, 0.7700.",
    )
    assert (
        preflight(folds=1).notes[1] == "One teacher of the search, not chosen. Fresh seeds have teachers of their own."
    )


def test_a_replaced_teacher_is_not_shown_and_fresh_ones_neither() -> None:
    found = drawing.results(SCORES)
    draws = found.study.draws
    lost = found.runs[1]
    draw = draws.draw("search", 1, frozenset(ALL.split("+")))
    fresh = draws.teacher_seed(draws.draw("confirm", 2**30, frozenset(ALL.split("+"))))
    runs = [replace(run, state="diverged") if run.id == lost.id else run for run in found.runs]
    runs.append(replace(lost, id=900, seed=draws.teacher_seed(draw, replaced=1), objective=0.78))
    runs.append(replace(lost, id=901, seed=fresh, objective=0.99))
    table = build(replace(found, runs=tuple(runs))).table("preflight")
    assert table.column("n")[0] == 5
    assert "fold 0 0.7700, fold 1 0.7800, fold 2 0.7500" in table.notes[1]


def test_a_given_teacher_has_no_preflight() -> None:
    report = build(drawing.results(SCORES, teachers="given", vary="initialisation+order+split"))
    assert "preflight" not in [table.key for table in report.tables]


def running(**settings: Any) -> StudyResults:
    return drawing.results({}, phase="search", **settings)


def test_status_counts_the_search_without_distillation_by_itself() -> None:
    table = status(running())
    counts = {row.label: row.cells for row in table.rows}
    assert list(counts) == ["teacher", "preflight", "search", "without distillation"]
    done = [column.title for column in table.columns].index("done")
    assert (counts["search"][done], counts["without distillation"][done]) == (6, 2)
    assert "Ended: 6 of 36 search runs and 2 of 4 without distillation." in table.notes
    hours = status(running(budget={"runs": None, "hours": 2.0, "gpu_hours": None}))
    assert "Ended: 6 search runs and 2 without distillation." in hours.notes
    assert not any(note.startswith("Ended") for note in status(drawing.results(SCORES)).notes)
    assert not any(note.startswith("Ended") for note in status(running(without=0.0)).notes)
    assert "without distillation" in render_table(table)


def test_the_running_search_is_told_in_two() -> None:
    report = build(running())
    assert (
        "The study still runs (phase search): 6 of 36 search runs and 2 of 4 without distillation have ended. No "
        "result yet: test scores are not shown before the winner is chosen."
    ) in report.notes
    stopped = build(drawing.without(running(), stop_requested=True)).notes
    assert (
        "The study was stopped in phase search: 6 of 36 search runs and 2 of 4 without distillation have ended. No "
        "result yet: test scores are not shown before the winner is chosen. Launch it again to go on."
    ) in stopped
    assert not any("still runs" in note for note in stopped)
    leading = report.table("leading")
    assert [row.label for row in leading.rows] == ["c4", "c5"]
    assert leading.notes[-1] == "Besides, 2 runs of 1 configuration without distillation: a search by itself."
    hours = build(running(budget={"runs": None, "hours": 2.0, "gpu_hours": None}))
    assert any(": 6 search runs and 2 without distillation have ended." in note for note in hours.notes)
    alone = build(running(without=0.0))
    assert any("(phase search): 8 of 40 search runs have ended." in note for note in alone.notes)


def test_a_study_that_was_stopped_in_another_phase_does_not_go_on() -> None:
    teacher = drawing.without(drawing.results({}, phase="teacher"), stop_requested=True)
    assert (
        "The study was stopped in phase teacher: nothing is searched yet, there is no result. Launch it again to go on."
    ) in build(teacher).notes
    confirm = drawing.without(drawing.results(SCORES, phase="confirm"), stop_requested=True)
    said = build(confirm).notes
    assert any(
        note.startswith("The study was stopped before all confirm runs ended (") and note.endswith("again to go on.")
        for note in said
    )
    assert not any(note.startswith("Confirm runs are still going") for note in said)
    done = drawing.without(drawing.results(SCORES), stop_requested=True)
    assert not any("stopped" in note for note in build(done).notes), "nothing is left to go on with"


def test_why_each_search_ended_is_said() -> None:
    first = EventRecord(drawing.CHOSEN_AT, "search ended", "search ended: the budget of 36 search runs is spent")
    told = "search without teacher ended: stopped early, for little is left to gain"
    second = EventRecord(drawing.CHOSEN_AT, "search without teacher ended", told)
    found = drawing.results(SCORES, events=[first, second])
    for said in (
        "Search: 6 of 36 runs; the budget of 36 search runs is spent.",
        "Search without distillation: 2 of 4 runs; stopped early, for little is left to gain.",
    ):
        assert said in build(found).notes
        assert said in status(found).notes
    assert not any("without teacher" in note for note in build(found).notes)
    (table,) = build_across_studies([found, drawing.without(found, name="other")]).tables
    assert table.column("search_runs")[:2] == [8, 8]


def test_what_is_left_of_both_searches() -> None:
    found = running(confirm={"seeds": 10, "finalists": 1, "others": 5})
    left = remaining(found.study, found.configurations, found.runs)
    # 30 and 2 search runs; 3 x 10 of the primary pairs, 3 x 5 of baselines and finalist, 10 fresh teachers.
    assert left.runs == 30 + 2 + 30 + 15 + 10
    assert left.seconds is not None
    hours = running(confirm={"seeds": 0, "finalists": 0}, budget={"runs": None, "hours": 0.1, "gpu_hours": None})
    spaced = tuple(
        replace(run, finished_at=drawing.CHOSEN_AT.replace(minute=place))
        for place, run in enumerate(run for run in hours.runs if run.pool == "search")
    )
    left = remaining(hours.study, hours.configurations, spaced)
    # 324 s and 36 s; six and two runs of 36 s have taken 216 s and 72 s, a pace of at most 37 s a run.
    assert left.runs == math.ceil((324 - 216) / 37)


def test_exports_name_fold_partition_and_teacher() -> None:
    found = drawing.results(SCORES)
    runs = tuple(replace(run, needs=3) if run.configuration_id == WINNER else run for run in found.runs)
    found = replace(found, runs=runs)
    rows = {row["id"]: row for row in csv.DictReader(StringIO(runs_csv(found)))}
    confirm = rows[str(100_000 * WINNER + 2_000 + 3)]
    assert (confirm["partition"], confirm["fold"], confirm["teacher_run"]) == ("1", "3", "3")
    alone = rows[str(100_000 * ALONE + 1_000 + 2)]
    assert (alone["partition"], alone["fold"], alone["teacher_run"]) == ("0", "2", "")
    teacher = rows["4"]
    assert (teacher["kind"], teacher["partition"], teacher["fold"]) == ("teacher", "0", "3")
    flat = json.loads(runs_json(found))["runs"]
    assert {"partition", "fold", "teacher_run"} <= flat[0].keys()
    assert not {"needs"} & {*flat[0], *rows["4"]}, "one column says it"
    first = drawing.without(found, version=1)
    before = json.loads(runs_json(first))["runs"]
    assert not {"partition", "fold", "teacher_run"} & before[0].keys()
    older = {row["id"]: row for row in csv.DictReader(StringIO(runs_csv(first)))}
    assert older[str(100_000 * WINNER + 2_000 + 3)]["needs"] == "3", "as it was"


def named(found: StudyResults, name: str) -> StudyResults:
    return drawing.without(found, name=f"{name}@x", settings=found.study.settings.changed(title=name))


def test_studies_side_by_side_count_teachers_where_either_shares_them() -> None:
    gains = [0.010, 0.020, 0.000, 0.030, 0.015, 0.005]
    base = [0.70 + 0.001 * (i % 5) for i in range(12)]
    own = drawing.results({WINNER: [b + gains[i % 6] for i, b in enumerate(base)], ABLATION: base})
    shared = named(drawing.results({WINNER: base, ABLATION: base, BEST: base}, teachers=6), "shared")
    report = build_across_studies([own, shared])
    (table,) = report.tables
    got = cell(table, "difference", 1)
    half = stats.t.ppf(0.98, 5) * stats.tstd(gains) / math.sqrt(6)
    mean = sum(gains) / 6
    assert (got.value, got.low, got.n) == pytest.approx((mean, mean - half, 6))
    assert table.column("verdict")[1] == "better"
    assert (
        "Seeds share teachers: differences, intervals and p values count teachers, each by the mean over its seeds. "
        "Below 6 teachers there is no verdict."
    ) in table.notes
    assert [row.label for row in table.rows][2:] == [
        "weights without distillation",
        "shared without distillation",
        "shared best without distillation",
    ]
    assert any("shared +0.0000 [+0.0000, +0.0000] (n = 6 teachers), equivalent" in note for note in table.notes)
    assert any(note.startswith("weights: interval of a mean: 95 %, Student's t below n = 20") for note in table.notes)
    assert any(note.startswith("shared: interval of a mean: 95 %, over the teachers' means") for note in table.notes)
    few = named(drawing.results({WINNER: base, ABLATION: base}, teachers=4), "few")
    (table,) = build_across_studies([own, few]).tables
    assert table.column("verdict")[1] == "no verdict"
    assert (table.column("t_p")[1], table.column("holm_p")[1], table.column("flip_p")[1]) == (None, None, None)


def test_two_folds_of_teachers_are_kept_apart_in_the_order_of_folds() -> None:
    found = drawing.results(SCORES)
    teachers = [run for run in found.runs if run.configuration_id == TEACHER]
    assert [run.fold.number for run in teachers] == [0, 1, 2, 3, 4]
    assert all(run.fold.partition == 0 for run in teachers)
