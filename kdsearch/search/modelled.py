"""Which settings a model is made of, which of them leads, and what stands for those that only failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdsearch.search.model import ROUNDING
from kdsearch.search.policy import Setting

Floats = NDArray[np.float64]

MODELLED = 400
"""Settings in one model, whose cost grows with their cube."""


def modelled(settings: Sequence[Setting], seed: int) -> list[int]:
    """Positions of the settings that are modelled: all with results, or the best and some others of very many."""
    known = [i for i, row in enumerate(settings) if row.objectives]
    if len(known) <= MODELLED:
        return known
    counts = np.array([len(settings[i].objectives) for i in known])
    means = np.array([sum(settings[i].objectives.values()) for i in known]) / counts
    order = np.argsort(-(means - means.mean()) * counts / (counts + 1), kind="stable")
    best, others = order[: MODELLED * 3 // 4], order[MODELLED * 3 // 4 :]
    some = np.random.default_rng([seed, len(known)]).choice(others, MODELLED // 4, replace=False)
    return sorted(known[int(row)] for row in [*best, *some])


def ordered(settings: Sequence[Setting], known: Sequence[int], mean: Floats) -> NDArray[np.intp]:
    """Places in ``known``: those with two seeds or more by ``mean [k]``, then the others. One seed leads nobody."""
    single = np.array([len(settings[i].objectives) < 2 for i in known])
    return np.lexsort((-mean, single))


def broken_in(settings: Sequence[Setting]) -> frozenset[int]:
    """Positions of the settings of which every run so far has failed."""
    return frozenset(i for i, row in enumerate(settings) if row.failed and not row.objectives and not row.pending)


def imputed(settings: Sequence[Setting], broken: frozenset[int]) -> Sequence[Setting]:
    """The settings with the worst value that was seen in place of the results that ``broken`` ones do not have."""
    if not broken:
        return settings
    worst = min(value for row in settings for value in row.objectives.values())
    return [
        Setting(row.params, {min(row.failed): worst}, row.pending, row.failed) if i in broken else row
        for i, row in enumerate(settings)
    ]


def equal(values: Sequence[float]) -> bool:
    """Whether values differ by no more than rounding."""
    return not values or max(values) - min(values) <= ROUNDING * max(1.0, abs(max(values)))
