from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from kdsearch.ledger.records import ConfigurationRecord, EventRecord, StudyResults
from kdsearch.report import FORMATS, Estimate, build, render, runs_csv, runs_json
from kdsearch.report.selection import select
from kdsearch.report.units import MEAN_INTERVAL

from . import drawing
from .corners import around

Make = Callable[..., StudyResults]
WINNER, ABLATION = 10, 20


def estimate(cell: object) -> Estimate:
    assert isinstance(cell, Estimate)
    return cell


def test_comparison_by_hand(results: Make) -> None:
    table = build(results()).table("comparison")
    assert [row.label for row in table.rows] == [
        "winner (#10)",
        "winner without distillation",
        "student alone",
        "seed_1",
        "finalist #11",
    ]
    winner = estimate(table.column("score")[0])
    # 0.70, 0.72, 0.74: half = t[0.975, 2] * 0.02 / sqrt(3) = 0.049683
    assert (winner.value, winner.sd, winner.low) == pytest.approx((0.72, 0.02, 0.670317), abs=1e-6)
    primary = estimate(table.column("difference")[1])
    # differences 0.01, 0.02, 0.03; the first look spends 0.80 of 5 %: half = t[0.98, 2] * 0.01 / sqrt(3)
    # = 4.848732 * 0.0057735 = 0.027994
    assert (primary.value, primary.low, primary.high) == pytest.approx((0.02, -0.007994, 0.047994), abs=1e-6)
    assert table.column("verdict") == [None, "undecided", "better", "undecided", "context"]
    assert table.column("flip_p") == [None] * 5  # three pairs
    t_p, adjusted = table.column("t_p"), table.column("holm_p")
    # 0.09, 0.10, 0.10 against 0: t = 29 with 2 degrees of freedom, p = 0.0011869, at the first look p / 0.8
    assert t_p[2] == pytest.approx(0.0011869 / 0.8, rel=1e-4)
    assert isinstance(t_p[2], float)
    assert adjusted[2] == pytest.approx(2 * t_p[2])  # two baselines
    assert adjusted[1] is None  # the primary comparison is not adjusted
    assert [row.context for row in table.rows] == [False, False, False, False, True]


def test_probability_to_win_by_hand(results: Make) -> None:
    table = build(results()).table("comparison")
    # 3 wins of 3: at 96 % the lower bound solves p^3 = 0.02
    primary = estimate(table.column("probability")[1])
    assert (primary.value, primary.low, primary.high) == pytest.approx((1, 0.02 ** (1 / 3), 1))
    # 0.70, 0.72, 0.74 against 0.71, 0.72, 0.73: one lost, one tied, one won
    finalist = estimate(table.column("probability")[4])
    assert finalist.value == 0.5
    assert finalist.low == pytest.approx(1 - finalist.high)
    assert math.isnan(finalist.sd)
    assert (table.column("wins"), table.column("ties")) == ([None, 3, 3, 3, 1], [None, 0, 0, 0, 1])


def test_primary_sentence(results: Make) -> None:
    sentence = next(note for note in build(results()).notes if note.startswith("Primary"))
    assert sentence == (
        "Primary comparison: winner minus winner without distillation, test mAP on 3 common fresh seeds: +0.0200 "
        "[-0.0080, +0.0480] (96 % interval), "
        "undecided: not distinguishable from the winner without distillation; 3 seeds are too few to tell how many "
        "resolve 0.01."
    )


def test_a_margin_set_after_the_choice_makes_no_verdict(results: Make) -> None:
    found = results()
    chosen = EventRecord(found.study.created_at, "winner", "winner chosen: c1", data={"min_effect": 0.01})
    wide = replace(found.study, settings=found.study.settings.changed(min_effect=0.5))
    before = build(replace(found, events=(chosen,)))
    after = build(replace(found, events=(chosen,), study=wide))
    assert after.table("comparison").column("verdict") == before.table("comparison").column("verdict")
    assert "min_effect was 0.01 when the winner was chosen and is 0.5 now: verdicts go by what it was." in after.notes
    assert not any("min_effect was" in note for note in before.notes)


