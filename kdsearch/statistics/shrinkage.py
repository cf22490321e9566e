"""Means of configurations shrunk towards their common mean: what is left of a lead when luck is taken out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from kdsearch.statistics.summaries import Floats


@dataclass(frozen=True)
class Shrinkage:
    """Empirical Bayes estimates of ``k`` configurations, in the order given.

    ``means`` and ``se`` are ``[k]``: posterior mean and standard deviation of each true mean. ``sd`` is the pooled
    standard deviation over seeds, ``tau`` that of the true means between configurations.
    ``noise_known`` is false when no configuration has two runs and ``sd`` is a guess.
    """

    means: Floats
    se: Floats
    sd: float
    tau: float
    noise_known: bool


def shrink(samples: Sequence[Sequence[float]], sd: float | None = None) -> Shrinkage:
    """Estimate the true means of configurations from their runs; ``samples[i]`` holds those of configuration i.

    Model: ``y_ij ~ N(theta_i, s^2)``, ``theta_i ~ N(m, tau^2)``. ``s^2`` is pooled within configurations (or the square
    of ``sd``, where the caller knows better), ``tau^2`` is Paule and Mandel's (1982), ``m`` the mean weighted by
    ``w_i = 1 / (tau^2 + s^2/n_i)``. With ``B_i = (s^2/n_i) / (tau^2 + s^2/n_i)``:

    ``means_i = m + (1 - B_i) (ybar_i - m)``, ``se_i^2 = tau^2 B_i + B_i^2 / sum(w)`` (Morris 1983, without his term for
    the uncertainty of ``tau``).

    Edges: a configuration without runs gets ``m`` and ``se^2 = tau^2 + 1/sum(w)``. No configuration with two runs: the
    variance of the values is all there is, and half of it is taken as noise, half as signal, so that a lead counts
    half. One configuration: ``tau`` cannot be seen and is 0, the mean is its own. One run in all: ``sd`` and ``se``
    are ``nan``. No runs at all: all ``nan``.
    """
    n = np.array([len(sample) for sample in samples], dtype=np.float64)
    seen = n > 0
    if not seen.any():
        empty = np.full(n.size, math.nan)
        return Shrinkage(empty, empty.copy(), math.nan, math.nan, False)
    values = np.array(list(chain.from_iterable(samples)), dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite; a diverged run counts at chance level, a failed run not at all")
    raw, s2, noise_known = _within(values, n[seen], sd)
    if math.isnan(s2):  # one run in all
        unknown = np.full(n.size, math.nan)
        return Shrinkage(np.full(n.size, raw[0]), unknown, math.nan, 0.0, False)
    tau2 = paule_mandel(raw, s2 / n[seen]) if noise_known else s2
    variance = tau2 + s2 / n[seen]
    flat = not variance.all()  # no noise and no signal: all means are equal
    weights = np.ones(raw.size) if flat else 1 / variance
    m = float(weights @ raw / weights.sum())
    shrunk = np.ones(n.size)  # a configuration without runs is shrunk all the way
    shrunk[seen] = np.divide(s2 / n[seen], variance, out=np.ones(raw.size), where=variance > 0)
    means = np.full(n.size, m)
    means[seen] += (1 - shrunk[seen]) * (raw - m)
    se = np.sqrt(tau2 * shrunk + (0.0 if flat else shrunk**2 / weights.sum()))
    return Shrinkage(means, se, math.sqrt(s2), math.sqrt(tau2), noise_known)


def _within(values: Floats, n: Floats, sd: float | None) -> tuple[Floats, float, bool]:
    """Return means ``[k]``, pooled variance within configurations, and whether anything could be pooled."""
    starts = np.concatenate([[0], np.cumsum(n)[:-1]]).astype(np.intp)
    raw = np.add.reduceat(values, starts) / n
    if sd is not None:
        return raw, sd**2, True
    df = values.size - n.size
    if df > 0:
        residual = values - np.repeat(raw, n.astype(np.intp))
        return raw, float(residual @ residual) / df, True
    return raw, float(values.var(ddof=1)) / 2 if values.size > 1 else math.nan, False


def paule_mandel(means: Floats, variances: Floats, steps: int = 100) -> float:
    """Return the variance between configurations ``tau^2`` from means ``[k]`` and their error variances ``[k]``.

    The root of ``sum(w_i (y_i - m_w)^2) = k - 1`` with ``w_i = 1 / (tau^2 + v_i)``, or 0 where the left side is smaller
    already at 0 (Paule and Mandel 1982; iteration: DerSimonian and Kacker 2007, equation 7). One mean gives 0.
    """
    k = means.size
    if k < 2:
        return 0.0
    if not variances.all():  # means without error: their spread is the answer
        return float(means.var(ddof=1))
    tau2 = 0.0
    for _ in range(steps):
        weights = 1 / (tau2 + variances)
        centred = means - (weights @ means) / weights.sum()
        weighted = weights * centred
        excess = float(weighted @ centred) - (k - 1)
        if abs(excess) <= 1e-9 * k or (tau2 == 0.0 and excess <= 0):
            break
        tau2 = max(0.0, tau2 + excess / float(weighted @ weighted))  # Newton: the left side is convex in tau^2
    return tau2
