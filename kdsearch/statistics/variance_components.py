"""Where the spread over seeds comes from: initialisation, order, augmentation, or the machine itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from kdsearch.statistics.summaries import Floats, sd_interval, values_of

DRAWS = 20_000
MARGIN = 0.25
"""Shares are said to add up to 1 only where the whole interval of what remains lies within so much of 0."""


@dataclass(frozen=True)
class VarianceComponent:
    """The spread of ``n`` runs in which only the streams ``vary`` differ, all others held at one seed.

    ``sd`` has its chi-square interval; ``share`` is its variance over that of runs in which all streams differ, with
    the F interval ``low`` to ``high``. It may exceed 1. An empty ``vary`` is one seed run again and again: what kernels
    that are not deterministic add, and a part of every other component. ``nan`` below two runs.
    """

    vary: frozenset[str]
    n: int
    sd: float
    sd_low: float
    sd_high: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class VarianceComponents:
    """``whole`` is all streams together, ``parts`` the other groups in the order given.

    ``remainder`` is 1 minus the shares of the single streams, each without the repeats' variance, and minus the
    repeats' share; it is ``nan`` unless every stream has a group of its own (``missing`` names those that have none).
    """

    whole: VarianceComponent
    parts: tuple[VarianceComponent, ...]
    remainder: float
    low: float
    high: float
    missing: tuple[str, ...]

    @property
    def note(self) -> str:
        """Say in one sentence whether the shares add up."""
        if self.missing:
            return f"No runs vary {', '.join(self.missing)} alone: whether the shares add up is not known."
        if math.isnan(self.remainder):
            return "Too few runs: whether the shares add up is not known."
        interval = f"remainder {self.remainder:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"
        if self.high < 0:
            return f"The shares add up to more than 1 ({interval}): streams act together, and each counts that."
        if self.low > 0:
            return f"The shares add up to less than 1 ({interval}): the seed held fixed is a quiet one, try others."
        if self.low >= -MARGIN and self.high <= MARGIN:
            return f"The shares add up to 1 within {MARGIN:g} ({interval})."
        return f"These runs cannot tell whether the shares add up to 1: {interval}."


def split_variance(groups: Mapping[frozenset[str], Sequence[float]], confidence: float = 0.95) -> VarianceComponents:
    """Split the variance over seeds into components; ``groups`` maps the streams that vary to the values of its runs.

    One group must vary all streams that any group names: its variance ``V`` is the whole. ``share = V_i / V`` with the
    interval ``share / F[(1 + confidence) / 2, n_i - 1, n - 1]`` to ``share / F[(1 - confidence) / 2, ...]`` (Snedecor
    1934; normal values, runs of one group no runs of another). A group's variance with the others fixed is a total
    effect (Homma and Saltelli 1996): averaged over what they are fixed at, it holds every interaction of its stream. So

    ``remainder = (V - V_0 - sum over single streams (V_i - V_0)) / V``

    (``V_0``: repeats of one seed, 0 where that group is missing) is 0 where streams only add and below 0 where they act
    together, each pair being counted twice. Its interval is Weerahandi's (1993) generalized one: quantiles of the
    remainder over 20,000 draws of ``(n_i - 1) s_i^2 / chi2``, from a fixed generator; for one share it is the F
    interval. Nothing is clipped. Raises ``ValueError`` when no group varies all streams or a value is not finite.
    """
    arrays = {vary: values_of(values) for vary, values in groups.items()}
    streams = frozenset().union(*arrays)
    if not streams or streams not in arrays:
        raise ValueError(
            f"expected a group of runs in which all of {sorted(streams)} vary: it is the whole that shares are of; "
            f"got {[sorted(vary) for vary in arrays]}"
        )
    whole = arrays[streams]
    parts = tuple(_component(vary, values, whole, confidence) for vary, values in arrays.items() if vary != streams)
    missing = tuple(sorted(stream for stream in streams if frozenset((stream,)) not in arrays))
    remainder = low = high = math.nan
    if not missing:
        remainder, low, high = _remainder(arrays, streams, confidence)
    return VarianceComponents(_component(streams, whole, whole, confidence), parts, remainder, low, high, missing)


def _component(vary: frozenset[str], values: Floats, whole: Floats, confidence: float) -> VarianceComponent:
    n, nan = values.size, math.nan
    if n < 2:
        return VarianceComponent(vary, n, nan, nan, nan, nan, nan, nan)
    sd = math.sqrt(_variance(values))
    sd_low, sd_high = (float(bound) for bound in sd_interval(sd, n, confidence))
    of = _variance(whole) if whole.size > 1 else 0.0
    if values is whole or of == 0:
        share = 1.0 if values is whole and of > 0 else nan
        return VarianceComponent(vary, n, sd, sd_low, sd_high, share, share, share)
    share, df = sd**2 / of, (n - 1, whole.size - 1)
    low, high = (share / float(special.fdtri(*df, level)) for level in ((1 + confidence) / 2, (1 - confidence) / 2))
    return VarianceComponent(vary, n, sd, sd_low, sd_high, share, low, high)


def _variance(values: Floats) -> float:
    """Return the variance with ``n - 1``, exactly 0 for equal values, whose mean may be rounded."""
    return float(values.var(ddof=1)) if np.ptp(values) > 0 else 0.0


def _remainder(
    arrays: Mapping[frozenset[str], Floats], streams: frozenset[str], confidence: float
) -> tuple[float, float, float]:
    """Return the remainder and its generalized interval; all ``nan`` when a group it needs has fewer than two runs."""
    repeats = arrays.get(frozenset())
    if len(streams) == 1:  # the only stream is the whole
        return 0.0, 0.0, 0.0
    needed = [arrays[streams], *(arrays[frozenset((stream,))] for stream in sorted(streams))]
    needed += [] if repeats is None else [repeats]
    signs = [1.0, *[-1.0] * (len(needed) - 1)]
    if repeats is not None:  # taken out of each single stream, then counted once
        signs[-1] = len(needed) - 3.0
    if any(values.size < 2 for values in needed) or _variance(needed[0]) == 0:
        return math.nan, math.nan, math.nan
    variances = np.array([_variance(values) for values in needed])
    df = np.array([values.size - 1 for values in needed])
    generator = np.random.Generator(np.random.PCG64(0))
    drawn = df * variances / generator.chisquare(df, (DRAWS, df.size))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(drawn @ signs / drawn[:, 0], tails)
    return float(variances @ signs / variances[0]), float(low), float(high)
