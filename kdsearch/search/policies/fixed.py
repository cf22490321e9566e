"""Quasi-random settings with the same number of seeds each: a design for those who want to see the whole space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.sobol import sobol
from kdsearch.search.policies.base import Belief, Further, Leader, New, Pick, Setting
from kdsearch.search.policies.subset import ordered
from kdsearch.space import Dimension
from kdsearch.statistics.shrinkage import shrink


class FixedSeeds:
    """Every setting gets ``seeds`` seeds; beliefs are means shrunken towards the mean of all settings."""

    drops = False

    def __init__(self, space: Mapping[str, Dimension], seed: int, seeds: int) -> None:
        self.encoding = Encoding(space)
        self.seed = seed
        self.seeds = seeds

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """See ``Policy.choose``: fills up begun settings, then begins new ones; nothing where the space has no more."""
        counts = [len(row.objectives) + len(row.pending) + len(row.failed) for row in settings]
        missing = [i for i, count in enumerate(counts) for _ in range(self.seeds - count)]
        picks: list[Pick] = [Further(i) for i in missing[:wanted]]
        first = len(settings)
        known = [row.params for row in settings]
        new = sobol(self.encoding, self.seed, known, -(-(wanted - len(picks)) // self.seeds))
        for position, params in enumerate(new):
            picks += [New(params), *[Further(first + position)] * (self.seeds - 1)]
        return picks[:wanted]

    def beliefs(self, settings: Sequence[Setting]) -> list[Belief]:
        """See ``Search.beliefs``."""
        known = [i for i, row in enumerate(settings) if row.objectives]
        if not known:
            return []
        estimate = shrink([list(settings[i].objectives.values()) for i in known])
        order = ordered(settings, known, estimate.means)
        lead = order[0]
        gap = estimate.means - estimate.means[lead]
        error = np.hypot(estimate.se, estimate.se[lead])
        better = np.where(error > 0, ndtr(np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)), 0.5)
        better[lead] = 0.5
        return [
            Belief(known[row], float(estimate.means[row]), float(estimate.se[row]), float(better[row])) for row in order
        ]

    def leader(self, settings: Sequence[Setting]) -> Leader:
        """See ``Policy.leader``."""
        beliefs = self.beliefs(settings)
        if not beliefs:
            raise ValueError("no setting has a result yet")
        return Leader(beliefs[0].setting, beliefs[0].estimate)

    def gain_left(self, settings: Sequence[Setting]) -> float | None:
        """Not known: a design ends with its budget."""
        return None
