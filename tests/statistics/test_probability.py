from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kdsearch.statistics import paired_probability, unpaired_probability


def test_paired_by_hand() -> None:
    # 5 wins of 5: low solves p^5 = 0.025, p = 0.025^(1/5) = 0.478176
    sure = paired_probability([2.0] * 5, [1.0] * 5)
    assert (sure.n, sure.value, sure.low, sure.high) == pytest.approx((5, 1.0, 0.478176, 1.0), abs=1e-6)
    assert not sure.significant
    six = paired_probability([2.0] * 6, [1.0] * 6)
    assert six.low == pytest.approx(0.025 ** (1 / 6))
    assert six.significant
    assert six.meaningful
    never = paired_probability([1.0], [2.0])
    assert (never.value, never.low, never.high) == pytest.approx((0.0, 0.0, 0.975))


def test_paired_against_scipy_and_a_tie_counts_half() -> None:
    a, b = np.arange(10.0), np.arange(10.0)
    a[:7] += 1
    a[7:] -= 1
    got, reference = paired_probability(a, b), stats.binomtest(7, 10).proportion_ci(method="exact")
    assert (got.value, got.low, got.high) == pytest.approx((0.7, reference.low, reference.high))
    tied = paired_probability([1.0, 1.0, 2.0, 0.0], [1.0, 1.0, 1.0, 1.0])
    assert tied.value == 0.5
    assert tied.low == pytest.approx(1 - tied.high)


def test_sure_but_small_is_not_meaningful() -> None:
    n = 400
    got = paired_probability(np.r_[np.ones(240), np.zeros(160)], np.full(n, 0.5))
    assert got.significant
    assert not got.meaningful


@pytest.mark.parametrize("n", [5, 10, 20])
def test_paired_coverage_counted_out_with_and_without_ties(n: int) -> None:
    rows = {}
    for score in range(2 * n + 1):
        a = np.r_[np.full(score // 2, 2.0), np.full(score % 2, 1.0), np.zeros(n - score // 2 - score % 2)]
        rows[score] = paired_probability(a, np.ones(n))
    outcomes = [(wins, ties) for wins in range(n + 1) for ties in range(n + 1 - wins)]
    bounds = np.array([(rows[2 * w + t].low, rows[2 * w + t].high) for w, t in outcomes])
    counts = np.array([(w, t, n - w - t) for w, t in outcomes])
    least = 1.0
    for win, tie in itertools.product(np.linspace(0.01, 0.99, 50), (0.0, 0.1, 0.3, 0.6)):
        if win + tie < 1:
            probability = stats.multinomial.pmf(counts, n, [win, tie, 1 - win - tie])
            truth = win + tie / 2
            least = min(least, float(probability @ ((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))))
    assert least >= 0.95


def test_unpaired_by_hand() -> None:
    # U = 8.5 of 9 pairs. At the lower bound theta, m = n = 3, h = 2, t[0.975, 2] = 4.302653:
    # (8.5/9 - theta)^2 = t^2 theta (1 - theta) (1 + 2 (1 - theta)/(2 - theta) + 2 theta/(1 + theta)) / 9.
    a, b = [3.0, 4.0, 5.0], [1.0, 2.0, 3.0]
    got = unpaired_probability(a, b)
    assert (got.n, got.value) == (3, pytest.approx(8.5 / 9))
    for theta in (got.low, got.high):
        inner = 1 + 2 * (1 - theta) / (2 - theta) + 2 * theta / (1 + theta)
        assert (8.5 / 9 - theta) ** 2 == pytest.approx(4.302653**2 * theta * (1 - theta) * inner / 9, rel=1e-5)
    assert got.low < got.value < got.high < 1


def test_unpaired_against_mann_whitney_and_turned_round() -> None:
    r = np.random.default_rng(0)
    a, b = r.integers(0, 6, 9).astype(float), r.integers(0, 6, 14).astype(float)
    got, turned = unpaired_probability(a, b), unpaired_probability(b, a)
    assert got.value == pytest.approx(stats.mannwhitneyu(a, b).statistic / (9 * 14))
    assert (got.low, got.high) == pytest.approx((1 - turned.high, 1 - turned.low))


def test_edges() -> None:
    apart = unpaired_probability([2.0, 3.0, 4.0, 5.0], [0.0, 0.1, 0.2, 1.0])
    assert (apart.value, apart.high) == (1.0, 1.0)
    assert 0 < apart.low < 1
    one = unpaired_probability([1.0], [0.0, 2.0])
    assert one.value == 0.5
    assert math.isnan(one.low)
    with pytest.raises(ValueError, match="aligned"):
        paired_probability([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="both sides"):
        unpaired_probability([], [1.0])


@pytest.mark.parametrize(("m", "n"), [(5, 5), (10, 10), (20, 20), (5, 20)])
@pytest.mark.parametrize("ratio", [1.0, 2.5])
@pytest.mark.parametrize("truth", [0.5, 0.75, 0.95])
def test_unpaired_coverage(m: int, n: int, ratio: float, truth: float) -> None:
    r = np.random.default_rng(int(100 * truth) + m)
    shift = stats.norm.ppf(truth) * math.hypot(1, ratio)
    covered = 0
    for a, b in zip(r.normal(shift, ratio, (1_000, m)), r.normal(0, 1, (1_000, n)), strict=True):
        got = unpaired_probability(a, b)
        covered += got.low <= truth <= got.high
    assert covered / 1_000 >= 0.93
