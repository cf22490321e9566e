"""Does the primary interval cover what it is said to cover? Studies simulated from the fitted components.

A study draws a configuration's true means, its draws and its seeds for both arms jointly, and asks whether the interval
of the mean paired difference holds the true one: the mean over draws and seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from kdsearch.statistics import look_level, mean_interval

from .components import Components, root
from .outcomes import SCORE_GAIN, Posterior
from .recorded import SCORES, TEST_GAIN, Floats
from .replay import PAIRS, Basis

STUDIES = 2_000
SCALES = (1.0, 0.5, 2.0)
DESIGNS = ((40, 1, "draws"), (20, 1, "draws"), (1, 20, "seeds"), (5, 4, "seeds"), (5, 4, "draws"))
"""Draws, seeds of each, and what t counts."""


@dataclass(frozen=True)
class Coverage:
    """One design: mean half width and coverage of the 95 % t interval, and of the one that a first look is shown."""

    draws: int
    seeds: int
    unit: str
    half: float
    covers: float
    looked: float


@dataclass(frozen=True)
class Comparison:
    """One of the two primary comparisons on the same draws: from the record and from studies simulated of components.

    ``recorded``: mean half width by the sd over the recorded draws. ``half`` and ``covers`` are the simulation's.
    """

    name: str
    recorded: float
    half: float
    covers: float


def coverage(components: Components, scale: float = 1.0, studies: int = STUDIES, seed: int = 0) -> tuple[Coverage, ...]:
    """All designs; ``components`` of the two scores.

    ``scale`` multiplies both variances of what a draw does: to all configurations alike, and to each.
    """
    return tuple(
        _covered(components, scale, *design, studies, np.random.default_rng([seed, place]))
        for place, design in enumerate(DESIGNS)
    )


def differences(
    components: Components, scale: float, draws: int, seeds: int, studies: int, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Differences ``[studies, draws, seeds]`` of both arms and the true one of each study ``[studies]``."""

    def drawn(covariance: Floats, *shape: int) -> Floats:
        values: Floats = generator.normal(size=(*shape, 2)) @ root(covariance)
        return values

    truth = drawn(components.setting, studies)
    place = drawn(scale * components.draw, studies, draws) + drawn(scale * components.cell, studies, draws)
    arms = truth[:, None, None] + place[:, :, None] + drawn(components.seed, studies, draws, seeds)
    return arms @ SCORE_GAIN, truth @ SCORE_GAIN


def comparisons(basis: Basis, chosen: Any, studies: int = STUDIES, seed: int = 0) -> tuple[Comparison, ...]:
    """The chosen settings minus themselves without distillation, and minus the best without it, on 40 draws.

    ``chosen``: positions of the replayed choices, each as often as it was chosen. The best without distillation is the
    setting of the highest posterior mean of the objective without. Recorded runs of two settings share fold and
    teacher, not their seeds, as those of a study do; the third row takes them to be as alike as seeds of one setting.
    """
    rows, counts = np.unique(chosen, return_counts=True)
    best = int(Posterior.of(basis).whole.mean[:, 2].argmax())
    drawn, scores = basis.record.drawn, basis.components.of(SCORES)
    own, other = drawn[rows] @ TEST_GAIN, drawn[rows, :, 1] - drawn[best, :, 3]
    alone, shared = float(np.trace(scores.seed)), 2 * float(scores.seed[0, 1])
    place = float(SCORE_GAIN @ scores.draw @ SCORE_GAIN)
    within = float(SCORE_GAIN @ scores.cell @ SCORE_GAIN) + alone - shared
    between = float(np.trace(scores.cell)) + alone
    sds = {
        "itself without distillation": (_sds(own), place + within),
        "best without distillation": (_sds(other), place + between),
        "the same, if seeds are shared": (np.sqrt(np.maximum(_sds(other) ** 2 - shared, 0)), place + between - shared),
    }
    found = []
    for number, (name, (recorded, variance)) in enumerate(sds.items()):
        generator = np.random.default_rng([seed, 100 + number])
        values = math.sqrt(max(0.0, variance)) * generator.normal(size=(studies, PAIRS))
        half, covers = _interval(values, np.zeros(studies), 0.95)
        factor = float(special.stdtrit(PAIRS - 1, 0.975)) / math.sqrt(PAIRS)
        found.append(Comparison(name, factor * float(np.average(recorded, weights=counts)), half, covers))
    return tuple(found)


def _covered(
    components: Components,
    scale: float,
    draws: int,
    seeds: int,
    unit: str,
    studies: int,
    generator: np.random.Generator,
) -> Coverage:
    values, truth = differences(components, scale, draws, seeds, studies, generator)
    units = values.mean(2) if unit == "draws" else values.reshape(studies, -1)
    half, covers = _interval(units, truth, 0.95)
    _, looked = _interval(units, truth, 1 - look_level([units.shape[1]]))
    return Coverage(draws, seeds, unit, half, covers, looked)


def _interval(units: Floats, truth: Floats, confidence: float) -> tuple[float, float]:
    """Mean half width and coverage of the t interval over ``units [studies, n]``: that of ``paired_difference``."""
    low, high = mean_interval(units.mean(1), units.std(1, ddof=1), units.shape[1], confidence)
    return float((high - low).mean()) / 2, float(((low <= truth) & (truth <= high)).mean())


def _sds(values: Floats) -> Floats:
    sds: Floats = values.std(1, ddof=1)
    return sds
