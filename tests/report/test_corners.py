"""Every corner's report: it is built, reads as sentences, and says what its corner is about. Read them by ``-s``."""

from __future__ import annotations

import math
import re

import pytest

from kdsearch.report import FORMATS, Estimate, Report, build, render

from .corners import CORNERS

SAYS = {
    "helps": "Distillation helps: winner minus the same without distillation is +0.0200 [",
    "hurts": "Distillation hurts: winner minus the same without distillation is -0.0300 [",
    "not shown": "undecided: to resolve 0.01, about 114 seeds in all).",
    "no difference": "Distillation makes no difference beyond 0.01: ",
    "more seeds would not help": (
        "(96 % interval; undecided: 8 seeds find a true difference of 0.01 with power 0.8, so it may well be smaller)."
    ),
    "one seed": (
        "is +0.0230 test mAP over 1 fresh seed (no interval and no verdict: one seed does not tell how far others lie "
        "apart)."
    ),
    "two seeds": "(96 % interval; undecided: 2 seeds are too few to tell how many resolve 0.01).",
    "equal differences, few": (
        "Whether distillation helps is not known: winner minus the same without distillation is +0.1000 test mAP on "
        "each of 4 fresh seeds (no interval and no verdict: fewer than 6 differences that are all equal do not tell "
        "how far others lie apart)."
    ),
    "equal differences, enough": (
        "Distillation helps: winner minus the same without distillation is +0.1000 test mAP on each of 8 fresh seeds."
    ),
    "no difference at all, few": (
        "Whether distillation helps is not known: the two give equal test mAP on each of 4 fresh seeds (no interval "
        "and no verdict: fewer than 6 differences that are all equal do not tell how far others lie apart)."
    ),
    "no difference at all, enough": (
        "Distillation makes no difference beyond 0.01: the two give equal test mAP on each of 8 fresh seeds."
    ),
    "four teachers": (
        "over 8 fresh seeds of 4 teachers (96 % interval; no verdict: seeds that share a teacher count once, and 4 "
        "teachers of the 6 that are needed say too little of others)."
    ),
    "the winner does without": "The search found no use for distillation: the configuration that it chose does "
    "without.",
    "best without asked for": (
        "The winner is better than the best configuration that was found without distillation (w3): the "
        "difference is +0.01"
    ),
    "best without asked for and hardly searched": (
        "The search without distillation had 6 runs over 4 configurations, the other 54 over 20: too few there "
        "can make dis"
    ),
    "validation promises more": "ahead on validation by 0.030, behind on test by 0.014 (validation minus test +0.044 [",
    "far from normal": "The exact test of sign flips, which does not take differences for normal, finds a difference (",
    "at the edges": "At an edge of the space, winner c4: alpha 0.985, near its upper edge 1, patience at its upper ed",
    "many diverged": (
        "Many runs diverged: 2 of 8 fresh runs of the winner (c4). They count at chance level (0.05), so that a mean "
        "is of two kinds of runs, and its interval is rough."
    ),
    "many search runs diverged": (
        "Many runs diverged: 1 of 8 fresh runs of student alone and 4 of 8 search runs. They count at chance level"
    ),
    "epochs chosen on test": (
        "The test part was read for a choice: each score stands at the run's best epoch on test, as this study asks "
        "for, and is optimistic."
    ),
    "no gap": (
        "The pre-flight found hardly a gap to distil: teacher minus student alone is -0.0280 [-0.0480, -0.0090] "
        "validation mAP. Without a better teacher there is little to gain."
    ),
    "no gap, one teacher": (
        "The pre-flight found hardly a gap to distil: teacher minus student alone is -0.0280 validation mAP. Without a "
        "better"
    ),
    "a function and its first baseline": "The winner is better than student alone: the difference is +0.0200 [",
    "a function by itself": (
        "Estimand: the mean, over seeds, of the objective of the winner. Held: all that does not follow from the seed."
    ),
    "a function that ignores its seed": (
        "All 8 fresh seeds of the winner (c4) and all 8 fresh seeds of student alone give the same value: is the seed "
        "used?"
    ),
    "ties": "finds no difference (p = 0.156).",
    "tiny values": "the difference is +1.00e-08 [+3.7e-09, +1.63e-08] objective (no test part) over 8 fresh seeds (",
    "huge values": "the difference is +10000 [+3700, +16300] objective (no test part) over 8 fresh seeds (96 % interv",
    "tiny and equal": "the difference is +5.00e-07 objective (no test part) on each of 4 fresh seeds (no interval and",
    "one seed of a function": "Whether the winner is better than student alone is not known: the difference is +0.0200",
    "a function that is named without distillation": "of the winner minus itself with alpha = 0.1 and all else equal.",
    "an interval beyond the range": (
        "The intervals of the means of the winner (c4) and the winner without distillation reach beyond 0 to 1, where "
        "mAP lies, and are cut there: the runs are too few, or of two kinds."
    ),
    "one arm that did not end well": (
        "Second comparison: winner against best configuration without distillation (w3): no common fresh seed "
        "ended well."
    ),
    "no test part": "the same without distillation is +0.0200 [+0.0167, +0.0233] mAP (no test part) over 8 fresh seed",
    "a winner without results": "No result: every confirm run of the winner failed; see kdsearch logs",
    "a comparison without results": "Whether distillation helps is not known: no fresh seed ended well both with and w",
}
"""What only this corner has to say."""


def sentences(report: Report) -> list[str]:
    answer = [] if report.answer is None else report.answer.lines
    tables = [text for table in report.tables for text in (table.caption, *table.notes)]
    return [*answer, *report.notes, *tables, *report.closing]


def test_each_corner_has_its_words() -> None:
    assert SAYS.keys() == CORNERS.keys()


@pytest.mark.parametrize("name", CORNERS)
def test_a_corner_says_what_it_is_about_and_reads_as_sentences(name: str) -> None:
    report = build(CORNERS[name]())
    said = sentences(report)
    print(f"\n##### {name}", *said, sep="\n")
    assert any(SAYS[name] in sentence for sentence in said)
    for sentence in said:
        assert not re.search(r"\bnan\b|\binf\b|None|  |\( |\[-,|,,|\.\.$", sentence), sentence
        assert sentence.endswith((".", "?")) or "kdsearch " in sentence, sentence
        assert sentence.count("(") == sentence.count(")"), sentence
    assert len(said) - len(set(said)) <= len(report.tables), "only what a table says of its means is said again"


@pytest.mark.parametrize("name", CORNERS)
def test_no_table_of_a_corner_shows_an_interval_without_width_or_beyond_the_range(name: str) -> None:
    found = CORNERS[name]()
    report = build(found)
    for form in FORMATS:
        assert not re.search(r"\bnan\b|\binf\b", render(report, form))
    for table in report.tables:
        for column in table.columns:
            for cell in table.column(column.key):
                if not isinstance(cell, Estimate) or column.kind not in ("estimate", "difference"):
                    continue
                if cell.n < 6:
                    assert cell.low < cell.high or math.isnan(cell.low)
                if found.study.metric == "mAP":
                    assert not cell.low < (-1 if column.kind == "difference" else 0)
                    assert not cell.high > 1


def test_other_corners_do_not_borrow_an_alarm() -> None:
    alarms = ("Many runs diverged", "is the seed used", "The test part was read", "The pre-flight found", "cut there")
    said = sentences(build(CORNERS["helps"]()))
    assert not any(alarm in sentence for alarm in alarms for sentence in said)
