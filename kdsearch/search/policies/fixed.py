"""Quasi-random configurations with the same number of seeds each: a design to see the whole space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr
from typing_extensions import override

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.sobol import sobol
from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick, PosteriorSummary, Search
from kdsearch.search.policies.subset import ordered
from kdsearch.space import Dimension
from kdsearch.statistics.shrinkage import shrink


class FixedSeeds(Search):
    """Every configuration gets ``seeds`` seeds; summaries are means shrunken towards the mean of all configurations."""

    prunes = False
    shares_seeds = True
    exhausted = "the space holds no further configuration"

    def __init__(self, space: Mapping[str, Dimension], seed: int, seeds: int) -> None:
        self.encoding = Encoding(space)
        self.seed = seed
        self.seeds = seeds

    @override
    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        # Configurations that were begun get their other seeds, then new ones begin; nothing where there are no more.
        counts = [len(row.objectives) + len(row.pending) + len(row.failed) for row in tried]
        missing = [i for i, count in enumerate(counts) for _ in range(self.seeds - count)]
        picks: list[Pick] = [Further(i) for i in missing[:wanted]]
        first = len(tried)
        new = self.propose(tried, -(-(wanted - len(picks)) // self.seeds)) if len(picks) < wanted else []
        for position, proposed in enumerate(new):
            picks += [proposed, *[Further(first + position)] * (self.seeds - 1)]
        return picks[:wanted]

    def propose(self, tried: Sequence[Configuration], wanted: int) -> list[New]:
        """So many new configurations; fewer where the space holds no more."""
        return [New(params) for params in sobol(self.encoding, self.seed, [row.params for row in tried], wanted)]

    @override
    def first_seed(self, number: int) -> int:
        return 0

    @override
    def summaries(self, tried: Sequence[Configuration]) -> list[PosteriorSummary]:
        known = [i for i, row in enumerate(tried) if row.objectives]
        if not known:
            return []
        estimate = shrink([list(tried[i].objectives.values()) for i in known])
        order = ordered(tried, known, estimate.means)
        lead = order[0]
        gap = estimate.means - estimate.means[lead]
        error = np.hypot(estimate.se, estimate.se[lead])
        better = np.where(error > 0, ndtr(np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)), 0.5)
        return [
            PosteriorSummary(known[row], float(estimate.means[row]), float(estimate.se[row]), float(better[row]))
            for row in order
        ]

    @override
    def leader(self, tried: Sequence[Configuration]) -> Leader:
        summaries = self.summaries(tried)
        if not summaries:
            raise ValueError("no configuration has a result yet")
        return Leader(summaries[0].position, summaries[0].estimate)

    @override
    def gain_left(self, tried: Sequence[Configuration]) -> float | None:
        return None  # a design ends with its budget
