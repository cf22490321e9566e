"""How many decimals numbers are written with: two significant digits of their spread, so that no digit is noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

MOST = 9
"""Decimals of a number that is written without an exponent."""


def places(spreads: Sequence[float], values: Sequence[float]) -> int:
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
    return max(usual, 0, 3 - exponent(largest)) if largest > 0 else 4


def two_digits(spread: float) -> int:
    """Return the decimals at which a positive number has two significant digits."""
    # 0.0996 has two at 0.10, not at 0.100.
    place = 1 - exponent(spread)
    return place - 1 if round(spread, place) >= 10.0 ** (2 - place) else place


def exponent(value: float) -> int:
    """Return the power of ten of a positive number's first digit."""
    return math.floor(math.log10(value))
