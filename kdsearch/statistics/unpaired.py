"""Two means from different seeds: Welch's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdsearch.statistics.differences import Difference
from kdsearch.statistics.differences import judged
from kdsearch.statistics.summaries import Floats
from kdsearch.statistics.summaries import values_of


def unpaired_difference(
    a: Sequence[float] | Floats, b: Sequence[float] | Floats, confidence: float = 0.95
) -> Difference:
    """Return ``mean(a) - mean(b)`` for two independent lists, such as search seeds and fresh seeds.

    ``error^2 = s_a^2/n_a + s_b^2/n_b``, degrees of freedom after Welch (1947) and Satterthwaite (1946): ``df = error^4
    / ((s_a^2/n_a)^2/(n_a - 1) + (s_b^2/n_b)^2/(n_b - 1))``. Interval and p are ``nan`` when a list has one value.
    Raises ``ValueError`` when a list is empty or a value is not finite.
    """
    first, second = values_of(a), values_of(b)
    if first.size == 0 or second.size == 0:
        raise ValueError(f"expected values on both sides; got {first.size} and {second.size}")
    mean = float(first.mean() - second.mean())
    n = min(first.size, second.size)
    if n < 2:
        return judged(n, mean, math.nan, math.nan, math.nan, confidence)
    share_a = float(first.var(ddof=1)) / first.size
    share_b = float(second.var(ddof=1)) / second.size
    error = math.sqrt(share_a + share_b)
    if error == 0:
        return judged(n, mean, math.nan, 0.0, first.size + second.size - 2, confidence)
    df = error**4 / (share_a**2 / (first.size - 1) + share_b**2 / (second.size - 1))
    return judged(n, mean, math.nan, error, df, confidence)
