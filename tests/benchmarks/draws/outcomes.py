"""What became of the replayed searches: regret of the choice, worse choices, bias of the gain, the primary interval.

The choice of each search is confirmed in its own world. A drawn confirmation meets draws of the other partitions, so
that nothing confirms what it was chosen on; they are centred on the world's truth and widened by ``sqrt(m / (m - 1))``
of m draws, so that their mean is the truth and their spread that of fresh ones. A fixed one meets the fixed draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdsearch.statistics import mean_interval

from . import truths
from .recorded import OBJECTIVE_GAIN, SCORES, TEST_GAIN, Floats
from .replay import KINDS, Basis, Spending

RESAMPLES = 2_000
SCORE_GAIN = np.array([1.0, -1.0])
FIGURES = ("regret", "worse", "bias", "half", "covered")


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcomes:
    """Of each replay of one kind at one budget, all ``[R]``.

    ``choice``: position of the chosen setting. ``regret``: best posterior mean minus the choice's. ``worse``: posterior
    probability that the choice is worse than itself without distillation. ``bias``: its gain on validation minus that
    on test over the confirm seeds. ``half``: half width of the primary interval, ``covered``: whether it holds the
    world's true difference.
    """

    choice: Any
    regret: Floats
    worse: Floats
    bias: Floats
    half: Floats
    covered: Floats


@dataclass(frozen=True)
class Figure:
    """One figure of one kind: its interval over replays, and the one over replays and resampled draws (or ``None``)."""

    replays: Estimate
    draws: Estimate | None


@dataclass(frozen=True)
class Posterior:
    """Truths of the record: of all four ``VALUES``, and of the scores by themselves."""

    whole: truths.Truths
    scores: truths.Truths

    @staticmethod
    def of(basis: Basis) -> Posterior:
        """The truths that the recorded draws tell."""
        means = basis.record.drawn.mean(1)
        scores = basis.components.of(SCORES)
        return Posterior(truths.truths(means, basis.components), truths.truths(means[:, SCORES], scores))


def outcomes(basis: Basis, spending: Spending, kind: str, chosen: Any) -> Outcomes:
    """Confirm the choices ``[R]`` of one kind and compare them with the truths."""
    scores = Posterior.of(basis).scores
    confirmed = np.array(
        [_confirmed(basis, kind, number, row, spending.pairs[kind]) for number, row in enumerate(chosen)]
    )
    return Outcomes(
        chosen,
        scores.mean[:, 0].max() - scores.mean[chosen, 0],
        scores.worse(SCORE_GAIN)[chosen],
        *confirmed.T,
    )


def intervals(basis: Basis, found: dict[str, Outcomes]) -> dict[str, dict[str, Figure]]:
    """By figure, for both kinds and for ``drawn - fixed``; replays are resampled in pairs of one world.

    The other interval also resamples the record's draws, whole, and takes truths from them: of the recorded draws, too,
    there is but one sample. Widths and covers, and the bias on a draw that is fixed, are not functions of them.
    """
    generator = np.random.default_rng(0)
    replays = found[KINDS[0]].choice.size
    picks = generator.integers(0, replays, (RESAMPLES, replays))
    moved = _moved(basis, generator)
    figures: dict[str, dict[str, Figure]] = {}
    for name in FIGURES:
        values = {kind: getattr(found[kind], name) for kind in KINDS}
        drawn = {kind: value[picks].mean(1) for kind, value in values.items()}
        further = {}
        for kind in KINDS:
            if name in moved and not (name == "bias" and kind == "fixed"):
                shift = moved[name][np.arange(RESAMPLES)[:, None], found[kind].choice[picks]].mean(1)
                further[kind] = drawn[kind] + shift
        figures[name] = {
            kind: Figure(estimate(value.mean(), drawn[kind]), _or_none(value.mean(), further.get(kind)))
            for kind, value in values.items()
        }
        both = values["drawn"].mean() - values["fixed"].mean()
        paired = further["drawn"] - further["fixed"] if len(further) == len(KINDS) else None
        figures[name]["drawn - fixed"] = Figure(estimate(both, drawn["drawn"] - drawn["fixed"]), _or_none(both, paired))
    return figures


def estimate(value: float, resampled: Floats) -> Estimate:
    """A figure with the percentile interval of its resamples."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))


def _or_none(value: float, resampled: Floats | None) -> Estimate | None:
    return None if resampled is None else estimate(value, resampled)


def _confirmed(basis: Basis, kind: str, number: int, row: int, pairs: int) -> tuple[float, float, float]:
    """Bias of the gain, half width of the primary interval, and whether it covers."""
    world, generator = basis.world(number), np.random.default_rng([number, 2 + KINDS.index(kind)])
    if kind == "fixed":
        means = np.broadcast_to(world.fixed[row], (pairs, 4))
    else:
        others = np.setdiff1d(np.arange(world.cells.shape[1]), basis.partition(number))
        cells = world.cells[row, others]
        widened = (others.size / (others.size - 1)) ** 0.5 * (cells - cells.mean(0))
        means = world.truth[row] + widened[generator.integers(0, others.size, pairs)]
    values = means + basis.residuals[row, generator.integers(0, basis.residuals.shape[1], pairs)]
    gain = values @ TEST_GAIN
    low, high = mean_interval(gain.mean(), gain.std(ddof=1), pairs)
    truth = float(world.truth[row] @ TEST_GAIN)
    return float((values @ (OBJECTIVE_GAIN - TEST_GAIN)).mean()), float(high - low) / 2, float(low <= truth <= high)


def _moved(basis: Basis, generator: np.random.Generator) -> dict[str, Floats]:
    """How regret, worse and bias ``[RESAMPLES, C]`` of each setting move where the draws are resampled."""
    draws = basis.record.drawn.shape[1]
    counts = generator.multinomial(draws, np.full(draws, 1 / draws), RESAMPLES) / draws
    means = np.einsum("bd,cdp->bcp", counts, basis.record.drawn)
    scores, posterior = basis.components.of(SCORES), Posterior.of(basis)
    best, sd = int(posterior.scores.mean[:, 0].argmax()), posterior.scores.sd(SCORE_GAIN)

    # The best setting stays the same one: the best of resampled ones is better than any is.
    figures: dict[str, Callable[[Floats, Floats], Floats]] = {
        "regret": lambda _, score: score[..., best, 0][..., None] - score[..., 0],
        "worse": lambda _, score: truths.below_zero(score @ SCORE_GAIN, sd),
        "bias": lambda whole, _: whole @ (OBJECTIVE_GAIN - TEST_GAIN),
    }
    now = posterior.whole.mean, posterior.scores.mean
    then = truths.shrunk(means, basis.components), truths.shrunk(means[..., SCORES], scores)
    return {name: figure(*then) - figure(*now) for name, figure in figures.items()}
