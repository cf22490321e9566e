"""Successive halving with seeds as the resource: double the seeds, keep the better half."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick

from .counts import asked, highest_mean, settled
from .sources import Source

LAST = 3


class Halving:
    """One synchronous bracket (Jamieson and Talwalkar 2016) that fills the budget, over seeds instead of epochs.

    ``starters`` configurations get ``start`` seeds; the half with the highest raw means (rounded down) goes on to twice
    as many, until two or three are left. A rung waits for all its runs. ``starters`` is the largest number whose
    bracket costs no more than ``budget``; what is left over goes to the last two or three in turn. A sampler that
    learns is told the mean over the first ``start`` seeds. The leader is the highest raw mean in the rung that is under
    way.
    """

    def __init__(self, source: Source, budget: int, start: int = 1) -> None:
        self.source = source
        self.start = start
        self.starters = 1
        self._drawn = 0
        while bracket_cost(self.starters + 1, start) <= budget:
            self.starters += 1

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """New configurations until the bracket is full, then what its current rung misses."""
        self.source.learn(tried, self.start)
        members, seeds = self.rung(tried)
        picks: list[Pick] = []
        for position in members:
            picks += [Further(position)] * (seeds - asked(tried[position]))
        if self._filling(tried) and len(picks) < wanted:
            for number in range(len(tried), self.starters):
                picks += [New(self.source.propose()), *[Further(number)] * (self.start - 1)]
                self._drawn += 1
                if len(picks) >= wanted:
                    break
        self.source.sent(tried, picks[:wanted])
        return picks[:wanted]

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """The highest raw mean among members of the current rung; in the first, among those with all its seeds."""
        members, _ = self.rung(tried)
        return highest_mean(tried, [index for index in members if settled(tried[index]) >= self.start])

    def rung(self, tried: Sequence[Configuration]) -> tuple[list[int], int]:
        """Positions in the rung that is under way and the seeds each of them shall have."""
        members, seeds = list(range(len(tried))), self.start
        if self._filling(tried):
            return members, seeds
        while len(members) > LAST and all(settled(tried[index]) >= seeds for index in members):
            members = survivors(tried, members, seeds)
            seeds *= 2
        least = min(settled(tried[index]) for index in members)
        return members, seeds if least < seeds else least + 1  # only the last rung can be through: seeds in turn

    def _filling(self, tried: Sequence[Configuration]) -> bool:
        """Whether starters are missing; no more where as many draws again have found too few different ones."""
        return len(tried) < self.starters and self._drawn < 2 * self.starters


def survivors(tried: Sequence[Configuration], members: Sequence[int], seeds: int) -> list[int]:
    """The better half of ``members`` by the raw mean over their first ``seeds`` seeds; the earlier of equals."""

    def mean(position: int) -> float:
        values = [value for index, value in tried[position].objectives.items() if index < seeds]
        return fmean(values) if values else -float("inf")

    best_first = sorted(members, key=lambda position: (-mean(position), position))
    return sorted(best_first[: len(best_first) // 2])


def bracket_cost(starters: int, start: int) -> int:
    """Runs of a bracket until two or three are left: each rung adds as many seeds as its members have."""
    cost, members, seeds = starters * start, starters, start
    while members > LAST:
        members //= 2
        cost += members * seeds
        seeds *= 2
    return cost
