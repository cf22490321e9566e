"""Mean, spread and best of one configuration over its seeds, with intervals that hold for few seeds."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

RESAMPLES = 9_999
SEED = 0
AT_ONCE = 2_000_000
"""Values drawn at a time, so that memory stays within some 30 MB for any ``n``."""

BCA_FROM = 20
"""From so many values on the interval of a mean is the bootstrap's; below, BCa covers too little."""

ROUNDING = 1e-12
"""A spread smaller than this part of the values is what floating point made of equal ones."""


@dataclass(frozen=True)
class Summary:
    """What ``n`` runs of one configuration say, in units of the values.

    ``low`` and ``high`` bound the mean, ``sd_low`` and ``sd_high`` the standard deviation. With fewer than two values
    all spreads and intervals are ``nan``; with none the mean is ``nan`` too.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    sd_low: float
    sd_high: float
    minimum: float
    maximum: float


def values_of(values: Sequence[float] | Floats) -> Floats:
    """Return the values as a float array ``[n]``; raise ``ValueError`` when one of them is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"expected one list of values, one a seed; got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(
            f"value {bad} is {array[bad]}; a diverged run counts at chance level and a failed run not at all: "
            "replace or drop it first"
        )
    return array


def aligned(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    """Return both lists as float arrays ``[n]``; raise ``ValueError`` unless they are of the same seeds, and finite."""
    first, second = values_of(a), values_of(b)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"expected two aligned lists of the same seeds; got {first.size} and {second.size} values: "
            "keep the seeds that both have"
        )
    return first, second


