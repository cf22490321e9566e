"""What is expected before runs speak: one prior to search with, one to state results with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BOUND = 6.0


@dataclass(frozen=True)
class Prior:
    """Log-normal priors, each the centre and the sd of the logarithm.

    ``length``: of a length scale in the unit cube. ``smooth``, ``own`` and ``noise``: of the variances of the smooth
    part, of a configuration's own part and of one run, in units of the variance of all runs (without what folds do to
    all).
    """

    length: tuple[float, float]
    smooth: tuple[float, float] = (math.log(0.3), 1.0)
    own: tuple[float, float] = (math.log(0.05), 1.5)
    noise: tuple[float, float] = (math.log(0.6), 1.0)

    def centres(self, dimensions: int) -> Floats:
        """Centres ``[d + 3]`` in the order of ``Hyperparameters.vector``."""
        return np.array([self.length[0]] * dimensions + [self.smooth[0], self.own[0], self.noise[0]])

    def widths(self, dimensions: int) -> Floats:
        """Standard deviations ``[d + 3]``."""
        return np.array([self.length[1]] * dimensions + [self.smooth[1], self.own[1], self.noise[1]])

    def bounds(self, dimensions: int) -> list[tuple[float, float]]:
        """How far an optimiser may go: six sds to each side."""
        centres, widths = self.centres(dimensions), self.widths(dimensions)
        return list(zip(centres - _BOUND * widths, centres + _BOUND * widths, strict=True))


SEARCH_PRIOR = Prior(length=(math.log(0.7), 0.8))
"""Decides what is run and which configuration leads: every number matters, and each configuration may be special."""

REPORTING_PRIOR = Prior(length=(math.log(4.0), 2.0), own=(math.log(0.003), 2.0))
"""Decides how good the leader is said to be: no number matters and no configuration is special until runs show it.

Where two of five numbers matter, the leader's searching mean lay 0.10 to 0.15 noise sds above its truth: it takes noise
along the other three, and what is left of the configuration's luck, for effects. Its reporting mean lay within 0.09
(tests/benchmarks/planner). To search or to choose by the reporting one costs regret: it stops looking too early.
"""
