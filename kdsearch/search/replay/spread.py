"""How far seeds and configurations of a recorded table spread: the numbers that say which world a table is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Spread:
    """``sigma``: sd of a run around its own truth. ``tau``: sd of the truths. ``rho``: correlation by seed."""

    sigma: float
    tau: float
    rho: float


def spread(values: Floats) -> Spread:
    """Estimate the spread from a complete table ``[I configurations, J seeds]`` of at least 2 x 2.

    Model ``y_ij = theta_i + b_j + e_ij`` with ``var b = rho sigma^2`` and ``var e = (1 - rho) sigma^2``: the moments of
    a two-way layout (Searle, Casella and McCulloch 1992, 4.4). ``var e = MS_e``, ``var b = (MS_seeds - MS_e) / I``,
    ``tau^2 = (MS_settings - MS_e) / J``, negative ones set to 0. Raises ``ValueError`` where a cell is missing.
    """
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected a complete table of at least 2 configurations x 2 seeds, got shape {values.shape}")
    tried, seeds = values.shape
    rows, columns, centre = values.mean(1), values.mean(0), values.mean()
    error = values - rows[:, None] - columns[None, :] + centre
    own = float((error**2).sum()) / ((tried - 1) * (seeds - 1))
    shared = max(0.0, float(columns.var(ddof=1)) - own / tried)
    between = max(0.0, float(rows.var(ddof=1)) - own / seeds)
    total = own + shared
    return Spread(math.sqrt(total), math.sqrt(between), shared / total if total > 0 else 0.0)