def mean_interval(mean: ArrayLike, sd: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return the t interval of a mean; arguments broadcast, ``n`` is the number of seeds (at least 2).

    ``mean -+ t[(1 + confidence) / 2, n - 1] * sd / sqrt(n)`` (Student 1908). A percentile bootstrap covers 73 % instead
    of 95 % at n = 3, this covers 95 % on normal data at every n.
    """
    count = np.asarray(n, dtype=np.float64)
    half = special.stdtrit(count - 1, (1 + confidence) / 2) * np.asarray(sd) / np.sqrt(count)
    return np.asarray(mean - half), np.asarray(mean + half)


def sd_interval(sd: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return the chi-square interval of a standard deviation; arguments broadcast, ``n`` is at least 2.

    ``sd * sqrt((n - 1) / chi2)`` at the upper and lower quantile of chi-square with ``n - 1`` degrees of freedom
    (normal data; Cochran 1934).
    """
    df = np.asarray(n, dtype=np.float64) - 1
    tail = (1 - confidence) / 2
    low = np.asarray(sd) * np.sqrt(df / special.chdtri(df, tail))
    high = np.asarray(sd) * np.sqrt(df / special.chdtri(df, 1 - tail))
    return low, high


def bca_interval(
    values: Sequence[float] | Floats, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of the mean of ``values`` ``[n]``.

    Quantiles of the resampled means at ``Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`` for ``z`` at both tails, with ``z0 =
    Phi^-1(share of resampled means below the mean, ties half)`` and the jackknife's ``a = sum(d^3) / (6
    sum(d^2)^1.5)``, which for a mean takes ``d = y - ybar`` (Efron 1987; Efron and Tibshirani 1993, equations 14.9 to
    14.15). The generator is fixed: the same values give the same interval, that of ``scipy.stats.bootstrap``. Measured
    coverage of 95 % on normal values: 84 % at n = 5, hence the t interval below 20; 93 % at 20, 94 % at 40; on
    exponential ones 91 and 93 %, as the t interval. Equal values give an interval without width. Raises ``ValueError``
    below two values.
    """
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 1 or y.size < 2 or not np.isfinite(y).all():
        raise ValueError(f"expected two or more finite values in one list; got shape {y.shape}")
    mean = float(y.mean())
    deviation = y - mean
    square = float(deviation @ deviation)
    if np.ptp(y) == 0 or square == 0:
        return mean, mean
    means = resampled_means(y, resamples, seed)
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * resamples)
    bias = float(special.ndtri(below))
    acceleration = float(np.sum(deviation**3)) / (6 * square**1.5)
    tails = bias + special.ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    low, high = np.percentile(means, 100 * special.ndtr(bias + tails / (1 - acceleration * tails)))
    return float(low), float(high)


def resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Return the means ``[resamples]`` of samples of the same size drawn with replacement from ``values`` ``[n]``."""
    generator = np.random.default_rng(seed)
    rows = max(1, AT_ONCE // values.size)
    parts = []
    for start in range(0, resamples, rows):
        shape = (min(rows, resamples - start), values.size)
        parts.append(values[generator.integers(0, values.size, shape)].mean(axis=1))
    return np.concatenate(parts)


def summarize(values: Sequence[float] | Floats, confidence: float = 0.95) -> Summary:
    """Summarize the values ``[n]`` of one configuration, one a seed.

    The mean's interval is Student's t below 20 values and BCa (``bca_interval``) from 20 on; that of the sd is
    chi-square. ``sd`` has ``n - 1`` in its denominator, and is exactly 0 where it is rounding. Raises
    ``ValueError`` on a value that is not finite.
    """
    array = values_of(values)
    nan = math.nan
    if array.size == 0:
        return Summary(0, nan, nan, nan, nan, nan, nan, nan, nan)
    mean, minimum, maximum = float(array.mean()), float(array.min()), float(array.max())
    if array.size == 1:
        return Summary(1, mean, nan, nan, nan, nan, nan, minimum, maximum)
    sd = float(array.std(ddof=1))
    if sd <= ROUNDING * max(abs(minimum), abs(maximum)):  # rounding of equal values is not a spread
        sd, mean = 0.0, min(max(mean, minimum), maximum)
    t = mean_interval(mean, sd, array.size, confidence)
    low, high = (float(t[0]), float(t[1])) if array.size < BCA_FROM else bca_interval(array, confidence)
    sd_low, sd_high = sd_interval(sd, array.size, confidence)
    return Summary(array.size, mean, sd, low, high, float(sd_low), float(sd_high), minimum, maximum)


def summarize_all(samples: Sequence[Sequence[float]], confidence: float = 0.95) -> list[Summary]:
    """Return ``summarize`` of each sample, those of equal size at once: of ten thousand, calls are most of the time."""
    found: list[Summary | None] = [None] * len(samples)
    places: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(len(sample), []).append(place)
    for n, own in places.items():
        if not 2 <= n < BCA_FROM:
            for place in own:
                found[place] = summarize(samples[place], confidence)
            continue
        y = values_of([value for place in own for value in samples[place]]).reshape(len(own), n)
        mean, sd, least, most = y.mean(axis=1), y.std(axis=1, ddof=1), y.min(axis=1), y.max(axis=1)
        equal = sd <= ROUNDING * np.maximum(np.abs(least), np.abs(most))
        sd, mean = np.where(equal, 0.0, sd), np.where(equal, np.clip(mean, least, most), mean)
        columns = (mean, sd, *mean_interval(mean, sd, n, confidence), *sd_interval(sd, n, confidence), least, most)
        for place, row in zip(own, zip(*(column.tolist() for column in columns), strict=True), strict=True):
            found[place] = Summary(n, *row)
    return [summary for summary in found if summary is not None]


def spreads(samples: Sequence[Sequence[float]]) -> Floats:
    """Return the ``sd`` that ``summarize`` gives of each of ``k`` samples, as ``[k]``; none of them may be empty."""
    if not samples:
        return np.zeros(0)
    values = values_of([value for sample in samples for value in sample])
    n = np.array([len(sample) for sample in samples])
    whose = np.repeat(np.arange(n.size), n)
    deviation = values - (np.bincount(whose, values) / n)[whose]
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = np.where(n > 1, np.sqrt(np.bincount(whose, deviation**2) / (n - 1)), math.nan)
    largest = np.maximum.reduceat(np.abs(values), np.cumsum(n) - n)
    return np.where(sd <= ROUNDING * largest, 0.0, sd)


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
