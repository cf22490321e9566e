"""Which configurations a model is made of, which of them leads, and what stands for those that only failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kdsearch.search.gp.mixed_model import Runs
from kdsearch.search.gp.model import ROUNDING
from kdsearch.search.policies.base import Configuration

Floats = NDArray[np.float64]

MODELLED = 400
"""Configurations in one model, whose cost grows with their cube."""


def modelled(tried: Sequence[Configuration], seed: int, folds: int = 1) -> list[int]:
    """Positions of the configurations that are modelled: all with results, or the best and some others of very many."""
    known = [i for i, row in enumerate(tried) if row.objectives]
    if len(known) <= MODELLED:
        return known
    tried = levelled(tried, folds)
    counts = np.array([len(tried[i].objectives) for i in known])
    means = np.array([sum(tried[i].objectives.values()) for i in known]) / counts
    order = np.argsort(-(means - means.mean()) * counts / (counts + 1), kind="stable")
    best, others = order[: MODELLED * 3 // 4], order[MODELLED * 3 // 4 :]
    some = np.random.default_rng([seed, len(known)]).choice(others, MODELLED // 4, replace=False)
    return sorted(known[int(row)] for row in [*best, *some])


def levelled(tried: Sequence[Configuration], folds: int) -> Sequence[Configuration]:
    """The configurations without what their runs have from their folds, roughly: see ``Runs.common``."""
    known = [row.objectives for row in tried if row.objectives]
    if folds == 1 or not known:
        return tried
    runs = Runs.of(known, folds)
    values = iter((runs.values - runs.common()).tolist())
    return [replace(row, objectives={seed: next(values) for seed in row.objectives}) for row in tried]


def ordered(tried: Sequence[Configuration], known: Sequence[int], mean: Floats) -> NDArray[np.intp]:
    """Places in ``known``: those with two seeds or more by ``mean [k]``, then the others. One seed leads nobody."""
    single = np.array([len(tried[i].objectives) < 2 for i in known])
    return np.lexsort((-mean, single))


def broken_in(tried: Sequence[Configuration]) -> frozenset[int]:
    """Positions of the configurations of which every run so far has failed."""
    return frozenset(i for i, row in enumerate(tried) if row.failed and not row.objectives and not row.pending)


def imputed(tried: Sequence[Configuration], broken: frozenset[int], folds: int = 1) -> Sequence[Configuration]:
    """The configurations with the worst value that was seen in place of the results that ``broken`` ones do not have.

    The worst is that of the configurations in the fold of the failed run: a configuration is not bad because a fold is.
    """
    if not broken:
        return tried
    level = levelled(tried, folds)
    worst = min(value for row in level for value in row.objectives.values())
    common = {
        seed % folds: value - own.objectives[seed]
        for row, own in zip(tried, level, strict=True)
        for seed, value in row.objectives.items()
    }

    def stand_in(row: Configuration) -> Configuration:
        seed = min(row.failed)
        return replace(row, objectives={seed: worst + common.get(seed % folds, 0.0)})

    return [stand_in(row) if i in broken else row for i, row in enumerate(tried)]


def equal(values: Sequence[float]) -> bool:
    """Whether values differ by no more than rounding."""
    return not values or max(values) - min(values) <= ROUNDING * max(1.0, abs(max(values)))