def test_undecided_baselines_are_named_with_the_seeds_they_take(results: Make) -> None:
    notes = build(results()).table("comparison").notes
    few = "seed_1: not distinguishable from the winner; 3 seeds are too few to tell how many resolve 0.01."
    assert few in notes
    wide = build(drawing.results({10: around(0.72, scale=8), 2: around(0.72, start=3)})).table("comparison").notes
    assert any(
        re.match(r"student alone: not distinguishable from the winner; to resolve 0.01, about [\d,]+ seeds", n)
        for n in wide
    )
    assert not any(note.startswith("student alone: not distinguishable") for note in notes)
    going = build(results("confirm")).table("comparison").notes
    assert not any("not distinguishable" in note for note in going)


def test_diverged_counts_at_chance_and_is_shown(results: Make) -> None:
    report = build(results())
    row = next(row for row in report.table("comparison").rows if row.label == "seed_1")
    assert row.note == "1/3 diverged"
    assert row.cells[0] == 3
    assert estimate(row.cells[1]).value == pytest.approx((0.65 + 0.05 + 0.67) / 3)
    for form in FORMATS:
        assert "1/3 diverged" in render(report, form)


def test_failed_runs_are_not_counted_but_said(results: Make) -> None:
    report = build(results())
    assert "1 run failed, not counted; see kdsearch logs 13." in report.notes
    assert estimate(report.table("inflation").column("search")[0]).n == 3
    assert "1 failed" in report.closing[0]


def test_inflation(results: Make) -> None:
    table = build(results()).table("inflation")
    # search 0.80, 0.78, 0.82 against fresh 0.75, 0.77, 0.79: 0.80 - 0.77, error sqrt(2 * 0.02^2 / 3), df 4
    got = estimate(table.column("inflation")[0])
    assert (got.value, got.low) == pytest.approx((0.03, 0.03 - 2.776445 * 0.0163299), abs=1e-6)
    gap = estimate(table.column("validation_minus_test")[0])
    assert (gap.value, gap.sd) == pytest.approx((0.05, 0.0), abs=1e-9)
    assert "Best raw search mean: 0.9900 (#12, n = 1)" in table.notes[1]
    assert "0.9900, +0.2200 against the winner's mean on fresh seeds" in table.notes[1]


def test_instability(results: Make) -> None:
    table = build(results()).table("instability")
    sd = estimate(table.column("sd")[0])
    assert (sd.value, sd.low, sd.high) == pytest.approx((0.02, 0.010413, 0.125695), abs=1e-6)
    row = {column.key: cell for column, cell in zip(table.columns, table.rows[0].cells, strict=True)}
    assert row["range"] == pytest.approx(0.04)
    assert (row["best_run"], row["mean_best_epoch"], row["best_run_best_epoch"]) == pytest.approx((0.74, 0.73, 0.75))
    # luck of the best of three: 0.02 * 0.8463
    assert "would have claimed 0.7400 (+0.0200)" in table.notes[1]
    assert "luck alone (sd x 0.85) gives +0.0169" in table.notes[1]


def test_preflight(results: Make) -> None:
    table = build(results()).table("preflight")
    assert estimate(table.column("gap")[0]).value == pytest.approx(0.2)
    assert table.notes[0].startswith("Verdict: fine")
    assert "Teacher used: run 1, 0.9100, the best of 3" in table.notes[1]
    flat = results()
    runs = tuple(replace(run, objective=0.71) if run.pool == "teacher" else run for run in flat.runs)
    table = build(replace(flat, runs=runs)).table("preflight")
    assert table.notes[0].startswith("Verdict: hardly a gap to distil")


