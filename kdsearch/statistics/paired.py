"""Two configurations on the same seeds: their paired difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kdsearch.statistics.differences import FEWEST_FLIPS
from kdsearch.statistics.differences import Difference
from kdsearch.statistics.differences import judged
from kdsearch.statistics.summaries import Floats
from kdsearch.statistics.summaries import values_of

MOST_EXACT = 36
"""Two halves of 2**18 sums each; beyond, flips are drawn."""


ROUNDING = 1e-12
"""Share of the values' size below which a spread or a mean of differences is rounding."""


def paired_difference(
    a: Sequence[float] | Floats, b: Sequence[float] | Floats, confidence: float = 0.95, *, size: float = 0.0
) -> Difference:
    """Compare ``a`` and ``b``, both ``[n]`` and aligned: element i of each comes from the same seed.

    ``d_i = a_i - b_i``; interval ``mean(d) -+ t * sd(d) / sqrt(n)``, two-sided t p and exact sign-flip p (Fisher 1935).
    The interval is t at every n, since verdicts are made of it: an interval that excludes 0 and the word "better" must
    never part (``summarize`` turns to BCa from 20 values). Common seeds help by ``Var(mean(d)) = 2 s^2 (1 - rho) / n``:
    ``correlation`` is that rho, ``nan`` where one side does not vary.

    Where differences vary by no more than rounding they are equal, and then a mean as small as that is 0. ``size``: of
    the numbers that ``a`` and ``b`` were computed from, where these are larger than ``a`` and ``b``.

    Raises ``ValueError`` on unequal lengths, no values, or values that are not finite.
    """
    first, second = values_of(a), values_of(b)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"expected two aligned lists of the same seeds; got {first.size} and {second.size} values: "
            "keep the seeds that both have"
        )
    difference = first - second
    n = difference.size
    mean = float(difference.mean())
    rounding = ROUNDING * max(size, float(np.abs(first).max()), float(np.abs(second).max()))
    sd = float(difference.std(ddof=1)) if n > 1 else math.nan
    if sd <= rounding:
        sd = 0.0
    if abs(mean) <= rounding and not sd > 0:
        mean, difference = 0.0, np.zeros(n)
    if n == 1:
        return judged(1, mean, math.nan, math.nan, math.nan, confidence)
    flips = sign_flip_p(difference) if n >= FEWEST_FLIPS else None
    return judged(n, mean, sd, sd / math.sqrt(n), n - 1, confidence, flips, _correlation(first, second))


def sign_flip_p(differences: Sequence[float] | Floats) -> float:
    """Return the two-sided p of the mean under all ``2**n`` sign flips of the differences ``[n]``.

    ``p = #{signs: |sum(s_i d_i)| >= |sum(d_i)|} / 2**n``. Exact up to 36 values: the sums of both halves are matched by
    binary search (Pagano and Tritchler 1983 solve the same count by convolution). Beyond, 100,000 flips from a fixed
    generator and ``(1 + hits) / (1 + flips)`` (Phipson and Smyth 2010).
    """
    d = values_of(differences)
    slack = 1e-10 * float(np.abs(d).sum())  # equal sums in another order of addition must count as equal
    target = abs(float(d.sum())) - slack
    if target <= 0:
        return 1.0
    if d.size > MOST_EXACT:
        generator = np.random.Generator(np.random.PCG64(0))
        signs = generator.integers(0, 2, size=(100_000, d.size), dtype=np.int8) * 2 - 1
        return float((1 + np.count_nonzero(np.abs(signs @ d) >= target)) / 100_001)
    left, right = _signed_sums(d[: d.size // 2]), np.sort(_signed_sums(d[d.size // 2 :]))
    above = right.size - np.searchsorted(right, target - left, side="left")
    return float(2 * above.sum() / 2.0**d.size)  # sums are symmetric around 0


def _signed_sums(d: Floats) -> Floats:
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _correlation(a: Floats, b: Floats) -> float:
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])
