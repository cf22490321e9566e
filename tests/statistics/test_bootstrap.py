from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from kdsearch.statistics import bca_interval, mean_interval, summarize
from kdsearch.statistics.bootstrap import resampled_means


@pytest.mark.parametrize(("n", "confidence"), [(20, 0.95), (37, 0.9)])
def test_against_scipy_on_the_same_resamples(n: int, confidence: float) -> None:
    values = np.random.default_rng(n).exponential(size=n)
    reference = stats.bootstrap(
        (values,), np.mean, confidence_level=confidence, method="BCa", random_state=np.random.default_rng(0)
    ).confidence_interval
    assert bca_interval(values, confidence) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_acceleration_by_hand() -> None:
    # d = -1, -1, -1, 3: sum d^3 = 24, sum d^2 = 12, a = 24 / (6 * 12^1.5) = 0.096225. Resampled means of 0, 0, 0, 4 are
    # the number of fours, binomial(4, 1/4): P(< 1) + P(= 1)/2 = 0.316406 + 0.210938 = 0.527344, z0 = 0.068594.
    # For z = -+1.959964: z0 + z = -1.891370 and 2.028558; Phi(0.068594 - 1.891370 / 1.181997) = Phi(-1.531555) =
    # 0.0628, Phi(0.068594 + 2.028558 / 0.804802) = Phi(2.589162) = 0.9952. Binomial quantiles there: 0 and 3 (P(<= 2) =
    # 0.9492, P(<= 3) = 0.9961).
    assert bca_interval([0.0, 0.0, 0.0, 4.0]) == pytest.approx((0.0, 3.0))
    means = resampled_means(np.array([0.0, 0.0, 0.0, 4.0]), 9_999, 0)
    share = (np.mean(means < 1) + np.mean(means <= 1)) / 2
    assert special.ndtri(share) == pytest.approx(0.0686, abs=0.02)


def test_the_same_values_give_the_same_interval_in_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).normal(size=25)
    whole = bca_interval(values)
    assert bca_interval(values) == whole
    monkeypatch.setattr("kdsearch.statistics.bootstrap.AT_ONCE", 1_000)
    assert bca_interval(values) == whole


def test_edges() -> None:
    assert bca_interval([0.25] * 30) == (0.25, 0.25)
    for bad in ([1.0], [1.0, math.nan], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="two or more finite"):
            bca_interval(bad)  # type: ignore[arg-type]


def test_a_summary_says_which_interval_it_holds() -> None:
    values = np.random.default_rng(6).exponential(size=20)
    few, many = summarize(values[:19]), summarize(values)
    assert (few.method, many.method, summarize([1.0]).method) == ("t", "BCa", None)
    low, high = mean_interval(few.mean, few.sd, 19)
    assert (few.low, few.high) == (low, high)
    assert (many.low, many.high) == bca_interval(values)
    assert many.high - many.mean > many.mean - many.low  # skewed to the right, as the values


@pytest.mark.parametrize(("draw", "least"), [("normal", 0.91), ("exponential", 0.88)])
def test_coverage_at_twenty(draw: str, least: float) -> None:
    r = np.random.default_rng(7)
    truth = 0.0 if draw == "normal" else 1.0
    bounds = np.array([bca_interval(getattr(r, draw)(size=20), resamples=999) for _ in range(1_000)])
    assert least < np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])) < 0.97
