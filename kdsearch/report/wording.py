"""How differences, counts and lists are written; numbers by ``kdsearch.statistics.rounding``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdsearch.statistics import Difference
from kdsearch.statistics.rounding import NOTHING, alone, decimals, fixed, interval, two_digits

__all__ = [
    "NOTHING",
    "alone",
    "decimals",
    "fixed",
    "interval",
    "listed",
    "p_value",
    "percent",
    "plural",
    "signed",
    "two_digits",
]


def signed(difference: Difference, digits: int) -> str:
    """Write a difference with its interval, or say why it has none."""
    mean = fixed(difference.mean, digits, signed=True)
    if math.isnan(difference.low):
        return f"{mean} ({'n = 1' if difference.n == 1 else 'equal differences'}: no interval)"
    return f"{mean} {interval(difference.low, difference.high, digits, signed=True)}"


def p_value(p: float) -> str:
    """Write a p value with three decimals at most."""
    if math.isnan(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def percent(share: float) -> str:
    """Write a confidence with three significant digits at most: ``96 %``."""
    return f"{100 * share:.3g} %"


def plural(n: int, word: str) -> str:
    """Return ``1 run`` or ``3 runs``."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def listed(words: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
