"""The gain on validation against the gain on test, seed by seed."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from kdsearch.ledger.records import StudyResults
from kdsearch.report import Estimate, answer_of, build
from kdsearch.report.comparisons import compare
from kdsearch.report.sections.transfer import transfer
from kdsearch.report.selection import select

from .. import corners, drawing
from ..drawing import ABLATION, ALONE, WINNER

TEST = {WINNER: [0.70, 0.72, 0.71, 0.69, 0.70, 0.72], ABLATION: [0.71, 0.72, 0.73, 0.71, 0.71, 0.72]}
VALIDATION = {WINNER: [0.80, 0.81, 0.80, 0.82, 0.80, 0.81], ABLATION: [0.77, 0.79, 0.76, 0.79, 0.78, 0.78]}


def study(**settings: object) -> StudyResults:
    return drawing.results({**TEST, ALONE: [0.6] * 6}, objectives=VALIDATION, **settings)  # type: ignore[arg-type]


def by_hand(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Mean and interval of the paired difference, as a first look has it: 96 %."""
    gains = [one - two for one, two in zip(first, second, strict=True)]
    mean, n = sum(gains) / len(gains), len(gains)
    half = float(stats.t.ppf(0.98, n - 1)) * stats.tstd(gains) / math.sqrt(n)
    return mean, mean - half, mean + half


def test_both_gains_and_their_difference_by_hand() -> None:
    selection = select(study())
    found = transfer(selection, compare(selection), ABLATION)
    assert found is not None
    gaps = {id_: [one - two for one, two in zip(VALIDATION[id_], TEST[id_], strict=True)] for id_ in TEST}
    for part, sides in zip(found.parts, (VALIDATION, TEST, gaps), strict=True):
        assert (part.mean, part.low, part.high) == pytest.approx(by_hand(sides[WINNER], sides[ABLATION]))
    # validation gains 0.03, 0.02, 0.04, 0.03, 0.02, 0.03; test gains -0.01, 0, -0.02, -0.02, -0.01, 0
    assert (found.validation.mean, found.test.mean) == pytest.approx((0.17 / 6, -0.01))
    assert found.excess.mean == pytest.approx(0.17 / 6 + 0.01)
    assert found.differs
    row = compare(selection).rows[ABLATION].difference
    assert (found.test.low, found.test.high) == (row.low, row.high), "one difference has one interval in a report"


def test_it_is_a_table_and_stands_in_the_first_lines_where_it_is_shown() -> None:
    report = build(study())
    table = report.table("transfer")
    assert [row.label for row in table.rows] == [
        "on validation: new seeds, same train list", "on test: new seeds, new data", "validation minus test",
    ]  # fmt: skip
    cells = table.column(f"gain_{ABLATION}")
    assert isinstance(cells[2], Estimate)
    assert cells[2].value == pytest.approx(0.17 / 6 + 0.01)
    assert report.answer is not None
    assert report.answer.remarks[-1].startswith(
        "Against the same without distillation the winner is ahead on validation by 0.028, behind on test by 0.010 "
        "(validation minus test +0.038 [+0.0"
    )
    assert report.answer.remarks[-1].endswith("]): the choice fits the validation clips, not new ones.")
    assert not any("Here no such difference" in note for note in table.notes)
    quiet = build(corners.distilling(0.02))
    assert quiet.answer is not None
    assert quiet.answer.remarks == ()
    assert quiet.table("transfer").notes[-1].endswith("Here no such difference is shown.")


@pytest.mark.parametrize(
    ("validation", "test", "words"),
    [
        (0.03, 0.01, "ahead on validation by 0.030, ahead on test by 0.010 (validation minus test +0.020 ["),
        (-0.01, -0.04, "behind on validation by 0.010, behind on test by 0.040 (validation minus test +0.030 ["),
        (0.01, 0.04, "ahead on validation by 0.010, ahead on test by 0.040 (validation minus test -0.030 ["),
        (0.03, 0.0, "ahead on validation by 0.030, level on test (validation minus test +0.030 ["),
    ],
)
def test_what_it_means_follows_from_both(validation: float, test: float, words: str) -> None:
    noise = corners.around(0.0, scale=2)
    scores = {WINNER: [0.72 + test + one for one in noise], ABLATION: [0.72] * 8, ALONE: corners.around(0.7)}
    objectives = {WINNER: [0.8 + validation - one for one in noise], ABLATION: [0.8] * 8}
    answer = answer_of(drawing.results(scores, objectives=objectives))
    assert answer is not None
    said = answer.remarks[-1]
    assert f"the winner is {words}" in said
    meaning = {
        (0.03, 0.01): "part of the gain belongs to the validation clips, not to new ones.",
        (-0.01, -0.04): "new data show a larger loss than validation does.",
        (0.01, 0.04): "validation understates the gain.",
        (0.03, 0.0): "part of the gain belongs to the validation clips, not to new ones.",
    }
    assert said.endswith(meaning[validation, test])


def test_few_teachers_claim_nothing() -> None:
    found = drawing.results({**TEST, ALONE: [0.6] * 6}, objectives=VALIDATION, teachers=3)
    selection = select(found)
    gain = transfer(selection, compare(selection), ABLATION)
    assert gain is not None
    assert (gain.test.n, math.isnan(gain.excess.low), gain.differs) == (3, True, False)
    caption = build(found).table("transfer").caption
    assert caption.endswith("n = teachers in common.")


def test_without_a_test_part_or_a_common_seed_there_is_none() -> None:
    bare = select(corners.without_scores(study()))
    assert transfer(bare, compare(bare), ABLATION) is None
    lost = select(drawing.results({WINNER: TEST[WINNER], ALONE: [0.6] * 6}))
    assert transfer(lost, compare(lost), ABLATION) is None
    keys = [table.key for table in build(corners.without_scores(study())).tables]
    assert "transfer" not in keys
