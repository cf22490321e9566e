"""kdsearch's own first planner, kept as a reference: asynchronous halving over seeds, survivors by shrunken mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.search.policies.base import Further, Leader, New, Pick, Setting
from kdsearch.space import Range
from kdsearch.statistics.shrinkage import shrink
from kdsearch.tasks.base import Scalar

from .counts import asked, settled
from .memory import Memory

SURVIVORS = 0.5
EXPLORED = 0.8
LEADERS = 4


class Rungs:
    """Asynchronous successive halving (Li et al. 2020) over seeds, with TPE on shrunken means.

    A setting starts with ``rungs[0]`` seeds. Of those that have settled a rung, the better half by shrunken mean
    (empirical Bayes, ``kdsearch.statistics.shrinkage``) goes on to the next, as soon as it is in that half. The last
    fifth of the budget opens no new settings: one seed at a time goes to that one of the four leaders which has the
    fewest. The leader is the highest shrunken mean among settings with at least ``rungs[0]`` values.
    """

    def __init__(self, space: Mapping[str, Range], seed: int, budget: int, rungs: Sequence[int] = (2, 4, 8)) -> None:
        self.space = space
        self.seed = seed
        self.budget = budget
        self.rungs = tuple(rungs)

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """Seeds that the first rung misses, then promotions, then new settings or, late, the leaders."""
        means = shrunken(settings)
        given = [asked(setting) for setting in settings]
        picks: list[Pick] = []
        proposed: list[Mapping[str, Scalar]] = []

        def give(position: int, upto: int) -> None:
            nonlocal picks
            picks += [Further(position)] * (upto - given[position])
            given[position] = max(given[position], upto)

        for position in range(len(settings)):
            give(position, self.rungs[0])
        for position, upto in self._promotions(settings, means, given):
            give(position, upto)
        while len(picks) < wanted:
            if sum(given) + self.rungs[0] * len(proposed) < EXPLORED * self.budget:
                proposed.append(self._propose(settings, means, proposed))
                number = len(settings) + len(proposed) - 1
                picks += [New(proposed[-1]), *[Further(number)] * (self.rungs[0] - 1)]
            elif (least := self._least(settings, means, given)) is not None:
                give(least, given[least] + 1)
            else:
                break  # every leader has runs on their way: their results decide who gets the rest
        return picks[:wanted]

    def leader(self, settings: Sequence[Setting]) -> Leader:
        """The highest shrunken mean among settings with a first rung of values; among all before there is one."""
        means = shrunken(settings)
        enough = [position for position in means if len(settings[position].objectives) >= self.rungs[0]]
        ranked = _best_first(means, enough or means)
        if not ranked:
            raise ValueError("no setting has a result yet: let the runs that were asked for end first")
        return Leader(ranked[0], means[ranked[0]])

    def _promotions(
        self, settings: Sequence[Setting], means: Mapping[int, float], given: Sequence[int]
    ) -> list[tuple[int, int]]:
        found: dict[int, int] = {}
        for rung, following in reversed(list(zip(self.rungs, self.rungs[1:], strict=False))):
            through = _best_first(means, [position for position in means if settled(settings[position]) >= rung])
            for position in through[: int(len(through) * SURVIVORS)]:
                if given[position] < following:
                    found.setdefault(position, following)
        return list(found.items())

    @staticmethod
    def _least(settings: Sequence[Setting], means: Mapping[int, float], given: Sequence[int]) -> int | None:
        leaders = _best_first(means, means)[:LEADERS]
        idle = [position for position in leaders if given[position] == settled(settings[position])]
        return min(idle, key=lambda position: given[position], default=None)

    def _propose(
        self, settings: Sequence[Setting], means: Mapping[int, float], proposed: Sequence[Mapping[str, Scalar]]
    ) -> dict[str, Scalar]:
        """TPE from today's means: shrunken means move, told trials do not, so the study is built each time."""
        from optuna.samplers import TPESampler

        number, runs = len(settings) + len(proposed), sum(map(asked, settings))
        state = np.random.SeedSequence(self.seed, spawn_key=(number, runs)).generate_state(1)
        memory = Memory(self.space, TPESampler(seed=int(state[0])))
        memory.recall([*(setting.params for setting in settings), *proposed], means)
        return memory.propose()


def shrunken(settings: Sequence[Setting]) -> dict[int, float]:
    """Shrunken means by position, of the settings that have a value."""
    measured = [position for position, setting in enumerate(settings) if setting.objectives]
    means = shrink([list(settings[position].objectives.values()) for position in measured]).means
    return dict(zip(measured, map(float, means), strict=True))


def _best_first(means: Mapping[int, float], positions: Sequence[int] | Mapping[int, float]) -> list[int]:
    return sorted(positions, key=lambda position: (-means[position], position))
