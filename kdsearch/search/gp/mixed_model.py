"""All runs reduced to one value and one noise matrix over configurations, without loss: Henderson's mixed-model
equations.

What several configurations may have in common is a *block* of runs: those of one seed or, where runs draw folds, those
of one fold (with the teacher that belongs to it). A configuration meets a seed once and a fold many times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Runs:
    """Ended runs of ``k`` configurations and ``J`` blocks: ``values [N]``, ``configuration [N]`` and ``block [N]``
    (positions).

    ``folds``: how many folds the seeds take in turn; with one, each seed is a block, else each fold that was met.
    """

    values: Floats
    configuration: NDArray[np.intp]
    block: NDArray[np.intp]
    k: int
    blocks: int
    folds: int = 1

    @staticmethod
    def of(objectives: Sequence[Mapping[int, float]], folds: int = 1) -> Runs:
        """Gather ``objectives[i][seed]``; every configuration must have a value."""
        block_of = {seed: seed % folds if folds > 1 else seed for row in objectives for seed in row}
        place = {block: j for j, block in enumerate(sorted(set(block_of.values())))}
        triples = [(value, i, place[block_of[seed]]) for i, row in enumerate(objectives) for seed, value in row.items()]
        values, setting, block = zip(*triples, strict=True)
        return Runs(
            np.array(values, dtype=np.float64),
            np.array(setting, dtype=np.intp),
            np.array(block, dtype=np.intp),
            len(objectives),
            len(place),
            folds,
        )

    @property
    def compared(self) -> int:
        """How many configurations ran in two blocks or more: they tell blocks apart whatever they are worth."""
        cells = np.unique(self.configuration * self.blocks + self.block)
        return int(np.count_nonzero(np.bincount(cells // self.blocks) >= 2))

    def common(self) -> Floats:
        """Roughly what each run has from its fold ``[N]``, before there is a model; 0 where there is one fold.

        ``c / (c + 1)`` of how far the median of its ``c`` runs is off, the best estimate where a fold makes one half of
        a run's variance. A median, since runs may explode.
        """
        if self.folds == 1:
            return np.zeros_like(self.values)
        parts = [self.values[self.block == j] for j in range(self.blocks)]
        middle = float(np.median(self.values))
        off = [part.size / (part.size + 1) * (float(np.median(part)) - middle) for part in parts]
        return np.array(off)[self.block]


@dataclass(frozen=True)
class Reduced:
    """What the runs say of the configurations' true values, in units of the noise variance ``s2``.

    ``means [k]``: generalized least squares estimates. ``noise [k, k]``: their covariance divided by ``s2``.
    ``within``: weighted sum of squares around them, ``Q``. ``log_det``: ``log|V0| + log|M|``, what the likelihood
    of ``rho`` needs beside them. ``runs``: ``N``.
    """

    means: Floats
    noise: Floats
    within: float
    log_det: float
    runs: int


def reduce(runs: Runs, rho: float) -> Reduced:
    """Reduce runs to configurations where blocks have a common effect, the share ``rho`` of the variance ``v`` of a
    run.

    Model ``y_r = theta_i + b_j + e_r`` of run r of configuration i in block j, ``b_j ~ N(0, rho v)``, ``e_r ~ N(0, (1 -
    rho) v)``. With ``C_ij`` runs of configuration i in block j, ``n_i`` and ``c_j`` in all, ``D = diag(c_j + (1 - rho)
    / rho)``:

    ``M = (diag(n) - C D^-1 C') / (1 - rho)``, ``means = M^-1 (Y_i. - C D^-1 Y_.j) / (1 - rho)``, ``noise = M^-1``

    (Henderson 1950; Searle, Casella and McCulloch 1992, chapter 7). ``rho = 0``: means, ``diag(1 / n_i)``. All is in
    units of ``s2 = v`` where blocks are seeds; see ``_between_folds`` where they are folds.
    """
    n = np.bincount(runs.configuration, minlength=runs.k).astype(np.float64)
    totals = np.bincount(runs.configuration, runs.values, runs.k)
    squares = float(runs.values @ runs.values)
    if rho == 0:
        means = totals / n
        log_det = float(np.log(n).sum())
        return Reduced(means, np.diag(1 / n), squares - float(n @ means**2), log_det, runs.values.size)
    c = np.bincount(runs.block, minlength=runs.blocks).astype(np.float64)
    by_block = np.bincount(runs.block, runs.values, runs.blocks)
    inverse_d = 1 / (c + (1 - rho) / rho)
    incidence = np.zeros((runs.k, runs.blocks))
    np.add.at(incidence, (runs.configuration, runs.block), 1.0)
    m = (np.diag(n) - (incidence * inverse_d) @ incidence.T) / (1 - rho)
    noise = np.linalg.inv(m)
    noise = (noise + noise.T) / 2
    means = noise @ (totals - incidence @ (inverse_d * by_block)) / (1 - rho)
    explained = squares - float(by_block @ (inverse_d * by_block))
    within = explained / (1 - rho) - float(means @ m @ means)
    log_v0 = runs.values.size * np.log1p(-rho) + float(np.log1p(rho * c / (1 - rho)).sum())
    log_det = log_v0 + float(np.linalg.slogdet(m)[1])
    data = Reduced(means, noise, within, log_det, runs.values.size)
    return data if runs.folds == 1 else _between_folds(data, rho, runs.folds)


def _between_folds(data: Reduced, rho: float, folds: int) -> Reduced:
    """The same for a truth that is the mean over these very folds, and in units of ``s2 = (1 - rho) v``.

    The mean of all K effects, of variance ``rho v / K``, tells no configuration from another; all would seem unknown by
    so much. Without it ``V = V0 - (rho / K) 11'``. What is taken off has the form ``Z A Z'`` (``Z``: which run is
    whose), so ``means``, ``Q`` and ``log_det`` stay as they are and ``noise = M^-1 - (rho / K) 11'``. The unit is a
    run's own noise, since that is what the prior expects something of whatever folds do, and what a further run is
    bought with.
    """
    free = data.runs - data.means.size
    return Reduced(
        data.means,
        (data.noise - rho / folds) / (1 - rho),
        (1 - rho) * data.within,
        data.log_det - free * float(np.log1p(-rho)),
        data.runs,
    )
