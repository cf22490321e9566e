"""The rule that most people use: every configuration gets the same number of seeds, the highest raw mean wins."""

from __future__ import annotations

from collections.abc import Sequence

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick

from .counts import asked, highest_mean, settled
from .sources import Source


class Fixed:
    """``seeds`` seeds for each configuration of ``source``; the source learns a configuration's raw mean when all have
    ended.

    The leader is the highest raw mean among configurations whose seeds have all ended; before there is one, among all
    with a result.
    """

    def __init__(self, source: Source, seeds: int) -> None:
        self.source = source
        self.seeds = seeds

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """Seeds that are missing, in the order of their configurations, then new ones with all their seeds."""
        self.source.learn(tried, self.seeds)
        picks: list[Pick] = []
        for position, setting in enumerate(tried):
            picks += [Further(position)] * (self.seeds - asked(setting))
        number = len(tried)
        while len(picks) < wanted:
            picks.append(New(self.source.propose()))
            picks += [Further(number)] * (self.seeds - 1)
            number += 1
        self.source.sent(tried, picks[:wanted])
        return picks[:wanted]

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """The highest raw mean among configurations with all their seeds."""
        return highest_mean(
            tried, [position for position, setting in enumerate(tried) if settled(setting) >= self.seeds]
        )
