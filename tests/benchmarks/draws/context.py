"""How validation and test means of settings correlate, on the fixed draw and over draws, at equal numbers of runs.

A correlation of means is lowered by their noise, and raised by what validation and test of one run have in common.
Split halves mend both: ``cov(x_A, y_B) / sqrt(cov(x_A, x_B) cov(y_A, y_B))``, halves A and B of different runs, is the
correlation of the true means (Spearman 1904); as an estimate it may exceed 1. Within the better half, which runs of
their own choose: what was chosen by luck would fall back in A and B and take the correlation with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .outcomes import Estimate, estimate
from .recorded import Floats, Record

SPLITS = 20
RESAMPLES = 1_000


@dataclass(frozen=True)
class Correlation:
    """Of means over ``runs`` runs of each setting with distillation, and of true means; ``which``: all or better."""

    kind: str
    which: str
    runs: int
    raw: Estimate
    true: Estimate


def correlations(record: Record, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Correlation, ...]:
    """For both kinds, over all settings and over the better half by validation; settings are resampled."""
    runs = min(record.drawn.shape[1], record.fixed.shape[1])
    generator = np.random.default_rng(seed)
    count = len(record.settings)
    picks = np.concatenate([np.arange(count)[None], generator.integers(0, count, (resamples, count))])
    return tuple(
        _correlation(kind, better, values, runs, picks, generator)
        for kind, values in (("fixed", record.fixed), ("drawn", record.drawn))
        for better in (False, True)
    )


def _correlation(
    kind: str, better: bool, values: Floats, runs: int, picks: Floats, generator: np.random.Generator
) -> Correlation:
    """Averages over random choices of ``runs`` runs and splits of them; row 0 of ``picks`` is the record itself."""
    raw, parts = np.zeros(len(picks)), np.zeros((3, len(picks)))
    sizes = (runs // 3, runs // 3) if better else (runs // 2, runs // 2)
    for _ in range(SPLITS):
        order = generator.permutation(values.shape[1])[:runs]
        x, y = values[:, order, 0].mean(1), values[:, order, 1].mean(1)
        rows = _better(x, picks) if better else picks
        raw += _ratio(_covariance(x[rows], y[rows]), _covariance(x[rows], x[rows]), _covariance(y[rows], y[rows]))
        first, second, rest = np.split(order, np.cumsum(sizes))
        if better:
            rows = _better(values[:, rest, 0].mean(1), picks)
        means = [values[:, part, metric].mean(1)[rows] for part in (first, second) for metric in (0, 1)]
        parts[0] += (_covariance(means[0], means[3]) + _covariance(means[2], means[1])) / 2
        parts[1] += _covariance(means[0], means[2])
        parts[2] += _covariance(means[1], means[3])
    which = "better half" if better else "all"
    return Correlation(kind, which, runs, _estimate(raw / SPLITS), _estimate(_ratio(*parts)))


def _ratio(both: Floats, first: Floats, second: Floats) -> Floats:
    """Correlations from a covariance and two variances, ``nan`` where one of these is not positive."""
    known = np.minimum(first, second) > 0
    values: Floats = np.where(known, both / np.sqrt(np.where(known, first * second, 1.0)), np.nan)
    return values


def _estimate(values: Floats) -> Estimate:
    """The first value with the interval of the others, as far as they are known."""
    known = values[1:][np.isfinite(values[1:])]
    return estimate(values[0], known) if known.size else Estimate(float(values[0]), math.nan, math.nan)


def _better(values: Floats, picks: Floats) -> Floats:
    """The rows of ``picks [B, C]`` with the higher half of ``values [C]``."""
    order = np.argsort(-values[picks], axis=1, kind="stable")[:, : picks.shape[1] // 2]
    rows: Floats = np.take_along_axis(picks, order, axis=1)
    return rows


def _covariance(x: Floats, y: Floats) -> Floats:
    """Of each row."""
    values: Floats = ((x - x.mean(1, keepdims=True)) * (y - y.mean(1, keepdims=True))).mean(1)
    return values
