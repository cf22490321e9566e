from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kdsearch.statistics import equal_variance_test


def test_by_hand() -> None:
    # Distances from the medians 2 and 3: (1, 0, 1) and (3, 0, 3), means 2/3 and 2, grand mean 4/3.
    # Between 3 (4/9 + 4/9) / 1 = 8/3; within (2/3 + 6) / 4 = 5/3; F = 1.6 on (1, 4).
    got = equal_variance_test([[1.0, 2.0, 3.0], [0.0, 3.0, 6.0]])
    assert (got.statistic, got.df) == (pytest.approx(1.6), (1, 4))
    assert got.sd == pytest.approx([1.0, 3.0])


def test_against_scipy() -> None:
    r = np.random.default_rng(0)
    samples = [list(r.normal(0, sd, n)) for sd, n in ((1, 8), (1, 5), (3, 12))]
    got, reference = equal_variance_test(samples), stats.levene(*samples, center="median")
    assert (got.statistic, got.p) == pytest.approx((reference.statistic, reference.pvalue))


def test_few_runs_take_no_part() -> None:
    samples = [[1.0, 2.0, 4.0], [0.0, 3.0, 7.0]]
    got = equal_variance_test([*samples, [1.0, 9.0], [5.0], []])
    assert (got.statistic, got.df) == (equal_variance_test(samples).statistic, (1, 4))
    assert np.isfinite(got.sd).tolist() == [True, True, True, False, False]
    # Two runs lie equally far from their median: scipy would call this proof.
    assert math.isnan(equal_variance_test([[0.0, 1.0], [0.0, 3.0]]).p)


def test_edges() -> None:
    for samples in ([], [[1.0]], [[0.7] * 3, [0.1] * 3]):
        assert math.isnan(equal_variance_test(samples).p)
    with pytest.raises(ValueError, match="value 0 is"):
        equal_variance_test([[math.nan, 1.0]])


def test_rejects_seldom_where_spreads_are_equal_and_finds_unequal_ones() -> None:
    r = np.random.default_rng(1)
    equal = [equal_variance_test(list(r.normal(size=(6, 10)))).p < 0.05 for _ in range(1_500)]
    assert 0.01 < np.mean(equal) < 0.05
    scale = np.array([[1.0], [1.0], [4.0]])
    assert np.mean([equal_variance_test(list(scale * r.normal(size=(3, 15)))).p < 0.05 for _ in range(200)]) > 0.9
