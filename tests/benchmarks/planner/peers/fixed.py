"""The rule that most people use: every setting gets the same number of seeds, the highest raw mean wins."""

from __future__ import annotations

from collections.abc import Sequence

from kdsearch.search.policies.base import Further, Leader, New, Pick, Setting

from .counts import asked, complete_params, highest_mean
from .sources import Source


class Fixed:
    """``seeds`` seeds for each setting of ``source``; the source learns a setting's raw mean when all have ended.

    The leader is the highest raw mean among settings whose seeds have all ended; before there is one, among all with a
    result.
    """

    def __init__(self, source: Source, seeds: int) -> None:
        self.source = source
        self.seeds = seeds

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """Seeds that are missing, in the order of their settings, then new settings with all their seeds."""
        self.source.learn(settings, self.seeds)
        picks: list[Pick] = []
        for position, setting in enumerate(settings):
            picks += [Further(position)] * (self.seeds - asked(setting))
        number = len(settings)
        while len(picks) < wanted:
            picks.append(New(self.source.propose()))
            picks += [Further(number)] * (self.seeds - 1)
            number += 1
        self.source.sent(settings, picks[:wanted])
        return picks[:wanted]

    def leader(self, settings: Sequence[Setting]) -> Leader:
        """The highest raw mean among settings with all their seeds."""
        return highest_mean(
            settings, [position for position, setting in enumerate(settings) if complete_params(setting) >= self.seeds]
        )
