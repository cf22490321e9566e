"""A mean over values that come in groups, such as test queries cut from one video: its interval over groups."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from kdsearch.statistics.summaries import Floats, values_of


@dataclass(frozen=True)
class Clustered:
    """The mean of ``n`` values that lie in ``groups`` groups, its standard error and interval.

    ``error``, ``low`` and ``high`` are ``nan`` where there is one group alone.
    """

    n: int
    groups: int
    mean: float
    error: float
    low: float
    high: float


def clustered_mean(values: Sequence[float] | Floats, groups: Sequence[Hashable], confidence: float = 0.95) -> Clustered:
    """Return the mean of ``values`` ``[n]`` with the interval that holds where whole ``groups`` ``[n]`` are drawn.

    With ``u_g`` the sum of ``y_i - ybar`` over the values of group g, and G groups: ``error^2 = G / (G - 1) *
    sum_g(u_g^2) / n^2``, interval ``ybar -+ t[(1 + confidence) / 2, G - 1] error`` (Liang and Zeger 1986; Cameron and
    Miller 2015, section II, whose correction ``(n - 1) / (n - k)`` is 1 for a mean). Where each value is its own group
    it is Student's interval. Raises ``ValueError`` without values, on unequal lengths, or on a value not finite.
    """
    y = values_of(values)
    if y.size == 0 or y.size != len(groups):
        raise ValueError(f"expected one group a value; got {y.size} values and {len(groups)} groups")
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    count, mean = len(numbers), float(y.mean())
    if count < 2:
        return Clustered(y.size, count, mean, math.nan, math.nan, math.nan)
    sums = np.bincount([numbers[group] for group in groups], weights=y - mean)
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / y.size
    half = float(special.stdtrit(count - 1, (1 + confidence) / 2)) * error
    return Clustered(y.size, count, mean, error, mean - half, mean + half)
