"""A difference of two means with what is needed to judge it: the common result of paired and unpaired comparisons."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

FEWEST_FLIPS = 6
"""With 5 pairs the smallest two-sided p of sign flips is 2 / 2**5 = 0.0625: no evidence could reach 0.05."""


@dataclass(frozen=True)
class Difference:
    """``mean`` is the first minus the second; ``error`` its standard error, ``df`` its degrees of freedom.

    ``n`` counts pairs, or the smaller group where nothing is paired. ``sd`` is the spread of the paired differences
    (``nan`` where nothing is paired). ``p`` is two-sided, from Student's t; where all differences are equal, which t
    takes for certainty, it is that of the sign flips. ``sign_flip_p`` is exact and ``None`` below six pairs, where it
    cannot fall under 0.05. Fewer than six differences that are all equal know nothing of their spread: interval and p
    are ``nan`` (see ``equal_few``). All but ``mean`` are ``nan`` when a group has a single run.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float
    error: float
    df: float
    sign_flip_p: float | None = None
    correlation: float = math.nan

    @property
    def equal_few(self) -> bool:
        """Whether it rests on two to five differences that are all equal, which say nothing of how others spread."""
        return self.error == 0 and self.n < FEWEST_FLIPS

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the t interval of the difference at another confidence."""
        if math.isnan(self.error) or self.equal_few:
            return math.nan, math.nan
        half = float(special.stdtrit(self.df, (1 + confidence) / 2)) * self.error
        return self.mean - half, self.mean + half


def judged(  # one place that turns an estimate and its error into interval and p
    n: int,
    mean: float,
    sd: float,
    error: float,
    df: float,
    confidence: float,
    sign_flip_p: float | None = None,
    correlation: float = math.nan,
) -> Difference:
    """Build a ``Difference`` from an estimate, its standard error and degrees of freedom."""
    if math.isnan(error) or (error == 0 and n < FEWEST_FLIPS):
        low = high = p = math.nan
    else:
        half = float(special.stdtrit(df, (1 + confidence) / 2)) * error
        low, high = mean - half, mean + half
        p = tail_p(mean, error, df)
        if error == 0 and mean != 0:
            p = math.nan if sign_flip_p is None else sign_flip_p
    return Difference(n, mean, sd, low, high, p, error, df, sign_flip_p, correlation)


def tail_p(mean: float, error: float, df: float) -> float:
    """Return the two-sided p of ``mean / error`` under Student's t; an error of 0 gives 0, or 1 for a mean of 0."""
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * special.stdtr(df, -abs(mean) / error))
