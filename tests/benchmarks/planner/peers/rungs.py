"""kdsearch's own first planner, kept as a reference: asynchronous halving over seeds, survivors by shrunken mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick
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

    A configuration starts with ``rungs[0]`` seeds. Of those that have settled a rung, the better half by shrunken mean
    (empirical Bayes, ``kdsearch.statistics.shrinkage``) goes on to the next, as soon as it is in that half. The last
    fifth of the budget opens no new configurations: one seed at a time goes to that one of the four leaders which has
    the fewest. The leader is the highest shrunken mean among configurations with at least ``rungs[0]`` values.
    """

    def __init__(self, space: Mapping[str, Range], seed: int, budget: int, rungs: Sequence[int] = (2, 4, 8)) -> None:
        self.space = space
        self.seed = seed
        self.budget = budget
        self.rungs = tuple(rungs)

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """Seeds that the first rung misses, then promotions, then new configurations or, late, the leaders."""
        means = shrunken(tried)
        given = [asked(setting) for setting in tried]
        picks: list[Pick] = []
        proposed: list[Mapping[str, Scalar]] = []

        def give(position: int, upto: int) -> None:
            nonlocal picks
            picks += [Further(position)] * (upto - given[position])
            given[position] = max(given[position], upto)

        for position in range(len(tried)):
            give(position, self.rungs[0])
        for position, upto in self._promotions(tried, means, given):
            give(position, upto)
        while len(picks) < wanted:
            if sum(given) + self.rungs[0] * len(proposed) < EXPLORED * self.budget:
                proposed.append(self._propose(tried, means, proposed))
                number = len(tried) + len(proposed) - 1
                picks += [New(proposed[-1]), *[Further(number)] * (self.rungs[0] - 1)]
            elif (least := self._least(tried, means, given)) is not None:
                give(least, given[least] + 1)
            else:
                break  # every leader has runs on their way: their results decide who gets the rest
        return picks[:wanted]

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """The highest shrunken mean among configurations with a first rung of values; among all before there is one."""
        means = shrunken(tried)
        enough = [position for position in means if len(tried[position].objectives) >= self.rungs[0]]
        ranked = _best_first(means, enough or means)
        if not ranked:
            raise ValueError("no configuration has a result yet: let the runs that were asked for end first")
        return Leader(ranked[0], means[ranked[0]])

    def _promotions(
        self, tried: Sequence[Configuration], means: Mapping[int, float], given: Sequence[int]
    ) -> list[tuple[int, int]]:
        found: dict[int, int] = {}
        for rung, following in reversed(list(zip(self.rungs, self.rungs[1:], strict=False))):
            through = _best_first(means, [position for position in means if settled(tried[position]) >= rung])
            for position in through[: int(len(through) * SURVIVORS)]:
                if given[position] < following:
                    found.setdefault(position, following)
        return list(found.items())

    @staticmethod
    def _least(tried: Sequence[Configuration], means: Mapping[int, float], given: Sequence[int]) -> int | None:
        leaders = _best_first(means, means)[:LEADERS]
        idle = [position for position in leaders if given[position] == settled(tried[position])]
        return min(idle, key=lambda position: given[position], default=None)

    def _propose(
        self, tried: Sequence[Configuration], means: Mapping[int, float], proposed: Sequence[Mapping[str, Scalar]]
    ) -> dict[str, Scalar]:
        """TPE from today's means: shrunken means move, told trials do not, so the study is built each time."""
        from optuna.samplers import TPESampler

        number, runs = len(tried) + len(proposed), sum(map(asked, tried))
        state = np.random.SeedSequence(self.seed, spawn_key=(number, runs)).generate_state(1)
        memory = Memory(self.space, TPESampler(seed=int(state[0])))
        memory.recall([*(setting.params for setting in tried), *proposed], means)
        return memory.propose()


def shrunken(tried: Sequence[Configuration]) -> dict[int, float]:
    """Shrunken means by position, of the configurations that have a value."""
    measured = [position for position, setting in enumerate(tried) if setting.objectives]
    means = shrink([list(tried[position].objectives.values()) for position in measured]).means
    return dict(zip(measured, map(float, means), strict=True))


def _best_first(means: Mapping[int, float], positions: Sequence[int] | Mapping[int, float]) -> list[int]:
    return sorted(positions, key=lambda position: (-means[position], position))