def test_winner_parameters(results: Make) -> None:
    table = build(results()).table("winner")
    assert [row.label for row in table.rows] == ["alpha", "representation_weight", "epochs"]
    assert [column.title for column in table.columns] == [
        "winner (#10)",
        "winner without distillation",
        "student alone",
        "seed_1",
    ]
    assert table.rows[0].cells == (0.25, 0, 0, 0)
    assert table.rows[1].cells == (0.5, 0, 0, 0.001)
    assert not table.columns[1].optional, "no terminal is too narrow for it"
    assert table.rows[2].context
    assert "3 search seeds" in table.notes[0]
    assert "raw mean 0.8000 ± 0.0200" in table.notes[0]
    believed = next(row for row in select(results()).standings() if row.id == WINNER)
    assert f"estimate {believed.estimate:.4f} (posterior sd {believed.sd:.4f})" in table.notes[0]


def test_published(results: Make) -> None:
    table = build(results()).table("published")
    assert table.rows[-1].cells == (0.531, None, "one run")
    assert "no difference is computed" in table.notes[0]
    assert "synthetic data" in table.notes[1]


def test_a_grid_stands_beside_its_published_cells_and_fills_the_empty_ones(results: Make) -> None:
    run = results()
    baselines = [row.name for row in run.configurations.values() if row.kind == "baseline"]
    assert len(baselines) == 2
    figures = [{"label": name, "value": 0.5, "note": "one run"} for name in baselines]
    table = build(replace(run, study=replace(run.study, settings=run.study.settings.changed(published=figures))))
    rows = {row.label: row.cells for row in table.table("published").rows}
    for name in baselines:
        published, ours, note = rows[name]
        assert published == 0.5
        assert isinstance(ours, Estimate)
        assert note == f"one run; ours, n = {ours.n}"
    assert "cell" not in rows
    finalist = run.study.finalist_ids[1]
    more = {**run.configurations, finalist: replace(run.configurations[finalist], kind="baseline", name="cell")}
    grid = replace(run, configurations=more)
    filled = build(replace(grid, study=replace(run.study, settings=run.study.settings.changed(published=figures))))
    cells = next(row.cells for row in filled.table("published").rows if row.label == "cell")
    assert cells[0] is None
    assert isinstance(cells[1], Estimate)
    single = build(replace(run, study=replace(run.study, settings=run.study.settings.changed(published=figures[:1]))))
    assert baselines[1] not in {row.label for row in single.table("published").rows}, "one figure is no grid"


@pytest.mark.parametrize("phase", ["finished", "search"])
@pytest.mark.parametrize("form", FORMATS)
def test_synthetic_data_are_named_at_each_table_in_each_format(results: Make, phase: str, form: str) -> None:
    report = build(results(phase))
    assert all("synthetic data, not JHMDB" in table.caption for table in report.tables)
    text = " ".join(render(report, form).split())
    assert text.count("synthetic data, not JHMDB") >= len(report.tables)
    unnamed = build(results(phase, description="poses (a stand-in), split 1"))
    assert all(table.caption.startswith("synthetic data, not JHMDB") for table in unnamed.tables)


@pytest.mark.parametrize("phase", ["teacher", "search"])
def test_no_score_before_the_winner_is_chosen(results: Make, phase: str) -> None:
    run = results(phase)
    report = build(run)
    texts = [render(report, form) for form in FORMATS] + [runs_csv(run), runs_json(run)]
    for text in texts:
        assert not re.search(r"0\.3[2-4]\d*77|0\.338|0\.3277|0\.3477", text)
    assert not {"comparison", "instability", "inflation", "published"} & {table.key for table in report.tables}


def test_search_ranks_by_estimate_and_no_single_run(results: Make) -> None:
    report = build(results("search"))
    table = report.table("leading")
    assert [row.label for row in table.rows] == ["#10", "#11"]
    assert table.column("standing") == ["leads", "open"]
    believed = select(results("search")).standings()
    for cell, row in zip(table.column("estimate"), believed, strict=False):
        shown = estimate(cell)
        assert (shown.value, shown.sd) == (row.estimate, row.sd)
        assert shown.high - shown.low == pytest.approx(2 * 1.959964 * row.sd)
    assert (table.column("better")[0], table.column("better")[1]) == (None, believed[1].better)
    assert "1 configuration with n = 1: not ranked, one run says too little." in table.notes
    assert "Out: 0 of 2 configurations with two runs or more." in table.notes
    assert "not a result" in table.caption
    assert any("still runs (phase search): 6 of 20 search runs" in note for note in report.notes)


