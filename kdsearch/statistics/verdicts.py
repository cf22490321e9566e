"""From a difference with its uncertainty to one of four words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import special

from kdsearch.statistics.differences import FEWEST_FLIPS, Difference
from kdsearch.statistics.group_sequential import look_p

Verdict = Literal["better", "worse", "equivalent", "undecided"]


def verdict(
    difference: Difference,
    min_effect: float,
    alpha: float = 0.05,
    *,
    p: float | None = None,
    equivalence: float | None = None,
    looks: Sequence[int] = (),
    minimize: bool = False,
) -> Verdict:
    """Return the verdict of a difference, first minus second, from the first one's point of view.

    Higher is better, or with ``minimize`` lower.

    ``equivalent``: two one-sided tests reject a difference as large as ``min_effect`` (Schuirmann 1987), that is, the
    ``1 - 2 alpha`` interval lies inside ``-+min_effect``. Else ``better`` or ``worse``: the two-sided test rejects 0,
    that is, the ``1 - alpha`` interval excludes 0. Else ``undecided``. A difference that is both sure and smaller than
    ``min_effect`` is called equivalent: it exists, and is too small to act upon.

    ``looks``, the number of seeds at each look so far, adjusts both p values for having looked before and perhaps
    looking again (``look_p``); the interval to show is then ``difference.interval(1 - look_level(looks, alpha))``.
    ``p`` and ``equivalence`` replace the two p values by ones adjusted already (see ``family_verdicts``). Without a
    standard error (one run) nothing is decided. Raises ``ValueError`` on a negative ``min_effect``.
    """
    two_sided = _looked(difference.p, looks) if p is None else p
    inside = _looked(equivalence_p(difference, min_effect), looks, 1) if equivalence is None else equivalence
    if math.isnan(two_sided):
        return "undecided"
    if inside < alpha:
        return "equivalent"
    if two_sided < alpha:
        return "better" if (difference.mean > 0) != minimize else "worse"
    return "undecided"


def equal_needed(looks: Sequence[int], alpha: float = 0.05, family: int = 1) -> int:
    """Return how many equal differences, in all, the sign flips need to tell from 0 at one more look.

    ``2 / 2**n``, adjusted for ``looks`` and the next one at ``n``, times ``family`` (Bonferroni: Holm needs no more),
    is below ``alpha``. Without ``looks`` it is the ``n`` of a first look.
    """
    n = max((*looks, FEWEST_FLIPS - 1)) + 1
    while family * look_p(2.0 / 2**n, (*looks, n)) >= alpha:
        n += 1
    return n


def equivalence_p(difference: Difference, min_effect: float) -> float:
    """Return the p of two one-sided tests: the larger tail of the difference against ``-+min_effect``.

    ``nan`` without a standard error, or where fewer than six differences are all equal. Raises ``ValueError`` on a
    negative ``min_effect``.
    """
    if not min_effect >= 0:
        raise ValueError(f"min_effect is the smallest difference worth acting upon, 0 or more; got {min_effect}")
    if math.isnan(difference.error) or difference.equal_few:
        return math.nan
    distance = min_effect - abs(difference.mean)
    if difference.error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(special.stdtr(difference.df, -distance / difference.error))


def _looked(p: float, looks: Sequence[int], sides: int = 2) -> float:
    return look_p(p, looks, sides) if looks else p


def family_verdicts(
    differences: Sequence[Difference],
    min_effect: float,
    alpha: float = 0.05,
    *,
    looks: Sequence[Sequence[int]] = (),
    minimize: bool = False,
) -> tuple[list[Verdict], list[float]]:
    """Compare several differences together; return their verdicts and Holm-adjusted two-sided p values.

    At most ``alpha`` of all families hold a false better or worse, and at most ``alpha`` a false equivalent: Holm is
    applied to the tests of difference and to the tests of equivalence. With ``looks``, those of each comparison (see
    ``verdict``), each p value is adjusted for them first, so that this holds over all looks together. Comparisons
    without a standard error are no tests and take no part: undecided, p ``nan``.
    """
    pairs = list(zip(differences, looks or [()] * len(differences), strict=True))
    adjusted = holm([_looked(difference.p, own) for difference, own in pairs])
    inside = holm([_looked(equivalence_p(difference, min_effect), own, 1) for difference, own in pairs])
    verdicts = [
        verdict(difference, min_effect, alpha, p=p, equivalence=equivalence, minimize=minimize)
        for difference, p, equivalence in zip(differences, adjusted, inside, strict=True)
    ]
    return verdicts, adjusted


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values in the given order; ``nan`` stays ``nan`` and is not counted.

    Sorted upwards, ``adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j))`` (Holm 1979).
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = [int(index) for index in np.argsort(p, kind="stable") if not math.isnan(p[index])]
    adjusted = [math.nan] * p.size
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * float(p[index])))
        adjusted[index] = largest
    return adjusted
