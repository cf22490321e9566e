"""The test by which irace eliminates: Friedman's over all survivors, then Conover's against the best."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .cube import Floats


def rank_sums(results: Floats) -> Floats:
    """Sum over seeds of each configuration's rank, ``[C]``; of ``results`` ``[seeds, C]`` the highest has rank 1."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-results, axis=1).sum(axis=0), dtype=np.float64)


def survivors(results: Floats, alpha: float = 0.05) -> npt.NDArray[np.bool_]:
    """Which configurations stay, ``[configurations]``; ``results`` is ``[seeds, configurations]``, higher is better.

    Where Friedman's test over ``k`` configurations and ``n`` seeds has p < ``alpha``, those go whose rank sum is above
    the lowest by more than ``t(1 - alpha/2, (n-1)(k-1)) * sqrt(2 (n A - sum R^2) / ((n-1)(k-1)))`` with ``A`` the sum
    of squared ranks (Conover 1999, Practical Nonparametric Statistics, 5.8; used so by irace, Lopez-Ibanez et al.
    2016). Fewer than three configurations are never tested: a race ends before.
    """
    from scipy.stats import friedmanchisquare, rankdata, t

    n, k = results.shape
    everyone = np.ones(k, dtype=np.bool_)
    if k < 3 or n < 2 or bool((results == results[:, :1]).all()):
        return everyone
    if not float(friedmanchisquare(*results.T).pvalue) < alpha:
        return everyone
    ranks = rankdata(-results, axis=1)
    sums = rank_sums(results)
    df = (n - 1) * (k - 1)
    spread = max(0.0, 2 * (n * float((ranks**2).sum()) - float((sums**2).sum())) / df)  # 0 where all seeds agree
    margin = float(t.ppf(1 - alpha / 2, df)) * math.sqrt(spread)
    return np.asarray(sums - sums.min() <= margin + 1e-9, dtype=np.bool_)
