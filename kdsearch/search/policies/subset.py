"""Which settings a model is made of, which of them leads, and what stands for those that only failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kdsearch.search.gp.mixed_model import Runs
from kdsearch.search.gp.model import ROUNDING
from kdsearch.search.policies.base import Setting

Floats = NDArray[np.float64]

MODELLED = 400
"""Settings in one model, whose cost grows with their cube."""


def modelled(settings: Sequence[Setting], seed: int, folds: int = 1) -> list[int]:
    """Positions of the settings that are modelled: all with results, or the best and some others of very many."""
    known = [i for i, row in enumerate(settings) if row.objectives]
    if len(known) <= MODELLED:
        return known
    settings = levelled(settings, folds)
    counts = np.array([len(settings[i].objectives) for i in known])
    means = np.array([sum(settings[i].objectives.values()) for i in known]) / counts
    order = np.argsort(-(means - means.mean()) * counts / (counts + 1), kind="stable")
    best, others = order[: MODELLED * 3 // 4], order[MODELLED * 3 // 4 :]
    some = np.random.default_rng([seed, len(known)]).choice(others, MODELLED // 4, replace=False)
    return sorted(known[int(row)] for row in [*best, *some])


def levelled(settings: Sequence[Setting], folds: int) -> Sequence[Setting]:
    """The settings without what their runs have from their folds, roughly: see ``Runs.common``."""
    known = [row.objectives for row in settings if row.objectives]
    if folds == 1 or not known:
        return settings
    runs = Runs.of(known, folds)
    values = iter((runs.values - runs.common()).tolist())
    return [replace(row, objectives={seed: next(values) for seed in row.objectives}) for row in settings]


def ordered(settings: Sequence[Setting], known: Sequence[int], mean: Floats) -> NDArray[np.intp]:
    """Places in ``known``: those with two seeds or more by ``mean [k]``, then the others. One seed leads nobody."""
    single = np.array([len(settings[i].objectives) < 2 for i in known])
    return np.lexsort((-mean, single))


def broken_in(settings: Sequence[Setting]) -> frozenset[int]:
    """Positions of the settings of which every run so far has failed."""
    return frozenset(i for i, row in enumerate(settings) if row.failed and not row.objectives and not row.pending)


def imputed(settings: Sequence[Setting], broken: frozenset[int], folds: int = 1) -> Sequence[Setting]:
    """The settings with the worst value that was seen in place of the results that ``broken`` ones do not have.

    The worst is that of the settings in the fold of the failed run: a setting is not bad because a fold is.
    """
    if not broken:
        return settings
    level = levelled(settings, folds)
    worst = min(value for row in level for value in row.objectives.values())
    common = {
        seed % folds: value - own.objectives[seed]
        for row, own in zip(settings, level, strict=True)
        for seed, value in row.objectives.items()
    }

    def stand_in(row: Setting) -> Setting:
        seed = min(row.failed)
        return Setting(row.params, {seed: worst + common.get(seed % folds, 0.0)}, row.pending, row.failed)

    return [stand_in(row) if i in broken else row for i, row in enumerate(settings)]


def equal(values: Sequence[float]) -> bool:
    """Whether values differ by no more than rounding."""
    return not values or max(values) - min(values) <= ROUNDING * max(1.0, abs(max(values)))