def test_single_runs_alone_rank_nobody(results: Make) -> None:
    full = results("search")
    runs = tuple(run for run in full.runs if run.pool != "search" or run.seed == 0)
    table = build(replace(full, runs=runs)).table("leading")
    assert table.rows == ()
    assert table.notes == ("3 configurations with n = 1: not ranked, one run says too little.",)


def test_a_configuration_far_behind_is_out(results: Make) -> None:
    full = results("search")
    near = build(full).table("leading")
    assert near.column("standing") == ["leads", "open"], "seeds overlap"
    runs = [replace(run, objective=0.5) if run.configuration_id == 11 else run for run in full.runs]
    again = [run for run in runs if run.pool == "search"]
    for copy in range(1, 4):
        runs += [replace(run, id=1000 * copy + run.id, seed=run.seed + 10 * copy) for run in again]
    table = build(replace(full, runs=tuple(runs))).table("leading")
    assert table.column("standing")[-1] == "out"
    out = sum(word == "out" for word in table.column("standing"))
    assert f"Out: {out} of {len(table.rows)} configurations with two runs or more." in table.notes
    assert table.column("standing")[0] == "leads"


def test_verdicts_stay_open_while_confirm_runs(results: Make) -> None:
    report = build(results("confirm"))
    table = report.table("comparison")
    assert table.column("verdict") == [None, "open", "open", "open", "context"]
    assert table.column("t_p") == [None] * 5
    assert any("no verdict before they end" in note for note in report.notes)


def test_one_confirm_seed_has_no_interval(results: Make) -> None:
    full = results()
    runs = tuple(run for run in full.runs if run.pool != "confirm" or run.seed == 2**31)
    report = build(replace(full, runs=runs))
    assert "(n = 1: no interval); no verdict: one seed does not tell how far others lie apart." in report.notes[1]
    for form in ("table", "md", "latex"):
        assert "n = 1: no interval" in render(report, form)


def test_code_hashes_are_not_mixed_unless_asked(results: Make) -> None:
    full = results()
    changed = tuple(
        replace(run, code_hash="bbbb", score=0.1) if run.pool == "confirm" and run.seed == 2**31 else run
        for run in full.runs
    )
    report = build(replace(full, runs=changed))
    assert report.table("comparison").column("n") == [2] * 5
    note = next(note for note in report.notes if "other code hashes" in note)
    assert (
        note == "Counted: runs of code aaaa. Left out: 5 ended runs of other code hashes; include them by --mix-code."
    )
    mixed = build(replace(full, runs=changed), mix_code=True)
    assert mixed.table("comparison").column("n") == [3] * 5
    assert any("2 code hashes are mixed" in note for note in mixed.notes)


def test_the_hash_with_most_confirm_runs_is_kept(results: Make) -> None:
    full = results()
    runs = tuple(replace(run, code_hash="bbbb") if run.pool == "confirm" else run for run in full.runs)
    report = build(replace(full, runs=runs))
    assert report.table("comparison").column("n") == [3] * 5
    assert report.table("winner").notes == ("No search run of the winner is among the runs that this report counts.",)


def test_winner_without_teacher_voids_the_primary_comparison(results: Make) -> None:
    full = results()
    configurations = dict(full.configurations)
    configurations[WINNER] = ConfigurationRecord(WINNER, "searched", "#10", {"alpha": 0, "representation_weight": 0.0})
    report = build(replace(full, configurations=configurations))
    void = "There is no primary comparison: the winner uses no teacher"
    assert any(note.startswith(void) for note in report.notes)
    assert "winner without distillation" not in [row.label for row in report.table("comparison").rows]
    same = build(replace(full, study=replace(full.study, ablation_id=WINNER)))
    assert any(note.startswith(void) for note in same.notes)


