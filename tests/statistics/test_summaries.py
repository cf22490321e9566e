from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kdsearch.statistics import mean_interval, sd_interval, summarize


def test_by_hand() -> None:
    # mean 0.72, sd 0.02; t[0.975, 2] = 4.302653, so half = 4.302653 * 0.02 / sqrt(3) = 0.049683.
    # chi2[0.975, 2] = 7.377759, chi2[0.025, 2] = 0.050636: sd from 0.02 sqrt(2/7.377759) to 0.02 sqrt(2/0.050636).
    got = summarize([0.70, 0.72, 0.74])
    assert got.n == 3
    assert (got.mean, got.sd) == pytest.approx((0.72, 0.02))
    assert (got.low, got.high) == pytest.approx((0.670317, 0.769683), abs=1e-6)
    assert (got.sd_low, got.sd_high) == pytest.approx((0.010413, 0.125695), abs=1e-6)
    assert got.range == pytest.approx(0.04)


def test_against_scipy() -> None:
    values = np.random.default_rng(1).normal(size=7)
    got = summarize(values)
    reference = stats.ttest_1samp(values, 0.0).confidence_interval()
    assert (got.low, got.high) == pytest.approx((reference.low, reference.high))
    bounds = np.sqrt(6 * values.var(ddof=1) / stats.chi2.ppf([0.975, 0.025], 6))
    assert (got.sd_low, got.sd_high) == pytest.approx(tuple(bounds))


def test_few_values() -> None:
    one = summarize([0.5])
    assert one.mean == 0.5
    assert one.range == 0.0
    assert all(math.isnan(value) for value in (one.sd, one.low, one.high, one.sd_low, one.sd_high))
    none = summarize([])
    assert none.n == 0
    assert math.isnan(none.mean)


def test_equal_values_have_no_width() -> None:
    got = summarize([0.25, 0.25])
    assert (got.sd, got.low, got.high, got.sd_high) == (0.0, 0.25, 0.25, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="value 1 is"):
        summarize([0.1, bad])


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_cover_what_they_say(n: int) -> None:
    values = np.random.default_rng(n).normal(0.7, 0.02, size=(20_000, n))
    mean, sd = values.mean(axis=1), values.std(axis=1, ddof=1)
    low, high = mean_interval(mean, sd, n)
    assert 0.93 < np.mean((low <= 0.7) & (high >= 0.7)) < 0.97
    low, high = sd_interval(sd, n)
    assert 0.93 < np.mean((low <= 0.02) & (high >= 0.02)) < 0.97


@pytest.mark.parametrize("values", [[0.1] * 3, [0.3, 0.1 + 0.2, 0.3], [0.1] * 23, [1e-20] * 3])
def test_rounding_is_no_spread(values: list[float]) -> None:
    got = summarize(values)
    assert (got.sd, got.sd_low, got.sd_high) == (0, 0, 0)
    assert min(values) <= got.mean <= max(values)
    assert got.low == pytest.approx(got.mean, rel=1e-12)
    assert summarize([1e-13, 2e-13]).sd == pytest.approx(1e-13 / math.sqrt(2))
