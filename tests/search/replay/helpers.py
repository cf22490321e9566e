"""A policy without any sense, and a table small enough to check by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick
from kdsearch.search.replay import Table
from kdsearch.space import Dimension, Integer, Uniform


class Blind:
    """Random configurations, ``seeds`` runs each; leads with the highest raw mean."""

    def __init__(self, space: Mapping[str, Dimension], seed: int, seeds: int = 2) -> None:
        self.encoding = Encoding(space)
        self.rng = np.random.default_rng(seed)
        self.seeds = seeds
        self.asked: list[int] = []

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        self.asked.append(wanted)
        picks: list[Pick] = []
        count = len(tried)
        for _ in range(wanted):
            ordered = sum(len(row.objectives) + len(row.pending) for row in tried) + len(picks)
            if ordered % self.seeds:
                picks.append(Further(count - 1))
            else:
                picks.append(New(self.encoding.params(self.rng.random(len(self.encoding.names)))))
                count += 1
        return picks

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        means = [np.mean(list(row.objectives.values())) if row.objectives else -np.inf for row in tried]
        best = int(np.argmax(means))
        return Leader(best, float(means[best]))


SPACE: dict[str, Dimension] = {"x": Uniform(0.0, 10.0), "k": Integer(1, 2)}


def small_table() -> Table:
    """Means 1, 4 and 2; residuals (-1, 1), (2, -2), (0, 0)."""
    params = ({"x": 0.0, "k": 1}, {"x": 5.0, "k": 1}, {"x": 10.0, "k": 2})
    values = np.array([[0.0, 2.0], [6.0, 2.0], [2.0, 2.0]])
    return Table("small", SPACE, params, values, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
