"""The best configuration found without distillation: what a gain over it may claim, and what its search was given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kdsearch.ledger.records import StudyResults
from kdsearch.report import Answer, answer_of, build

from . import corners, drawing
from .corners import around, changed, distilling, underfunded, with_params
from .drawing import ABLATION, ALONE, BEST, PAPER, WINNER

FUNDED = (
    "The search without distillation had 6 runs over 4 configurations, the other 54 over 20: too few there can make "
    "distillation look useful."
)
ASKED = {"question": "best without"}


def found(results: StudyResults) -> Answer:
    answer = answer_of(results)
    assert answer is not None
    return answer


def against(best: list[float], itself: list[float] | None = None) -> StudyResults:
    """A winner of 0.72 against the best without distillation, and against itself."""
    scores = {WINNER: around(0.72), BEST: best, ABLATION: itself or around(0.70, start=3)}
    return drawing.results(scores, **ASKED)


@pytest.mark.parametrize(
    ("best", "sentence"),
    [
        (around(0.70, start=3), "The winner is better than {}: the difference is +0.0200 ["),
        (around(0.74, start=3), "The winner is worse than {}: the difference is -0.0200 ["),
        (around(0.7199, start=3), "The winner differs from {} by no more than 0.01: the difference is +0.0001 ["),
        ([0.5, 0.9] * 4, "The winner is not shown to be better than {}: the difference is +0.0"),
        ([0.71], "Whether the winner is better than {} is not known: the difference is +0.0"),
        (around(0.72), "The winner differs from {} by no more than 0.01: the two give equal test mAP on each of 8"),
    ],
)
def test_a_gain_over_another_setting_is_not_called_distillations(best: list[float], sentence: str) -> None:
    answer = found(against(best))
    name = "the best configuration that was found without distillation (w3)"
    assert answer.sentence.startswith(sentence.format(name))
    assert "Distillation" not in answer.sentence
    assert answer.comparison["winner_minus"] == name


def test_against_itself_it_is_distillations_whatever_was_asked() -> None:
    assert found(distilling(0.02)).sentence.startswith("Distillation helps: winner minus the same without")
    same = changed(distilling(0.02, **ASKED), ablation_id=BEST)
    assert found(same).sentence.startswith("Distillation helps: winner minus the same without distillation is")
    assert found(same).remarks == ()


def test_how_the_two_searches_were_funded_is_said_at_the_head_in_numbers() -> None:
    answer = found(underfunded())
    assert answer.remarks == (
        FUNDED,
        "At the winner's own numbers distillation makes no difference (+0.0000, equivalent).",
    )
    assert FUNDED not in build(underfunded()).notes, "once is enough"
    assert found(distilling(0.02, **ASKED)).remarks == (), "2 runs beside 6 are a third"


def test_runs_of_other_code_and_failed_ones_were_given_to_a_search_too() -> None:
    full = underfunded()
    own = [run for run in full.runs if run.pool == "search" and run.configuration_id == BEST]
    other = replace(own[0], code_hash="bbbb")
    failed = replace(own[1], state="failed", objective=None, score=None, scores={})
    lost = {other.id: other, failed.id: failed}
    assert found(replace(full, runs=tuple(lost.get(run.id, run) for run in full.runs))).remarks[0] == FUNDED


def test_a_second_comparison_with_an_underfunded_search_says_so_beside_it() -> None:
    full = underfunded(question="itself")
    assert not any("search without distillation had" in line for line in found(full).remarks)
    notes = build(full).notes
    second = next(index for index, note in enumerate(notes) if note.startswith("Second comparison"))
    assert notes[second + 1] == FUNDED
    assert FUNDED not in build(distilling(0.02)).notes


@pytest.mark.parametrize(
    ("itself", "said"),
    [
        (around(0.7199, start=3), "makes no difference beyond 0.01 (+0.0001, equivalent)"),
        (around(0.74, start=3), "hurts (-0.0200, worse)"),
        ([0.5, 0.93] * 4, "is not shown to make a difference (+0.0050, undecided)"),
        ([0.70], "is not shown to make a difference (+0.0240, no verdict)"),
    ],
)
def test_what_distillation_does_at_the_winners_own_numbers(itself: list[float], said: str) -> None:
    assert found(against(around(0.70, start=3), itself)).remarks[0] == (
        f"At the winner's own numbers distillation {said}."
    )


def above(results: StudyResults) -> list[str]:
    return [note for note in build(results).table("comparison").notes if "does without distillation too" in note]


def test_a_baseline_without_distillation_above_the_best_found_is_named_under_the_table() -> None:
    assert above(underfunded()) == [
        "student alone does without distillation too, and its mean over 8 common fresh seeds is 0.7000, above 0.6540 "
        "of the best without distillation (w3): the search without distillation may have missed what is better (means "
        "alone, no verdict)."
    ], "paper is above it too, but distils"
    (both,) = (above(with_params(underfunded(question="itself"), PAPER, alpha=0)),)
    assert [note.split(" does")[0] for note in both] == ["student alone", "paper"]
    assert above(distilling(0.02)) == []


def test_only_common_seeds_are_held_against_the_best_found() -> None:
    scores: dict[int, Any] = {WINNER: around(0.74), ABLATION: around(0.72), BEST: [0.6, 0.6, 0.9, 0.9, 0.9, 0.9]}
    (said,) = above(drawing.results({**scores, ALONE: [0.7, 0.7]}))
    assert "over 2 common fresh seeds is 0.7000, above 0.6000 of the best" in said
    assert above(drawing.results({**scores, ALONE: [0.5, 0.5]})) == []


def test_a_function_that_names_what_is_without_distillation_has_no_best_without() -> None:
    assert above(corners.named()) == []
