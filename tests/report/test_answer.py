"""The answer of a finished study: its sentence, its remarks, where it stands in each format."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from scipy import stats

from kdsearch.ledger.records import EventRecord, RunRecord, StudyResults
from kdsearch.report import Answer, answer_of, build, render, render_answer
from kdsearch.report.finding import DISTILLATION, OTHER
from kdsearch.statistics import look_p

from . import corners
from .corners import around, changed, distilling, function, with_params
from .drawing import ALONE, CHOSEN_AT, PAPER, WINNER

Make = Callable[..., StudyResults]


def found(results: StudyResults) -> Answer:
    answer = answer_of(results)
    assert answer is not None
    return answer


def test_the_sentence_by_hand() -> None:
    answer = found(distilling(0.02))
    # sd of the differences: the noise of both sides, which are three places apart
    gains = [one - two for one, two in zip(around(0.74), [a + b for a, b in zip(around(0.72), around(0, 8, 1, 3),
             strict=True)], strict=True)]  # fmt: skip
    half = float(stats.t.ppf(0.98, 7)) * stats.tstd(gains) / math.sqrt(8)
    assert answer.sentence == (
        f"Distillation helps: winner minus the same without distillation is +0.0200 [+{0.02 - half:.4f}, "
        f"+{0.02 + half:.4f}] test mAP over 8 fresh seeds (96 % interval)."
    )
    assert answer.verdict == "better"
    assert answer.comparison["difference"] == pytest.approx(0.02)
    assert answer.comparison["low"] == pytest.approx(0.02 - half)
    assert (answer.comparison["seeds"], answer.comparison["confidence"]) == (8, pytest.approx(0.96))
    assert answer.numbers == "Winner c4: alpha=0.25, patience=6."
    assert answer.remarks == ()


def test_each_verdict_has_its_claim() -> None:
    claims = {
        "better": ("helps", "Distillation helps: "),
        "worse": ("hurts", "Distillation hurts: "),
        "equivalent": ("no difference", "Distillation makes no difference beyond 0.01: "),
        "undecided": ("not shown", "Distillation is not shown to help: "),
        "no verdict": ("one seed", "Whether distillation helps is not known: "),
    }
    assert claims.keys() == DISTILLATION.keys() == OTHER.keys()
    for verdict, (corner, claim) in claims.items():
        answer = found(corners.CORNERS[corner]())
        assert answer.verdict == verdict
        assert answer.sentence.startswith(claim)


def test_digits_follow_the_spread_of_the_differences() -> None:
    wide = found(distilling(0.001, scale=8)).sentence
    # sd of the differences 0.0286: two significant digits are three decimals
    assert "is +0.001 [-0.025, +0.027] test mAP" in wide
    assert "(96 % interval; undecided: to resolve 0.01, about 114 seeds in all)" in wide


def test_a_function_is_compared_with_its_first_baseline_and_the_file_can_name_more() -> None:
    answer = found(function({WINNER: around(0.72), ALONE: around(0.70, start=3), PAPER: around(0.719, start=2)}))
    assert answer.sentence.startswith("The winner is better than student alone: the difference is +0.0200 [+0.0")
    assert answer.remarks == (
        "The study file does not say what its function is without distillation. To compare the winner with itself "
        'without it, name that in the study: kd.Study(..., without={"alpha": 0}).',
    )
    named = found(corners.named())
    assert named.sentence.startswith("Distillation helps: winner minus the same without distillation is +0.0200 [")
    assert named.remarks == ()
    alone = found(corners.CORNERS["a function by itself"]())
    assert alone.sentence == (
        "The winner's objective (no test part) is 0.7200 [0.7169, 0.7231] over 8 fresh seeds (mean, 95 % interval). "
        "There is nothing to compare it with."
    )
    assert (alone.verdict, dict(alone.comparison)) == ("no verdict", {})


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (
            [around(0.70, start=1), around(0.72, start=4)],
            "The winner is worse than student alone: the difference is -0",
        ),
        ([[0.7, 0.9] * 4, [0.9, 0.71] * 4], "The winner is not shown to be better than student alone: the diff"),
        (
            [[0.7] * 3, [0.6] * 3],
            "Whether the winner is better than student alone is not known: the difference is +0.1",
        ),
        (
            [around(0.7), around(0.7)],
            "The winner differs from student alone by no more than 0.01: the two give equal o",
        ),
    ],
)
def test_claims_about_a_baseline(scores: list[list[float]], sentence: str) -> None:
    assert found(function({WINNER: scores[0], ALONE: scores[1]})).sentence.startswith(sentence)


def test_a_task_of_kdsearch_without_a_teacher_is_told_nothing_of_functions() -> None:
    plain = function({WINNER: around(0.72), ALONE: around(0.70, start=3)})
    own = changed(plain, identity={**plain.study.identity, "task": {"task": "mutual_learning"}})
    assert found(own).remarks == ()


def test_sign_flips_are_said_where_they_do_not_agree() -> None:
    assert found(corners.skewed()).remarks == (
        "The exact test of sign flips, which does not take differences for normal, finds a difference (p = 0.010).",
    )
    tied = found(corners.CORNERS["ties"]())
    assert tied.verdict == "better"
    # differences 0, 0.1, 0, 0.1 ...: of 2^8 signs 2 * 2^4 give as large a sum; the first look divides by 0.8
    assert tied.remarks[0] == (
        "The exact test of sign flips, which does not take differences for normal, finds no difference "
        f"(p = {2 * 2**4 / 2**8 / 0.8:.3f})."
    )
    assert not any("sign flips" in line for line in found(distilling(0.02)).remarks)


def test_few_seeds_that_agree_are_not_held_against_the_verdict() -> None:
    """All differences have one sign, so that no test of signs has a smaller p: 2 / 2^7, adjusted for a second look."""
    six = found(function({WINNER: around(0.72, 6), ALONE: around(0.70, 6, start=3)}))
    assert not any("sign flips" in line for line in six.remarks), "2 / 64 / 0.8 is below 0.05"
    extended = function({WINNER: around(0.72, 7), ALONE: around(0.70, 7, start=3)})
    last = max(run.seed for run in extended.runs if run.pool == "confirm")
    look = EventRecord(CHOSEN_AT + timedelta(1), "look", "look", data={"seeds": 6})
    runs = [replace(run, finished_at=CHOSEN_AT + timedelta(2 * (run.seed == last))) for run in extended.runs]
    looked = replace(extended, runs=tuple(runs), events=(*extended.events, look))
    (said,) = [line for line in found(looked).remarks if "sign flips" in line]
    assert "can find no difference in 7 fresh seeds: all have the same sign, and p is" in said
    assert f"p is {look_p(2 / 2**7, (6, 7)):.3f} at the least" in said


def test_a_baseline_that_beats_the_winner_is_said_whatever_the_study_asks() -> None:
    results = distilling(0.02)
    lost = replace(results, runs=tuple(_raised(run) for run in results.runs))
    answer = found(lost)
    assert answer.sentence.startswith("Distillation helps: ")
    (said,) = [line for line in answer.remarks if "is worse than" in line]
    assert said.startswith("The winner is worse than student alone: the difference is -0.0")
    assert not any("is worse than" in line for line in found(results).remarks)


def _raised(run: RunRecord) -> RunRecord:
    if run.configuration_id != ALONE or run.score is None:
        return run
    return replace(run, score=run.score + 0.1, scores={name: value + 0.1 for name, value in run.scores.items()})


def test_a_margin_larger_than_all_values_is_said() -> None:
    tiny = found(corners.CORNERS["tiny values"]())
    assert tiny.verdict == "equivalent"
    assert any(line.startswith("min_effect, 0.01, is larger than all of these values") for line in tiny.remarks)
    assert not any("min_effect" in line for line in found(distilling(0.0005, scale=0.3)).remarks)


def test_no_number_of_seeds_resolves_what_is_far_below_the_noise() -> None:
    huge = function({WINNER: around(2e6, scale=1e6), ALONE: around(2e6, scale=1e6, start=3)})
    assert (
        "undecided: no number of seeds that anyone runs resolves 0.01, the study's min_effect" in found(huge).sentence
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {},
            "Averages over student seeds, new validation splits of the train list and newly trained teachers; other "
            "test clips are not covered.",
        ),
        (
            {"teachers": "one", "folds": 1, "vary": "initialisation+order"},
            "Averages over student seeds; held: the split and the teacher; other test clips are not covered.",
        ),
        (
            {"vary": "nothing"},
            "Averages over runs of one seed; held: initialisation and order, the split and the teacher; other test "
            "clips are not covered.",
        ),
    ],
)
def test_what_it_averages_over(settings: dict[str, Any], expected: str) -> None:
    assert found(distilling(0.02, **settings)).average == expected


def test_a_study_of_version_1_answers_in_its_own_words(results: Make) -> None:
    answer = found(results())
    # differences 0.01, 0.02, 0.03, as in the comparison by hand
    assert answer.sentence == (
        "Distillation is not shown to help: winner minus the same without distillation is +0.020 [-0.008, +0.048] test "
        "mAP over 3 fresh seeds (96 % interval; undecided: 3 seeds are too few to tell how many resolve 0.01). "
        "Measured on synthetic data, not JHMDB."
    )
    assert answer.average == ("Averages over student seeds with one teacher for all; other test data are not covered.")
    identity = {**results().study.identity, "task": {"task": "toy", "data": {"validation": 0.2}}}
    assert "with one teacher for all; epochs and teacher chosen on validation, one split; other test" in (
        found(changed(results(), identity=identity)).average
    )


@pytest.mark.parametrize("phase", ["teacher", "search", "confirm"])
def test_there_is_no_answer_before_the_end(results: Make, phase: str) -> None:
    assert answer_of(results(phase)) is None
    assert build(results(phase)).answer is None
    assert json.loads(render(build(results(phase)), "json"))["answer"] is None
    assert "Distillation" not in render(build(results(phase)), "table")


def test_a_winner_without_results_has_no_answer_but_an_alarm() -> None:
    report = build(corners.CORNERS["a winner without results"]())
    assert report.answer is None
    assert report.notes[0].startswith("No result: every confirm run of the winner failed")


def test_a_comparison_without_results_says_what_the_winner_reaches() -> None:
    assert found(corners.CORNERS["a comparison without results"]()).sentence == (
        "Whether distillation helps is not known: no fresh seed ended well both with and without it. The winner's test "
        "mAP is 0.7400 [0.7369, 0.7431] over 8 fresh seeds (mean, 95 % interval)."
    )


def test_a_winner_that_does_without_distillation() -> None:
    answer = found(with_params(distilling(0.02), WINNER, alpha=0))
    assert answer.sentence.startswith(
        "The search found no use for distillation: the configuration that it chose does without. The winner's "
        "test mAP is 0.7"
    )
    one = found(with_params(distilling(0.02, n=1), WINNER, alpha=0)).sentence
    assert one.endswith("The winner's test mAP is 0.7440 on one fresh seed, which has no interval.")
    same = function({WINNER: [0.8] * 8}, baselines=False)
    assert found(same).sentence.startswith("The winner's objective (no test part) is 0.8000 on each of 8 fresh seeds.")
    gone = found(changed(distilling(0.02), ablation_id=None, best_without_id=None)).sentence
    assert gone.startswith(
        "Whether distillation helps is not known: the ledger holds no winner without distillation. T"
    )


def test_the_terminal_begins_and_ends_on_the_answer() -> None:
    full = changed(distilling(0.02), source_file="/nowhere/weights.py")
    answer = found(full)
    lines = render(build(full), "table", width=100).splitlines()
    text = " ".join(lines)
    assert lines[1].startswith("Distillation helps: winner minus")
    assert text.count(answer.sentence) == 2
    assert text.endswith(f"{answer.sentence} {answer.numbers} To train it: {answer.train}")
    cost = next(index for index, line in enumerate(lines) if line.startswith("Runs: "))
    assert lines.index("Comparison on confirm seeds") < cost < len(lines) - 3
    assert f"To train it: {answer.train}" in lines, "a command stays on one line, however long"
    narrow = [line for line in render(build(full), "table", width=80).splitlines() if "kdsearch train" not in line]
    assert max(map(len, narrow)) <= 80


def test_the_terminals_end_repeats_what_is_to_be_read_with_the_verdict() -> None:
    answer = found(corners.overfitted())
    (remark,) = answer.remarks
    assert answer.short == [answer.sentence, remark, answer.numbers]
    text = " ".join(render(build(corners.overfitted()), "table").split())
    assert text.endswith(f"{answer.sentence} {remark} {answer.numbers}")
    alarmed = corners.CORNERS["many diverged"]()
    assert " ".join(render(build(alarmed), "table").split()).endswith(
        f"{found(alarmed).sentence} Alarms stand at the head. {found(alarmed).numbers}"
    )
    assert "Alarms stand at the head." not in found(alarmed).lines
    for form in ("md", "csv", "json", "latex"):
        assert "Alarms stand" not in render(build(alarmed), form), "only a terminal ends on the answer"


def test_other_formats_have_it_once_at_the_head() -> None:
    full = changed(corners.at_edges(), source_file="/nowhere/weights.py")
    report, answer = build(full), found(full)
    markdown = render(report, "md").split("\n\n")
    assert markdown[1].startswith("**Distillation helps: winner minus")
    assert render(report, "md").count("Distillation helps") == 1
    assert f"- To train it: `{answer.train}`" in markdown[2].splitlines()
    latex = render(report, "latex").splitlines()
    assert latex[1] == f"% {answer.sentence}"
    assert sum("Distillation helps" in line for line in latex) == 1
    rows = list(csv.DictReader(StringIO(render(report, "csv"))))
    assert [row["text"] for row in rows if row["column"] == "answer"] == answer.lines
    assert rows[0]["text"] == answer.sentence
    document = json.loads(render(report, "json"))["answer"]
    assert document["sentence"] == answer.sentence
    assert document["parameters"] == {"alpha": 0.985, "patience": 10}
    assert document["train"] == answer.train
    assert document["comparison"]["difference"] == pytest.approx(0.02)
    assert document["edges"][1] == {
        "whose": "winner c4", "parameter": "patience", "value": 10, "side": "upper", "bound": 10,
    }  # fmt: skip
    one = json.loads(render(build(distilling(0.02, n=1)), "json"))["answer"]["comparison"]
    assert (one["low"], one["n"]) == (None, 1)


def test_the_answer_by_itself_has_a_line_a_sentence() -> None:
    text = render_answer(found(corners.at_edges()), width=300)
    assert text.splitlines() == found(corners.at_edges()).lines


def test_the_data_stand_once_in_words_and_short_at_each_table() -> None:
    full = distilling(0.02)
    report = build(full)
    whole = "JHMDB poses, 609 clips of 14 of 21 classes, official split 1: 433 train (database), 176 test (query)"
    for form in ("table", "md", "latex"):
        assert " ".join(render(report, form).split()).count("609 clips of 14 of 21 classes") == 1
    assert f"{whole}." in report.notes
    assert all(table.caption.startswith("JHMDB poses; ") for table in report.tables)
    assert json.loads(render(report, "json"))["data"] == whole


def test_the_pre_flight_is_not_the_last_table() -> None:
    keys = [table.key for table in build(distilling(0.02)).tables]
    assert keys == ["comparison", "winner", "inflation", "transfer", "preflight", "instability"]
