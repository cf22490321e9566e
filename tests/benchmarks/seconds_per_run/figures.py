"""Medians, ratios with bootstrap intervals, and whether two variants' scores come from one distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

_DRAWS = 10_000


def ratio_interval(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """Ratio of medians with its 95 % bootstrap interval; repetitions are drawn as pairs."""
    pairs = np.array([slow, fast])
    draws = np.random.default_rng(0).integers(0, pairs.shape[1], (_DRAWS, pairs.shape[1]))
    medians = np.median(pairs[:, draws], axis=2)
    low, high = np.percentile(medians[0] / medians[1], [2.5, 97.5])
    centre = np.median(pairs, axis=1)
    return float(centre[0] / centre[1]), float(low), float(high)


def compare_scores(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Difference of means with Welch's 90 % interval, and two one-sided tests against half a standard deviation.

    Equivalence at the 5 % level is what the 90 % interval inside the bounds means; an interval that reaches out is no
    proof of a difference, only of too few seeds.
    """
    result = stats.ttest_ind(ours, theirs, equal_var=False)
    interval = result.confidence_interval(0.90)
    difference = float(np.mean(ours) - np.mean(theirs))
    bound = 0.5 * float(np.sqrt((np.var(ours, ddof=1) + np.var(theirs, ddof=1)) / 2))
    if -bound < interval.low and interval.high < bound:
        verdict = "equivalent"
    elif interval.low > 0 or interval.high < 0:
        verdict = "NOT shown equivalent, and the interval leaves out 0"
    else:
        verdict = f"not shown equivalent with {len(ours)} seeds (no difference shown either)"
    return (
        f"difference {difference:+.4f}, 90 % interval {interval.low:+.4f} to {interval.high:+.4f}, "
        f"bounds +-{bound:.4f}: {verdict}"
    )
