"""How many seeds decide: power of the paired t test for the smallest effect worth acting upon."""

from __future__ import annotations

import math

from scipy import special

MOST = 1_000_000


def paired_power(n: int, sd_of_difference: float, effect: float, alpha: float = 0.05) -> float:
    """Return the power of the two-sided paired t test with ``n`` seeds for a true difference ``effect``.

    With ``t = t[1 - alpha/2, n - 1]`` and ``delta = effect sqrt(n) / sd``: ``P(T > t) + P(T < -t)`` for the noncentral
    t with ``n - 1`` degrees of freedom (Cohen 1988, chapter 2).
    """
    if n < 2:
        return 0.0
    if sd_of_difference == 0:
        return 1.0
    bound = float(special.stdtrit(n - 1, 1 - alpha / 2))
    delta = effect * math.sqrt(n) / sd_of_difference
    far_tail = float(special.nctdtr(n - 1, delta, -bound))
    return 1 - float(special.nctdtr(n - 1, delta, bound)) + (0.0 if math.isnan(far_tail) else far_tail)


def seeds_needed(sd_of_difference: float, min_effect: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return the fewest seeds with which a paired t test finds a true difference of ``min_effect`` with ``power``.

    Always ask it for ``min_effect``, never for the observed difference: the latter is a rewording of the p value
    (Hoenig and Heisey 2001). Never below 2; 1,000,000 stands for more than anyone will run. Raises ``ValueError``
    unless ``min_effect`` is positive and the sd a number.
    """
    if not min_effect > 0 or not sd_of_difference >= 0 or not 0 < power < 1:
        raise ValueError(
            f"expected min_effect > 0, sd >= 0 and power between 0 and 1; got {min_effect}, {sd_of_difference}, {power}"
        )
    low, high = 1, 2  # power(low) is too small, power(high) perhaps enough
    while paired_power(high, sd_of_difference, min_effect, alpha) < power:
        low, high = high, high * 2
        if high > MOST:
            return MOST
    while high - low > 1:
        middle = (low + high) // 2
        if paired_power(middle, sd_of_difference, min_effect, alpha) < power:
            low = middle
        else:
            high = middle
    return high
