"""Two comparisons without distillation: which is the primary one, how both are judged; and rows with fewer seeds."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from scipy import stats

from kdsearch.ledger.records import EventRecord, StudyResults
from kdsearch.report import Estimate, Table, build, render
from kdsearch.report.comparisons import looks_of_row
from kdsearch.report.selection import select
from kdsearch.statistics import look_level, look_p

from . import drawing
from .drawing import ABLATION, ALONE, BEST, PAPER, SECOND, WINNER

BASE = [0.70, 0.71, 0.69, 0.72, 0.70, 0.71, 0.73, 0.70]
ITSELF = [0.010, 0.014, 0.006, 0.012, 0.009, 0.011, 0.013, 0.005]
"""Gains over itself without distillation, over the best without it, and over the baselines."""
BEST_GAINS = [0.014, 0.020, -0.012, 0.006, 0.003, 0.015, 0.017, 0.001]
ALONE_GAINS = [0.010, -0.004, 0.006, 0.001]
PAPER_GAINS = [0.050, 0.061, 0.055, 0.052]
SCORES = {
    WINNER: BASE,
    ABLATION: [score - gain for score, gain in zip(BASE, ITSELF, strict=True)],
    BEST: [score - gain for score, gain in zip(BASE, BEST_GAINS, strict=True)],
    ALONE: [score - gain for score, gain in zip(BASE, ALONE_GAINS, strict=False)],
    PAPER: [score - gain for score, gain in zip(BASE, PAPER_GAINS, strict=False)],
    SECOND: BASE[:4],
}
CONFIRM = {"seeds": 8, "finalists": 1, "others": 4}


def study(**settings: Any) -> StudyResults:
    return drawing.results(SCORES, confirm=CONFIRM, **settings)


def cell(table: Table, key: str, row: int) -> Estimate:
    found = table.column(key)[row]
    assert isinstance(found, Estimate)
    return found


def sentences(found: StudyResults) -> list[str]:
    return [note for note in build(found).notes if note.startswith(("Primary", "Second", "The study file", "There is"))]


def p_of(gains: list[float]) -> float:
    """The t test as a first look has it."""
    return look_p(float(stats.ttest_1samp(gains, 0).pvalue), (len(gains),))


def test_itself_is_the_primary_comparison_unless_the_file_asks_otherwise() -> None:
    table = build(study()).table("comparison")
    assert [row.label for row in table.rows] == [
        "winner (c4)",
        "winner without distillation",
        "best without distillation (w3)",
        "student alone",
        "paper",
        "finalist c5",
    ]
    asked = build(study(question="best without")).table("comparison")
    assert [row.label for row in asked.rows][1:3] == ["best without distillation (w3)", "winner without distillation"]
    assert table.column("n") == asked.column("n") == [8, 8, 8, 4, 4, 4]


@pytest.mark.parametrize(
    ("question", "primary", "second"), [("itself", ITSELF, BEST_GAINS), ("best without", BEST_GAINS, ITSELF)]
)
def test_the_primary_stands_alone_and_the_second_is_in_the_family(
    question: str, primary: list[float], second: list[float]
) -> None:
    table = build(study(question=question)).table("comparison")
    t_p, holm = table.column("t_p"), table.column("holm_p")
    assert t_p[1] == pytest.approx(p_of(primary))
    assert holm[1] is None
    own = [p_of(second), p_of(ALONE_GAINS), p_of(PAPER_GAINS)]
    assert t_p[2:5] == pytest.approx(own)
    order = sorted(range(3), key=own.__getitem__)
    adjusted, largest = [0.0] * 3, 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (3 - rank) * own[index]))
        adjusted[index] = largest
    assert holm[2:5] == pytest.approx(adjusted)
    label = "best without distillation (w3)" if question == "itself" else "winner without distillation"
    assert any(
        note
        == f"Holm p: t test, adjusted over {label} and the baselines together, the primary comparison stands alone. "
        "flip p: exact test of sign flips, from 6 pairs on, which unlike t and the looks does not take differences for "
        "normal."
        for note in table.notes
    )


def test_both_are_said_in_words() -> None:
    first, second = sentences(study())
    half = stats.t.ppf(0.98, 7) * stats.tstd(ITSELF) / 8**0.5
    mean = sum(ITSELF) / 8
    assert first == (
        "Primary comparison (the study file's question: itself): winner minus winner without distillation, test mAP on "
        f"8 common fresh seeds: +{mean:.4f} [+{mean - half:.4f}, +{mean + half:.4f}] (96 % interval), better."
    )
    assert second.startswith(
        "Second comparison: winner minus best configuration without distillation (w3), test mAP on 8 common fresh "
        "seeds: "
        "+0.0080 ["
    )
    holm = 2 * p_of(BEST_GAINS)  # the smallest but one of three p values
    assert p_of(PAPER_GAINS) < p_of(BEST_GAINS) < p_of(ALONE_GAINS)
    assert (
        f"(96 % interval), undecided (Holm p {holm:.3f}): not distinguishable from the best configuration without "
        "distillation (w3); to resolve 0.01, about "
    ) in second
    asked = sentences(study(question="best without"))
    assert asked[0].startswith(
        "Primary comparison (the study file's question: best without): winner minus best configuration without"
    )
    assert (
        "(96 % interval), undecided: not distinguishable from the best configuration without distillation (w3); to"
        in asked[0]
    )
    assert asked[1].startswith("Second comparison: winner minus winner without distillation, test mAP on 8 common")
    assert asked[1].endswith("(96 % interval), better (Holm p <0.001).")
    close = {**SCORES, BEST: [score - 0.001 * (index % 3) for index, score in enumerate(BASE)]}
    near = sentences(drawing.results(close, confirm=CONFIRM))
    assert near[1].endswith("(96 % interval), equivalent within min_effect 0.01.")


def test_a_second_comparison_is_open_while_confirm_runs_go_on() -> None:
    going = study(phase="confirm")
    table = build(going).table("comparison")
    assert table.column("verdict") == [None, "open", "open", "open", "open", "context"]
    assert all(said.endswith("no verdict before they end.") for said in sentences(going))
    few = drawing.results({WINNER: BASE}, phase="confirm", confirm=CONFIRM)
    assert sentences(few) == [
        "Primary comparison (the study file's question: itself): winner against winner without distillation: no common "
        "fresh seed has ended yet.",
        "Second comparison: winner against best configuration without distillation (w3): no common fresh seed has "
        "ended yet.",
    ]


def test_a_winner_that_uses_no_teacher() -> None:
    idle = study()
    rows = dict(idle.configurations)
    rows[WINNER] = replace(rows[WINNER], params={**rows[WINNER].params, "alpha": 0})
    idle = replace(idle, configurations=rows)
    (void,) = sentences(idle)
    assert void.startswith("There is no primary comparison: the winner uses no teacher")
    settings = idle.study.settings.changed(question="best without")
    asked = drawing.without(idle, settings=settings)
    assert sentences(asked) == [void], "neither side distils: a difference would say nothing of distillation"
    assert [row.label for row in build(asked).table("comparison").rows][:2] == ["winner (c4)", "student alone"]
    # The best configuration of both searches may be one and the same.
    same = drawing.without(asked, best_without_id=WINNER)
    (void,) = sentences(same)
    assert void.startswith("There is no primary comparison: the winner uses no teacher")
    assert "w3, the numbers of the winner, was chosen in the same way" in build(same).table("winner").notes[-1]


def test_the_ablation_may_be_the_best_without_distillation() -> None:
    found = drawing.without(study(), ablation_id=BEST)
    table = build(found).table("comparison")
    label = "winner without distillation (= w3, the best without it)"
    assert [row.label for row in table.rows][:3] == ["winner (c4)", label, "student alone"]
    (said,) = sentences(found)
    assert f"winner minus {label}, test mAP on 8 common fresh seeds" in said


def test_where_there_is_no_best_without_the_winner_without_stands_for_it() -> None:
    missing = drawing.without(study(question="best without"), best_without_id=None)
    first, why = sentences(missing)
    assert first.startswith("Primary comparison (the study file's question: best without): winner minus winner without")
    assert why == (
        "The study file asks for the best without distillation; no configuration of the search without "
        "distillation has "
        "two runs that ended well."
    )
    space = {"alpha": missing.study.settings.space_json["alpha"]}
    empty = drawing.without(missing, settings=missing.study.settings.changed(space=space, dimensions=["alpha"]))
    assert sentences(empty)[1] == (
        "The study file asks for the best without distillation; without distillation this space has no number left to "
        "search, so that it is the winner without it."
    )


def test_a_missing_primary_is_an_alarm() -> None:
    lost = drawing.results({WINNER: BASE, ABLATION: BASE}, question="best without")
    assert build(lost).notes[0] == (
        "No result of the primary comparison: the ledger holds no confirm run of the best without distillation (w3) "
        "that ended."
    )


def test_how_the_best_without_was_chosen_is_said_and_its_numbers_stand_beside_the_winners() -> None:
    table = build(study()).table("winner")
    assert [column.title for column in table.columns][:3] == [
        "winner (c4)",
        "winner without distillation",
        "best without distillation (w3)",
    ]
    patience = next(row for row in table.rows if row.label == "patience")
    assert patience.cells[:3] == (6, 6, 8)
    assert table.notes[-1] == (
        "w3 was chosen in the same way among 2 configurations without distillation, on 2 search seeds: estimate 0.7110 "
        "(posterior sd 0.0040)."
    )
    inflation = build(study()).table("inflation")
    assert [row.label for row in inflation.rows][2] == "best without distillation (w3)"
    assert inflation.rows[2].note == "n = 2, 8"


def test_the_bias_of_the_gain() -> None:
    # Validation minus test: 0.03 of the winner's runs, then 0.01 less each; 0.02 of the others'.
    objectives = {WINNER: [score + 0.03 - 0.001 * index for index, score in enumerate(BASE)]}
    found = drawing.results(SCORES, confirm=CONFIRM, objectives=objectives)
    gaps = [0.01 - 0.001 * index for index in range(8)]
    half = stats.t.ppf(0.98, 7) * stats.tstd(gaps) / 8**0.5  # as the comparison's first look has it
    mean = sum(gaps) / 8
    table = build(found).table("transfer")
    bias = cell(table, f"gain_{ABLATION}", 2)
    assert (bias.value, bias.low, bias.high) == pytest.approx((mean, mean - half, mean + half))
    assert table.rows[2].label == "validation minus test"
    assert "; intervals over student seeds, partitions and teachers; " in table.caption
    assert (
        "Search seeds share 5 folds of one partition and one teacher a fold: their interval is of these alone, that of "
        "fresh seeds is over others too."
    ) in build(found).table("inflation").notes
    one = build(study(teachers="one", folds=1, vary="initialisation+order")).table("inflation").notes
    assert not any(note.startswith("Search seeds share") for note in one)
    part = build(study(folds=1)).table("inflation").notes
    assert any(note.startswith("Search seeds share one split and one teacher: their") for note in part)
    given = build(study(teachers="given", vary="initialisation+order+split")).table("inflation").notes
    assert any(note.startswith("Search seeds share 5 folds of one partition: their interval") for note in given)
    held = build(study(vary="initialisation+order+teacher")).table("inflation").notes
    assert any(note.startswith("Search seeds share the search's teachers: their interval") for note in held)


def test_rows_with_fewer_seeds_are_paired_and_judged_on_their_own() -> None:
    table = build(study()).table("comparison")
    alone = cell(table, "difference", 3)
    half = stats.t.ppf(0.98, 3) * stats.tstd(ALONE_GAINS) / 2
    mean = sum(ALONE_GAINS) / 4
    assert (alone.value, alone.low, alone.high, alone.n) == pytest.approx((mean, mean - half, mean + half, 4))
    assert alone.confidence is None, "a first look has 96 % at any number of seeds"
    assert (
        "Rows differ in n: baselines and finalists have the first 4 of the confirm seeds. Each difference is paired "
        "over the seeds that row and winner have in common, and tested by their number."
    ) in table.notes
    alike = drawing.results({id_: values[:4] for id_, values in SCORES.items()}, confirm={**CONFIRM, "others": None})
    assert not any(note.startswith("Rows differ in n") for note in build(alike).table("comparison").notes)


def extended(others_later: bool = False) -> StudyResults:
    """First 4 seeds for all, looked at after two hours; then 8 for the primary pair, and perhaps for the baselines."""
    pair = [1.0] * 4 + [5.0] * 4
    hours = dict.fromkeys((WINNER, ABLATION, BEST), pair)
    scores = dict(SCORES)
    if others_later:
        scores[ALONE] = [score - gain for score, gain in zip(BASE, [*ALONE_GAINS, 0.002, 0.003], strict=False)]
        hours[ALONE] = [1.0] * 4 + [5.0] * 2
    events = (drawing.look(4, 2.0), drawing.look(8, 6.0))
    return drawing.results(scores, hours=hours, events=events, confirm=CONFIRM)


def test_looks_are_counted_row_by_row() -> None:
    selection = select(extended())
    seeds = [2**30 + index for index in range(8)]
    assert looks_of_row(selection, ABLATION, seeds) == (4, 8)
    assert looks_of_row(selection, ALONE, seeds[:4]) == (4,), "nothing new, no look"
    assert looks_of_row(select(extended(others_later=True)), ALONE, seeds[:6]) == (4, 6)
    assert looks_of_row(selection, ALONE, seeds[:1]) == ()
    # An extension says when the tables could be read before, by its time.
    said = "confirm seeds extended from 8 to 12 after confirm runs were ordered"
    event = EventRecord(drawing.look(0, 2.0).at, "changed", said)
    assert looks_of_row(replace(selection, events=(event,)), ABLATION, seeds) == (4, 8)
    untimed = tuple(replace(run, finished_at=None) for run in selection.runs)
    assert looks_of_row(replace(selection, runs=untimed), ABLATION, seeds) == (8,)


@pytest.mark.slow
def test_rows_that_were_not_looked_at_again_keep_their_interval_and_say_so() -> None:
    found = extended()
    report = build(found)
    table = report.table("comparison")
    twice = 1 - look_level((4, 8))
    assert next(column for column in table.columns if column.key == "difference").confidence == twice
    alone, primary = cell(table, "difference", 3), cell(table, "difference", 1)
    assert (primary.confidence, alone.confidence) == (None, pytest.approx(0.96))
    once = cell(build(study()).table("comparison"), "difference", 3)
    assert (alone.low, alone.high) == pytest.approx((once.low, once.high)), "as before the extension"
    assert table.column("t_p")[3] == pytest.approx(p_of(ALONE_GAINS))
    assert table.column("t_p")[1] == pytest.approx(look_p(float(stats.ttest_1samp(ITSELF, 0).pvalue), (4, 8)))
    assert cell(table, "probability", 3).confidence == pytest.approx(0.96)
    assert ("Looks of their own: student alone, paper and finalist c5, at 4 seeds, intervals 96 %.") in table.notes
    shown = f"[{alone.low:+.4f}, {alone.high:+.4f}] 96 %"
    for form in ("table", "md"):
        assert shown in render(report, form)
    written = rf"[\num{{{alone.low:+.4f}}}, \num{{{alone.high:+.4f}}}] \num{{96}} \%"
    assert written in render(report, "latex")
    cells = {row["label"]: row["cells"] for row in json.loads(render(build(found), "json"))["tables"][0]["rows"]}
    assert cells["student alone"]["difference"]["confidence"] == pytest.approx(0.96)
    assert "confidence" not in cells["winner without distillation"]["difference"]
    lines = list(csv.DictReader(StringIO(render(build(found), "csv"))))
    own = [line["confidence"] for line in lines if (line["row"], line["column"]) == ("paper", "difference")]
    assert own == [f"{1 - look_level((4,)):.6g}"]
    later = build(extended(others_later=True)).table("comparison")
    assert any(
        note.startswith("Looks of their own: student alone, at 4 and 6 seeds, intervals") for note in later.notes
    )


def test_a_lost_pair_is_said() -> None:
    message = "teacher run 17 is diverged: fresh seed 3 has no pair, for a fresh seed's teacher is not replaced"
    event = EventRecord(drawing.CHOSEN_AT, "pair lost", message, data={"teacher": 17, "seeds": [3]})
    found = drawing.results(SCORES, confirm=CONFIRM, events=[event, event])
    last = max(found.runs, key=lambda run: run.id)
    failed = replace(last, state="failed", needs=17, score=None, objective=None)
    lost = replace(found, runs=(*(run for run in found.runs if run is not last), failed))
    assert build(lost).notes.count(f"T{message[1:]}.") == 1
    assert f"T{message[1:]}." not in build(found).notes, "a retry has mended it"


def test_few_equal_differences_have_no_interval() -> None:
    scores = {WINNER: [0.72, 0.73, 0.74], ABLATION: [0.70, 0.71, 0.72], BEST: [0.70, 0.72, 0.71]}
    report = build(drawing.results(scores))
    table = report.table("comparison")
    assert render(report, "md").count("equal differences: no interval") == 1
    assert (
        "Fewer than 6 differences that are all equal do not tell how far others lie apart: no interval and no verdict."
    ) in table.notes
    assert table.column("verdict")[1] == "no verdict"
