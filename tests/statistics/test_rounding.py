"""Numbers of any size: significant digits in every sentence, none of noise."""

from __future__ import annotations

import pytest

from kdsearch.statistics.rounding import alone, fixed, spread_out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7234, "0.7234"),
        (1.23456e-6, "1.235e-06"),
        (-3e-5, "-3.000e-05"),
        (123456.789, "123457"),
        (1e9, "1.000e+09"),
        (1e160, "1.000e+160"),
        (1.7976e308, "1.798e+308"),
        (5e-324, "4.941e-324"),
        (0.0, "0.0000"),
        (float("nan"), "-"),
    ],
)
def test_a_number_alone_has_four_digits(value: float, text: str) -> None:
    assert alone(value) == text


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (0.71234, 0.0123, "0.7123 ± 0.0123"),
        (1e-6, 3e-8, "1.000e-06 ± 3.0e-08"),
        (-1e-6, 3e-8, "-1.000e-06 ± 3.0e-08"),
        (0.5, 0.00001, "0.500000 ± 0.000010"),
        (123456.0, 2500.0, "123500 ± 2500"),
        (1e160, 2e158, "1.000e+160 ± 2.0e+158"),
        (0.5, 0.0, "0.5000 ± 0.0000"),
    ],
)
def test_a_mean_has_the_digits_of_its_sd(mean: float, sd: float, text: str) -> None:
    assert spread_out(mean, sd) == text


def test_the_largest_numbers_can_be_rounded_up() -> None:
    assert fixed(1.7976931348623157e308, -308) == "2e+308"
