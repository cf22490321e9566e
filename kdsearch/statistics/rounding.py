"""How numbers are written: with two significant digits of their spread, and no digit of noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

NOTHING = "-"
MOST_DECIMALS = 9
"""Decimals of a number that is written without an exponent."""

MOST_DIGITS = 15
"""Digits after the first of a number with an exponent: a float has no more."""

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
    usual = 4 if largest < 10 else 2 if largest < 1000 else -400
    if known:
        return max(usual, two_digits(median(known)))
    least = 0 if largest < HUGE else -400
    return max(usual, least, 3 - _exponent(largest)) if largest > 0 else 4


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
    try:
        rounded = round(value, digits) + 0.0  # + 0.0 turns the negative zero into zero
    except OverflowError:  # the largest numbers, rounded up
        rounded = value
    if (digits > EXPONENT_FROM and abs(rounded) < TINY) or abs(rounded) >= HUGE:
        if not rounded:
            return f"{rounded:{sign}.0f}"
        return f"{rounded:{sign}.{min(max(0, digits + _exponent(abs(rounded))), MOST_DIGITS)}e}"
    return f"{rounded:{sign}.{min(max(0, digits), MOST_DECIMALS)}f}"


def interval(low: float, high: float, digits: int, *, signed: bool = False) -> str:
    """Write ``[low, high]``."""
    return f"[{fixed(low, digits, signed=signed)}, {fixed(high, digits, signed=signed)}]"


def alone(value: float) -> str:
    """Write a number of which no spread is known: four decimals, or four significant digits where it needs others."""
    return fixed(value, decimals([], [value]))


def spread_out(mean: float, sd: float, *, signed: bool = False) -> str:
    """Write ``mean ± sd``, both to two significant digits of the sd and at least as a metric is usually given."""
    digits = decimals([sd], [mean])
    return f"{fixed(mean, digits, signed=signed)} ± {fixed(sd, digits)}"
