"""What counts once in a comparison on fresh seeds: a seed, or a teacher that several seeds share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

from kdsearch.draws import Draws
from kdsearch.report.captions import MEAN_INTERVAL, TEACHER_MEAN_INTERVAL
from kdsearch.report.drawn import Drawn, drawn
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Estimate
from kdsearch.statistics import summarize

FEWEST_TEACHERS = 6
"""Fewer say too little of teachers trained so: the exact test of their signs could not fall under 0.05 either."""


@dataclass(frozen=True)
class Units:
    """Groups confirm seeds by what they share.

    Seeds with one teacher and one fold have its luck in common: then the teacher is the unit, its value is the mean
    over its seeds, and all statistics count teachers. Where each seed has a teacher of its own, or all have one, the
    seed is the unit.
    """

    draws: Draws = field(default_factory=Draws)
    streams: frozenset[str] = frozenset()
    shared: int = 0

    @classmethod
    def of(cls, selection: Selection) -> Units:
        """The units of a study's confirm runs."""
        found: Drawn = drawn(selection)
        return cls(found.draws, found.streams, found.shared)

    @property
    def word(self) -> str:
        """``seed`` or ``teacher``."""
        return "teacher" if self.shared else "seed"

    def key(self, seed: int) -> Hashable:
        """The same for seeds that are one unit."""
        return self.draws.draw("confirm", seed, self.streams) if self.shared else seed

    def means(self, values: Mapping[int, float]) -> dict[Hashable, float]:
        """The mean of each unit, by its key, from values by confirm seed; in the order of seeds."""
        groups: dict[Hashable, list[float]] = {}
        for seed in sorted(values):
            groups.setdefault(self.key(seed), []).append(values[seed])
        return {key: sum(group) / len(group) for key, group in groups.items()}

    def pairs(self, first: Mapping[int, float], second: Mapping[int, float]) -> tuple[list[float], list[float]]:
        """The unit means of both over the seeds that both have, aligned."""
        common = first.keys() & second.keys()
        means = [self.means({seed: side[seed] for seed in common}) for side in (first, second)]
        return list(means[0].values()), list(means[1].values())

    def judges(self, count: int) -> bool:
        """Whether so many units may carry a verdict."""
        return not self.shared or count >= FEWEST_TEACHERS

    def sample(self, values: Mapping[int, float]) -> list[float]:
        """What statistics count, from values by confirm seed: one number a unit."""
        return list(self.means(values).values())

    def estimate(self, values: Mapping[int, float]) -> Estimate | None:
        """The mean with its interval over units and the sd over runs; ``n`` counts runs. ``None`` without values."""
        runs = summarize([values[seed] for seed in sorted(values)])
        if not self.shared or not values:
            return Estimate.of(runs)
        means = Estimate.of(summarize(self.sample(values)))
        return None if means is None else replace(means, sd=runs.sd, n=runs.n)

    @property
    def mean_note(self) -> str:
        """Say what the interval of a mean is."""
        return TEACHER_MEAN_INTERVAL if self.shared else MEAN_INTERVAL


def joined(first: Units, second: Units, seeds: list[int]) -> dict[int, Hashable]:
    """The unit of each seed where two studies' seeds are compared: seeds that share a teacher in either are one.

    A chain of seeds, each sharing a teacher with the next one in one of the studies, is one unit as a whole.
    """
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for seed in seeds:
        parent[root((1, first.key(seed)))] = root((2, second.key(seed)))
    return {seed: root((1, first.key(seed))) for seed in seeds}
