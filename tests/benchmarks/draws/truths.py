"""Truths are posterior means: what the record says of each setting over draws and seeds, and worlds it may come from.

All of it is the best linear prediction (Henderson 1975) under the fitted components and a flat prior of the mean, which
for normal values is the posterior. In a balanced two-way layout it has a closed form: one matrix for the settings'
means, one for the draws', one for the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from .components import Components, excess, root, sd_of
from .recorded import Floats


@dataclass(frozen=True)
class Truths:
    """Posterior of the true means of C settings: ``mean [C, p]``, and the ``covariance [p, p]`` of each."""

    mean: Floats
    covariance: Floats

    def worse(self, contrast: Floats) -> Floats:
        """The probability ``[C]`` that ``contrast [p]`` of a setting's true values is below 0."""
        return below_zero(self.mean @ contrast, self.sd(contrast))

    def sd(self, contrast: Floats) -> float:
        """Posterior sd of the contrast, equal for all settings."""
        return sd_of(self.covariance, contrast)


@dataclass(frozen=True)
class World:
    """What the recorded settings may truly be: ``truth [C, p]``, ``cells [C, D, p]`` without seeds, ``fixed [C, p]``.

    ``fixed``: the means of the fixed draw, over its seeds.
    """

    truth: Floats
    cells: Floats
    fixed: Floats


def truths(means: Floats, components: Components) -> Truths:
    """The posterior from the settings' recorded means ``[C, p]`` over the draws.

    With ``B = S (S + R / D)^-1``, S the covariance of settings and R of residuals: ``m + B (ybar_c - m)``. Its
    covariance is ``(I - B) S``, what the settings' common level adds, ``(I - B) (S + R / D) (I - B)' / C``, and that of
    the draws' mean, which no number of settings makes smaller: ``draw / D``.
    """
    kept, own, level = _parts(components, components.residual)
    common = (np.eye(len(kept)) - kept) @ level @ (np.eye(len(kept)) - kept).T
    return Truths(shrunk(means, components), own + common + components.draw / components.draws)


def shrunk(means: Floats, components: Components) -> Floats:
    """Posterior means ``[..., C, p]`` from recorded ones ``[..., C, p]``."""
    kept, _, _ = _parts(components, components.residual)
    centre = means.mean(-2, keepdims=True)
    values: Floats = centre + (means - centre) @ kept.T
    return values


def below_zero(mean: Floats, sd: float) -> Floats:
    """The probability that a normal value is below 0; where it is known exactly, whether it is."""
    values: Floats = ndtr(-mean / sd) if sd > 0 else (mean < 0).astype(np.float64)
    return values


def world(drawn: Floats, fixed: Floats, components: Components, generator: np.random.Generator) -> World:
    """A draw from the posterior given ``drawn [C, D, p]`` and, independently, given ``fixed [C, S, p]``.

    Cells without their seed's part, ``v``: in the space of settings' means ``K = I - seed (D setting + residual)^-1``
    of the recorded deviation is kept, in that of draws' means ``I - seed (C draw + residual)^-1``, in that of residuals
    ``I - seed residual^-1``, and all of the mean; what is drawn has covariance ``K seed`` there. Truths follow given
    ``v``: what seeds did says nothing more of them.
    """
    cells = _cells(drawn, components, generator)
    kept, own, level = _parts(components, components.cell)
    count, values = len(cells), len(kept)
    centre = cells.mean((0, 1)) + root(level) @ generator.normal(size=values)
    shift = root(components.draw / components.draws) @ generator.normal(size=values)
    noise = generator.normal(size=(count, values)) @ root(own)
    truth = centre - shift + (cells.mean(1) - centre) @ kept.T + noise
    return World(truth, cells, _fixed(fixed, components.seed, generator))


def _parts(components: Components, residual: Floats) -> tuple[Floats, Floats, Floats]:
    """``B``, the covariance of a setting given the level of all, and the covariance of that level."""
    total = components.setting + residual / components.draws
    kept = components.setting @ _inverse(total)
    return kept, components.setting - kept @ components.setting, total / components.settings


def _cells(drawn: Floats, components: Components, generator: np.random.Generator) -> Floats:
    seed, residual = components.seed, components.residual
    totals = (
        components.draws * components.setting + residual,
        components.settings * components.draw + residual,
        residual,
    )
    noise = _projected(np.asarray(generator.normal(size=drawn.shape)))
    cells = np.zeros_like(drawn)
    for part, own, total in zip(_projected(drawn)[1:], noise[1:], totals, strict=True):
        kept = np.eye(len(seed)) - seed @ _inverse(total)
        cells += part @ kept.T + own @ root(kept @ seed)
    centre: Floats = drawn.mean((0, 1)) + noise[0] @ root(seed)
    return cells + centre


def _projected(values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """``[C, D, p]`` as a sum of its mean, settings' means, draws' means and what is left."""
    centre = np.broadcast_to(values.mean((0, 1)), values.shape)
    rows = np.broadcast_to(values.mean(1, keepdims=True), values.shape) - centre
    columns = np.broadcast_to(values.mean(0, keepdims=True), values.shape) - centre
    return centre, rows, columns, values - centre - rows - columns


def _fixed(fixed: Floats, seed: Floats, generator: np.random.Generator) -> Floats:
    """A draw of the fixed draw's true means ``[C, p]``, shrunk as those of settings that differ as much as these."""
    count, seeds, _ = fixed.shape
    means, error = fixed.mean(1), seed / seeds
    centre = means.mean(0)
    between = (means - centre).T @ (means - centre) / (count - 1)
    kept = np.eye(len(seed)) - error @ _inverse(excess(between, error) + error)
    noise = np.asarray(generator.normal(size=means.shape))
    level = noise.mean(0)
    values: Floats = centre + level @ root(error) + (means - centre) @ kept.T + (noise - level) @ root(kept @ error)
    return values


def _inverse(covariance: Floats) -> Floats:
    """The inverse where there is one; a value without any variance has nothing to be predicted from."""
    return np.asarray(np.linalg.pinv(covariance, rcond=1e-9, hermitian=True), dtype=np.float64)
