"""How irace draws new configurations: around elites, with a spread that shrinks from race to race."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.space import Categorical, Range
from kdsearch.tasks.base import Scalar

from .cube import Floats, from_unit, to_unit

Chances = dict[str, Floats]


class Elites:
    """The sampling model of irace (Lopez-Ibanez et al. 2016, section 2.3), in the unit cube.

    A parent is drawn among the ``E`` elites with weight ``E - rank + 1``. A number is drawn from a normal distribution
    around the parent's, truncated to the range, with ``sigma_1 = 1/2`` and ``sigma_j = sigma_(j-1) *
    (1/new_j)^(1/dimensions)`` in race ``j``. Each elite keeps its own probabilities of choices: uniform at first, in
    race ``j`` ``p (1 - (j-1)/races)`` and ``(j-1)/races`` more for its own choice; a child inherits them.
    """

    def __init__(self, space: Mapping[str, Range], races: int) -> None:
        self.space = space
        self.races = races
        self.sigma = 0.5
        self._chances: dict[int, Chances] = {}

    def sharpen(self, elites: Mapping[int, Mapping[str, Scalar]], race: int, new: int) -> None:
        """Before ``race`` (2, 3 ...), which draws ``new`` ones around ``elites``: their parameters by position."""
        self.sigma *= (1 / new) ** (1 / len(self.space))
        share = min((race - 1) / self.races, 1.0)
        for position, params in elites.items():
            chances = self._chances.setdefault(position, self._uniform())
            for name, before in chances.items():
                dimension = self.space[name]
                assert isinstance(dimension, Categorical)
                after = before * (1 - share)
                after[dimension.choices.index(params[name])] += share
                chances[name] = after

    def child(
        self, elites: Mapping[int, Mapping[str, Scalar]], ranked: Sequence[int], rng: np.random.Generator
    ) -> tuple[int, dict[str, Scalar]]:
        """Parent and parameters of a new configuration; ``ranked`` are the elites' positions, best first."""
        weights = np.arange(len(ranked), 0, -1, dtype=np.float64)
        parent = ranked[int(rng.choice(len(ranked), p=weights / weights.sum()))]
        point = to_unit(self.space, elites[parent])
        for index, name in enumerate(self.space):
            if name in self._chances[parent]:
                chances = self._chances[parent][name]
                point[index] = (int(rng.choice(len(chances), p=chances)) + 0.5) / len(chances)
            else:
                point[index] = truncated(float(point[index]), self.sigma, rng)
        return parent, from_unit(self.space, point)

    def inherit(self, position: int, parent: int) -> None:
        """The child that now stands at ``position`` begins with its parent's probabilities."""
        self._chances[position] = dict(self._chances[parent])

    def _uniform(self) -> Chances:
        return {
            name: np.full(len(dimension.choices), 1 / len(dimension.choices))
            for name, dimension in self.space.items()
            if isinstance(dimension, Categorical)
        }


def truncated(centre: float, sigma: float, rng: np.random.Generator) -> float:
    """One draw of N(centre, sigma^2) inside [0, 1], by its quantile."""
    from scipy.special import ndtr, ndtri

    low, high = float(ndtr(-centre / sigma)), float(ndtr((1 - centre) / sigma))
    return min(max(centre + sigma * float(ndtri(low + rng.random() * (high - low))), 0.0), 1.0)
