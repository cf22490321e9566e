"""The mean over groups: by hand, against statsmodels, and its coverage where queries of one video go together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from kdsearch.statistics import clustered_mean, mean_interval


def test_by_hand() -> None:
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
