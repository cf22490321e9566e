"""Successive halving with seeds as the resource: double the seeds, keep the better half."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from kdsearch.search.policies.base import Further, Leader, New, Pick, Setting

from .counts import asked, complete_params, highest_mean
from .sources import Source

LAST = 3


class Halving:
    """One synchronous bracket (Jamieson and Talwalkar 2016) that fills the budget, over seeds instead of epochs.

    ``starters`` settings get ``start`` seeds; the half with the highest raw means (rounded down) goes on to twice as
    many, until two or three are left. A rung waits for all its runs. ``starters`` is the largest number whose bracket
    costs no more than ``budget``; what is left over goes to the last two or three in turn. A sampler that learns is
    told the mean over the first ``start`` seeds. The leader is the highest raw mean in the rung that is under way.
    """

    def __init__(self, source: Source, budget: int, start: int = 1) -> None:
        self.source = source
        self.start = start
        self.starters = 1
        self._drawn = 0
        while bracket_cost(self.starters + 1, start) <= budget:
            self.starters += 1

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """New settings until the bracket is full, then what its current rung misses."""
        self.source.learn(settings, self.start)
        members, seeds = self.rung(settings)
        picks: list[Pick] = []
        for position in members:
            picks += [Further(position)] * (seeds - asked(settings[position]))
        if self._filling(settings) and len(picks) < wanted:
            for number in range(len(settings), self.starters):
                picks += [New(self.source.propose()), *[Further(number)] * (self.start - 1)]
                self._drawn += 1
                if len(picks) >= wanted:
                    break
        self.source.sent(settings, picks[:wanted])
        return picks[:wanted]

    def leader(self, settings: Sequence[Setting]) -> Leader:
        """The highest raw mean among members of the current rung; in the first, among those with all its seeds."""
        members, _ = self.rung(settings)
        return highest_mean(settings, [index for index in members if complete_params(settings[index]) >= self.start])

    def rung(self, settings: Sequence[Setting]) -> tuple[list[int], int]:
        """Positions in the rung that is under way and the seeds each of them shall have."""
        members, seeds = list(range(len(settings))), self.start
        if self._filling(settings):
            return members, seeds
        while len(members) > LAST and all(complete_params(settings[index]) >= seeds for index in members):
            members = survivors(settings, members, seeds)
            seeds *= 2
        least = min(complete_params(settings[index]) for index in members)
        return members, seeds if least < seeds else least + 1  # only the last rung can be through: seeds in turn

    def _filling(self, settings: Sequence[Setting]) -> bool:
        """Whether starters are missing; no more where as many draws again have found too few different ones."""
        return len(settings) < self.starters and self._drawn < 2 * self.starters


def survivors(settings: Sequence[Setting], members: Sequence[int], seeds: int) -> list[int]:
    """The better half of ``members`` by the raw mean over their first ``seeds`` seeds; the earlier of equals."""

    def mean(position: int) -> float:
        values = [value for index, value in settings[position].objectives.items() if index < seeds]
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