def test_task_without_teacher(results: Make) -> None:
    full = results()
    settings = full.study.settings.changed(teachers="none", teacher_parameters=[])
    report = build(replace(full, study=replace(full.study, settings=settings)))
    assert any("this task has no teacher" in note for note in report.notes)
    assert "no teacher" in report.table("comparison").caption


def test_task_without_test_part_compares_objectives_and_says_so(results: Make) -> None:
    full = results()
    runs = tuple(replace(run, score=None, scores={}) for run in full.runs)
    report = build(replace(full, runs=runs))
    table = report.table("comparison")
    assert estimate(table.column("score")[0]).value == pytest.approx(0.77)
    assert [column.title for column in table.columns][1] == "objective mAP"
    for shown in ("comparison", "instability", "published"):
        assert "this task has no test part: objective (mAP) on fresh seeds" in report.table(shown).caption
    assert "validation_minus_test" not in [column.key for column in report.table("inflation").columns]
    assert [column.key for column in report.table("instability").columns] == ["n", "sd", "range", "mean", "best_run"]
    for form in FORMATS:
        text = " ".join(render(report, form).split()).replace("this task has no test part", "")
        assert not re.search(r"validation|epoch on|best epoch|\btest (set|mAP|score)", text)
        assert "optimistic, never to be reported" in text


def test_a_bare_objective_is_not_named_twice(results: Make) -> None:
    full = results(metric="objective")
    report = build(replace(full, runs=tuple(replace(run, score=None, scores={}) for run in full.runs)))
    assert report.table("comparison").columns[1].title == "objective"
    assert "this task has no test part: objective on fresh seeds" in report.table("comparison").caption


def test_test_part_is_not_denied_by_diverged_or_absent_runs(results: Make) -> None:
    full = results()
    diverged = tuple(
        replace(run, state="diverged", objective=0.05, score=0.05) if run.pool == "confirm" else run
        for run in full.runs
    )
    assert "no test part" not in build(replace(full, runs=diverged)).table("comparison").caption
    waiting = replace(results("confirm"), runs=())
    assert "no test part" not in build(waiting).table("published").caption


def test_pairs_are_the_common_seeds(results: Make) -> None:
    full = results()
    gone = next(run for run in full.runs if run.configuration_id == ABLATION and run.seed == 2**31)
    runs = tuple(replace(run, state="failed") if run.id == gone.id else run for run in full.runs)
    table = build(replace(full, runs=runs)).table("comparison")
    assert table.column("pairs")[1] == 2
    assert estimate(table.column("difference")[1]).value == pytest.approx(0.025)


def test_nothing_yet(results: Make) -> None:
    empty = replace(results("search"), runs=(), configurations={})
    report = build(empty)
    assert report.tables == ()
    assert report.notes[-1] == "No search run has finished yet: nothing to show."
    for form in FORMATS:
        assert "nothing to show" in render(report, form)
    ended = build(replace(results("finished", winner_id=None), runs=()))
    assert any("ended without a winner" in note for note in ended.notes)
    waiting = replace(results("confirm"), runs=tuple(run for run in results("confirm").runs if run.pool != "confirm"))
    assert any("none of its confirm runs has ended" in note for note in build(waiting).notes)


def test_other_data_is_said(results: Make) -> None:
    full = results()
    runs = tuple(replace(run, data_hash="other") if run.id == 1 else run for run in full.runs)
    assert any("1 run read other data" in note for note in build(replace(full, runs=runs)).notes)


@pytest.mark.parametrize(
    ("phase", "keys"),
    [("search", {"preflight", "leading"}), ("finished", {"preflight", "comparison", "inflation", "published"})],
)
def test_every_table_with_means_says_what_their_interval_is(results: Make, phase: str, keys: set[str]) -> None:
    tables = [table for table in build(results(phase)).tables if any(c.kind == "estimate" for c in table.columns)]
    assert {table.key for table in tables} == keys
    assert all(MEAN_INTERVAL in table.notes for table in tables)
