from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kdsearch.statistics import paired_difference, paired_probability, sign_flip_p, unpaired_difference


def test_paired_by_hand() -> None:
    # d = 0.01, 0.02, 0.03: mean 0.02, sd 0.01, error 0.0057735, half = 4.302653 * 0.0057735 = 0.024841
    got = paired_difference([0.70, 0.72, 0.74], [0.69, 0.70, 0.71])
    assert (got.n, got.mean, got.sd) == (3, pytest.approx(0.02), pytest.approx(0.01))
    assert (got.low, got.high) == pytest.approx((-0.004841, 0.044841), abs=1e-6)
    assert got.sign_flip_p is None
    assert got.correlation == pytest.approx(1.0)


def test_paired_against_scipy() -> None:
    r = np.random.default_rng(2)
    a, b = r.normal(0.3, 1, 9), r.normal(0, 1, 9)
    got, reference = paired_difference(a, b), stats.ttest_rel(a, b)
    assert got.p == pytest.approx(reference.pvalue)
    interval = reference.confidence_interval()
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high))
    assert got.interval(0.95) == pytest.approx((got.low, got.high))
    flips = stats.permutation_test((a - b,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert got.sign_flip_p == pytest.approx(flips.pvalue)
    assert got.correlation == pytest.approx(stats.pearsonr(a, b).statistic)


def test_sign_flips_by_enumeration_with_ties() -> None:
    d = np.array([0.1, 0.2, -0.1, 0.3, 0.0, 0.2])
    sums = [abs(float(np.dot(signs, d))) for signs in itertools.product((1, -1), repeat=6)]
    expected = sum(value >= 0.7 - 1e-9 for value in sums) / 64
    assert sign_flip_p(d) == pytest.approx(expected)
    assert sign_flip_p([1.0] * 6) == pytest.approx(2 / 64)
    assert sign_flip_p([0.0] * 6) == 1.0


def test_sign_flips_beyond_the_exact() -> None:
    d = np.random.default_rng(0).normal(0.3, 1, 60)
    reference = stats.ttest_1samp(d, 0).pvalue
    assert sign_flip_p(d) == pytest.approx(reference, abs=0.01)
    assert sign_flip_p(d) == sign_flip_p(d)


def test_one_pair_and_equal_pairs() -> None:
    one = paired_difference([0.7], [0.6])
    assert one.mean == pytest.approx(0.1)
    assert math.isnan(one.low)
    assert math.isnan(one.p)
    assert math.isnan(one.interval(0.9)[0])
    same = paired_difference([0.7, 0.8], [0.7, 0.8])
    assert (same.mean, same.sd) == (0.0, 0.0)
    assert all(math.isnan(value) for value in (same.p, same.low, same.high)), "equal to start with, and no certainty"
    shifted = paired_difference([0.7, 0.8, 0.9], [0.6, 0.7, 0.8])
    assert shifted.sd == 0.0
    assert math.isnan(shifted.p), "three equal differences of rounded scores are no certainty"
    six = paired_difference(np.linspace(0.5, 0.6, 6), np.linspace(0.4, 0.5, 6))
    assert (six.sd, six.p) == (0.0, pytest.approx(2 / 64)), "what sign flips say"
    small = paired_difference([1e-13, 2e-13, 3.5e-13], [0.0, 0.0, 0.0])
    assert small.sd == pytest.approx(1.2583e-13, rel=1e-4), "small numbers are not rounding"


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="aligned"):
        paired_difference([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="both sides"):
        unpaired_difference([], [1.0])


def test_welch_against_scipy() -> None:
    r = np.random.default_rng(3)
    a, b = r.normal(0, 1, 12), r.normal(0.5, 3, 5)
    got, reference = unpaired_difference(a, b), stats.ttest_ind(a, b, equal_var=False)
    interval = reference.confidence_interval()
    assert (got.p, got.df) == pytest.approx((reference.pvalue, reference.df))
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high))


def test_welch_by_hand() -> None:
    # variances 1 and 1, n = 3 each: error = sqrt(2/3), df = 4, t[0.975, 4] = 2.776445, half = 2.266958
    got = unpaired_difference([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert got.df == pytest.approx(4.0)
    assert (got.mean, got.low, got.high) == pytest.approx((-1.0, -3.266958, 1.266958), abs=1e-6)
    assert math.isnan(unpaired_difference([1.0], [2.0, 3.0]).low)
    equal = unpaired_difference([1.0, 1.0], [1.0, 1.0])
    assert (equal.mean, math.isnan(equal.p), math.isnan(equal.low)) == (0.0, True, True), "of two each nothing follows"
    assert unpaired_difference([1.0] * 6, [1.0] * 6).p == 1.0


def test_probability_by_hand() -> None:
    # 5 wins of 5: low solves p^5 = 0.025, p = 0.025^(1/5) = 0.478176
    sure = paired_probability([2.0] * 5, [1.0] * 5)
    assert (sure.n, sure.value, sure.low, sure.high) == pytest.approx((5, 1.0, 0.478176, 1.0), abs=1e-6)
    assert sure.low < 0.5
    six = paired_probability([2.0] * 6, [1.0] * 6)
    assert six.low == pytest.approx(0.025 ** (1 / 6))
    assert six.low > 0.5
    never = paired_probability([1.0], [2.0])
    assert (never.value, never.low, never.high) == pytest.approx((0.0, 0.0, 0.975))


def test_probability_against_scipy_and_a_tie_counts_half() -> None:
    a, b = np.arange(10.0), np.arange(10.0)
    a[:7] += 1
    a[7:] -= 1
    got, reference = paired_probability(a, b), stats.binomtest(7, 10).proportion_ci(method="exact")
    assert (got.value, got.low, got.high) == pytest.approx((0.7, reference.low, reference.high))
    tied = paired_probability([1.0, 1.0, 2.0, 0.0], [1.0, 1.0, 1.0, 1.0])
    assert tied.value == 0.5
    assert tied.low == pytest.approx(1 - tied.high)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_probability_coverage_counted_out_with_and_without_ties(n: int) -> None:
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


def test_probability_edges() -> None:
    with pytest.raises(ValueError, match="aligned"):
        paired_probability([1.0], [1.0, 2.0])
