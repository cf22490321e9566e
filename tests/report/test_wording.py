"""How many decimals numbers have: two significant digits of their spread, whatever their size."""

from __future__ import annotations

import math

import pytest

from kdsearch.report import Column, Estimate, Row, Table
from kdsearch.report.selection import select
from kdsearch.report.wording import decimals, fixed, two_digits

from .corners import around, distilling, function
from .drawing import ALONE, WINNER


@pytest.mark.parametrize(
    ("spread", "digits"),
    [(0.033, 3), (0.0033, 4), (0.2, 2), (2.1, 1), (21.0, 0), (3700.0, -2), (3.7e-9, 10), (0.0996, 2), (0.0994, 3)],
)
def test_two_digits_of_the_spread(spread: float, digits: int) -> None:
    assert two_digits(spread) == digits


@pytest.mark.parametrize(
    ("spreads", "values", "digits"),
    [
        ([0.02, 0.03], [0.72, 0.70], 4),
        ([0.00012], [0.72], 5),
        ([2.1], [72.0], 2),
        ([0.002], [72.0], 4),
        ([210.0], [1200.0], -1),
        ([3700.0], [2e6], -2),
        ([3.7e-9, math.nan], [2e-6], 10),
        ([], [0.72], 4),
        ([0.0], [2e-6], 9),
        ([], [2e6], 0),
        ([], [], 4),
        ([], [math.nan, 0.0], 4),
    ],
)
def test_usual_metrics_keep_four_decimals_and_others_follow_the_spread(
    spreads: list[float], values: list[float], digits: int
) -> None:
    assert decimals(spreads, values) == digits


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.72449, 3, "0.724"),
        (1234567.0, -2, "1234600"),
        (2.0049e-6, 10, "2.0049e-06"),
        (3.7e-9, 10, "3.7e-09"),
        (0.0, 10, "0"),
        (-4e-12, 10, "0"),
        (0.72, 10, "0.720000000"),
        (1.23456e12, -8, "1.2346e+12"),
        (0.00004, 4, "0.0000"),
    ],
)
def test_tiny_and_huge_numbers_have_an_exponent_and_end_at_the_same_place(value: float, digits: int, text: str) -> None:
    assert fixed(value, digits) == text
    assert fixed(value, digits, signed=True) == f"+{text}"


def test_a_table_counts_its_spreads_and_not_its_probabilities() -> None:
    columns = (Column("a", "a", "estimate"), Column("p", "p", "probability"), Column("sd", "sd", "interval"))
    tiny = Table("t", "t", "c", columns, (Row("r", (Estimate(2e-6, sd=3.7e-9), Estimate(0.5), Estimate(3.7e-9))),))
    assert tiny.decimals == 10
    alone = Table("t", "t", "c", columns[2:], (Row("r", (Estimate(0.0372),)),))
    assert alone.decimals == 4


def test_sentences_have_the_digits_of_the_results() -> None:
    assert select(distilling(0.02)).digits == 4
    huge = function({WINNER: around(2e6, scale=1e6), ALONE: around(1.99e6, scale=1e6, start=3)})
    assert select(huge).digits == -2
    same = function({WINNER: [2e-6] * 4, ALONE: [1.5e-6] * 4})
    assert select(same).digits == 9
