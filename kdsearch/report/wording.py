"""How numbers, counts and lists are written: a number gets two significant digits of its spread, no digit of noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from kdsearch.statistics import Difference

NOTHING = "-"
MOST_DECIMALS = 9
"""Decimals of a number that is written without an exponent."""

EXPONENT_FROM, TINY, HUGE = 6, 1e-3, 1e9
"""Numbers below ``TINY`` that need more decimals than ``EXPONENT_FROM``, and those from ``HUGE`` on."""


def decimals(spreads: Sequence[float], values: Sequence[float]) -> int:
    """Return the decimals of ``values`` that have these ``spreads``; below 0 where tens or more are rounded.

    Two significant digits of the usual spread, and the values to the same place. Four decimals at least for values
    below 10 and two below 1000, as metrics are usually given. Where nothing spreads: four significant digits of the
    largest value.
    """
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    known = [spread for spread in spreads if math.isfinite(spread) and spread > 0]
    usual = 4 if largest < 10 else 2 if largest < 1000 else -300
    if known:
        return max(usual, two_digits(median(known)))
    return max(usual, 0, 3 - _exponent(largest)) if largest > 0 else 4


def two_digits(spread: float) -> int:
    """Return the decimals at which a positive number has two significant digits."""
    # 0.0996 has two at 0.10, not at 0.100.
    digits = 1 - _exponent(spread)
    return digits - 1 if round(spread, digits) >= 10.0 ** (2 - digits) else digits


def _exponent(value: float) -> int:
    """The power of ten of a positive number's first digit."""
    return math.floor(math.log10(value))


def fixed(value: float, digits: int, *, signed: bool = False) -> str:
    """Write a number to ``digits`` decimals, below 0 to tens and more; no ``-0.0000``, and ``-`` where there is none.

    What is tiny or huge at that place has an exponent, and its digits end at the same place: ``1.234e-06``.
    """
    if not math.isfinite(value):
        return NOTHING
    sign = "+" if signed else ""
    rounded = round(value, digits) + 0.0  # + 0.0 turns the negative zero into zero
    if (digits > EXPONENT_FROM and abs(rounded) < TINY) or abs(rounded) >= HUGE:
        return f"{rounded:{sign}.{max(0, digits + _exponent(abs(rounded)))}e}" if rounded else f"{rounded:{sign}.0f}"
    return f"{rounded:{sign}.{min(max(0, digits), MOST_DECIMALS)}f}"


def interval(low: float, high: float, digits: int, *, signed: bool = False) -> str:
    """Write ``[low, high]``."""
    return f"[{fixed(low, digits, signed=signed)}, {fixed(high, digits, signed=signed)}]"


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
