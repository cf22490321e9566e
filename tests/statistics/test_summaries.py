from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special, stats

from kdsearch.statistics import bca_interval, clustered_mean, expected_best, mean_interval, sd_interval, summarize
from kdsearch.statistics.summaries import resampled_means


def test_by_hand() -> None:
    # mean 0.72, sd 0.02; t[0.975, 2] = 4.302653, so half = 4.302653 * 0.02 / sqrt(3) = 0.049683.
    # chi2[0.975, 2] = 7.377759, chi2[0.025, 2] = 0.050636: sd from 0.02 sqrt(2/7.377759) to 0.02 sqrt(2/0.050636).
    got = summarize([0.70, 0.72, 0.74])
    assert got.n == 3
    assert (got.mean, got.sd) == pytest.approx((0.72, 0.02))
    assert (got.low, got.high) == pytest.approx((0.670317, 0.769683), abs=1e-6)
    assert (got.sd_low, got.sd_high) == pytest.approx((0.010413, 0.125695), abs=1e-6)
    assert got.maximum - got.minimum == pytest.approx(0.04)


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
    assert one.maximum == one.minimum
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


def test_clustered_by_hand() -> None:
    # Mean 3, residuals -2 0 | -1 | 3, sums by group -2, -1, 3: error^2 = 3/2 (4 + 1 + 9) / 16 = 1.3125.
    # t[0.975, 2] = 4.302653: half = 4.302653 * 1.1456439 = 4.929308.
    got = clustered_mean([1.0, 3.0, 2.0, 6.0], ["a", "a", "b", "c"])
    assert (got.n, got.groups, got.mean) == (4, 3, 3.0)
    assert got.error == pytest.approx(1.145644, abs=1e-6)
    assert (got.low, got.high) == pytest.approx((3 - 4.929308, 3 + 4.929308), abs=1e-6)


def test_against_statsmodels() -> None:
    r = np.random.default_rng(0)
    groups = r.integers(0, 13, 60)
    values = r.normal(size=60) + r.normal(size=13)[groups]
    fit = sm.OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    for confidence in (0.95, 0.8):
        got = clustered_mean(values, list(groups), confidence)
        assert (got.mean, got.error) == pytest.approx((fit.params[0], fit.bse[0]))
        assert (got.low, got.high) == pytest.approx(tuple(fit.conf_int(1 - confidence)[0]))


def test_groups_of_one_value_give_students_interval() -> None:
    values = [0.1, 0.4, 0.2, 0.9, 0.5]
    got = clustered_mean(values, range(5))
    low, high = mean_interval(np.mean(values), np.std(values, ddof=1), 5)
    assert (got.low, got.high) == pytest.approx((float(low), float(high)))


def test_coverage_where_values_of_a_group_go_together() -> None:
    r = np.random.default_rng(1)
    groups = list(np.repeat(np.arange(25), 4))
    hits = naive = 0
    for _ in range(2000):
        values = np.repeat(r.normal(size=25), 4) + 0.5 * r.normal(size=100)
        got = clustered_mean(values, groups)
        hits += got.low <= 0 <= got.high
        naive += abs(values.mean()) <= stats.t.ppf(0.975, 99) * values.std(ddof=1) / 10
    assert 0.935 < hits / 2000 < 0.965
    assert naive / 2000 < 0.75


def test_one_group_has_no_interval_and_lengths_must_agree() -> None:
    got = clustered_mean([0.1, 0.3], [7, 7])
    assert got.mean == pytest.approx(0.2)
    assert math.isnan(got.error)
    assert math.isnan(got.low)
    assert math.isnan(got.high)
    for values, groups in (([], []), ([0.1], [1, 2])):
        with pytest.raises(ValueError, match="one group a value"):
            clustered_mean(values, groups)
    with pytest.raises(ValueError, match="value 1 is nan"):
        clustered_mean([0.1, math.nan], [1, 2])


@pytest.mark.parametrize(("n", "confidence"), [(20, 0.95), (37, 0.9), (300, 0.95)])
def test_bca_against_scipy_on_the_same_resamples_also_drawn_in_parts(n: int, confidence: float) -> None:
    values = np.random.default_rng(n).exponential(size=n)
    reference = stats.bootstrap(
        (values,), np.mean, confidence_level=confidence, method="BCa", random_state=np.random.default_rng(0)
    ).confidence_interval
    assert bca_interval(values, confidence) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_bca_acceleration_by_hand() -> None:
    # d = -1, -1, -1, 3: sum d^3 = 24, sum d^2 = 12, a = 24 / (6 * 12^1.5) = 0.096225. Resampled means of 0, 0, 0, 4 are
    # the number of fours, binomial(4, 1/4): P(< 1) + P(= 1)/2 = 0.316406 + 0.210938 = 0.527344, z0 = 0.068594.
    # For z = -+1.959964: z0 + z = -1.891370 and 2.028558; Phi(0.068594 - 1.891370 / 1.181997) = Phi(-1.531555) =
    # 0.0628, Phi(0.068594 + 2.028558 / 0.804802) = Phi(2.589162) = 0.9952. Binomial quantiles there: 0 and 3 (P(<= 2) =
    # 0.9492, P(<= 3) = 0.9961).
    assert bca_interval([0.0, 0.0, 0.0, 4.0]) == pytest.approx((0.0, 3.0))
    means = resampled_means(np.array([0.0, 0.0, 0.0, 4.0]), 9_999, 0)
    share = (np.mean(means < 1) + np.mean(means <= 1)) / 2
    assert special.ndtri(share) == pytest.approx(0.0686, abs=0.02)


def test_bca_edges() -> None:
    assert bca_interval([0.25] * 30) == (0.25, 0.25)
    for bad in ([1.0], [1.0, math.nan], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="two or more finite"):
            bca_interval(bad)  # type: ignore[arg-type]


def test_a_summary_has_the_bootstrap_interval_from_twenty_values_on() -> None:
    values = np.random.default_rng(6).exponential(size=20)
    few, many = summarize(values[:19]), summarize(values)
    low, high = mean_interval(few.mean, few.sd, 19)
    assert (few.low, few.high) == (low, high)
    assert (many.low, many.high) == bca_interval(values)
    assert many.high - many.mean > many.mean - many.low  # skewed to the right, as the values


@pytest.mark.parametrize(("draw", "least"), [("normal", 0.91), ("exponential", 0.88)])
def test_bca_coverage_at_twenty(draw: str, least: float) -> None:
    r = np.random.default_rng(7)
    truth = 0.0 if draw == "normal" else 1.0
    bounds = np.array([bca_interval(getattr(r, draw)(size=20), resamples=999) for _ in range(1_000)])
    assert least < np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])) < 0.97


@pytest.mark.parametrize(("n", "expected"), [(2, 0.56), (5, 1.16), (10, 1.54), (20, 1.87), (50, 2.25), (100, 2.51)])
def test_expected_best(n: int, expected: float) -> None:
    assert expected_best(n) == pytest.approx(expected, abs=0.005)


def test_expected_best_exact_and_simulated() -> None:
    assert expected_best(1) == pytest.approx(0.0, abs=1e-12)
    assert expected_best(2) == pytest.approx(1 / math.sqrt(math.pi), abs=1e-10)
    assert expected_best(3) == pytest.approx(1.5 / math.sqrt(math.pi), abs=1e-10)
    draws = np.random.default_rng(0).normal(size=(20_000, 30)).max(axis=1)
    assert expected_best(30) == pytest.approx(draws.mean(), abs=0.02)
    with pytest.raises(ValueError, match="1 or more"):
        expected_best(0)
