"""What picking the best of several equal runs gains by luck alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from kdsearch.statistics.summaries import Floats, values_of


@lru_cache(maxsize=1024)
def expected_best(n: int) -> float:
    """Return the expected largest of ``n`` standard normal values: times the sd over seeds, the luck of the best run.

    ``E[max] = integral of x n phi(x) Phi(x)^(n-1) dx`` (Tippett 1925), by the trapezoid rule on [-12, 12], which is
    exact to rounding for so smooth a function. Raises ``ValueError`` for ``n`` below 1.
    """
    if n < 1:
        raise ValueError(f"the best of how many runs? expected 1 or more, got {n}")
    x = np.linspace(-12.0, 12.0, 4801)
    log_density = -0.5 * x**2 - 0.5 * np.log(2 * np.pi) + (n - 1) * special.log_ndtr(x)
    return float(n * np.sum(x * np.exp(log_density)) * (x[1] - x[0]))


def expected_best_of(values: Sequence[float] | Floats, n: int) -> float:
    """Return the expected best of ``n`` runs drawn from the observed ``values`` ``[N]`` with replacement.

    ``sum_i y_(i) [(i/N)^n - ((i-1)/N)^n]`` over the sorted values (Dodge et al. 2019, Show Your Work, equation 8). It
    can not exceed the largest value seen. Raises ``ValueError`` without values or for ``n`` below 1.
    """
    ordered = np.sort(values_of(values))
    if ordered.size == 0 or n < 1:
        raise ValueError(f"expected at least one value and n of 1 or more; got {ordered.size} values and n = {n}")
    steps = (np.arange(ordered.size + 1) / ordered.size) ** n
    return float(ordered @ np.diff(steps))
