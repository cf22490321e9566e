from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from kdsearch.statistics import paired_probability


def test_paired_by_hand() -> None:
    # 5 wins of 5: low solves p^5 = 0.025, p = 0.025^(1/5) = 0.478176
    sure = paired_probability([2.0] * 5, [1.0] * 5)
    assert (sure.n, sure.value, sure.low, sure.high) == pytest.approx((5, 1.0, 0.478176, 1.0), abs=1e-6)
    assert not sure.significant
    six = paired_probability([2.0] * 6, [1.0] * 6)
    assert six.low == pytest.approx(0.025 ** (1 / 6))
    assert six.significant
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


def test_edges() -> None:
    with pytest.raises(ValueError, match="aligned"):
        paired_probability([1.0], [1.0, 2.0])
