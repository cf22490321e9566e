"""irace's rule: races in which Friedman's test eliminates, and new configurations around those that survive."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick
from kdsearch.space import Range
from kdsearch.tasks.base import Scalar

from .counts import asked, highest_mean, raw_mean, settled
from .cube import Floats, from_unit
from .elites import Elites
from .friedman import rank_sums, survivors

FIRST_TEST = 5
STALE_TESTS = 2


class Irace:
    """Iterated racing (Lopez-Ibanez, Dubois-Lacoste, Perez Caceres, Birattari, Stuetzle 2016, Oper. Res. Perspect. 3).

    ``races = least = floor(2 + log2 dimensions)``. Race ``j`` may spend ``B_j = left / (races - j + 1)`` runs on ``(B_j
    + elites * e) / max(5 + min(5, j), e + 1)`` configurations: the elites of the last race, whose ``e`` seeds count,
    and new ones (``elites.Elites``; uniform in race 1). All survivors see seed after seed; from the fifth on, each is
    followed by Friedman's test (``friedman.survivors``, level .05). An elite cannot go before all seeds that it has are
    compared. A race ends when ``least`` or fewer survive, when another seed for all costs more than is left of ``B_j``,
    or after two tests in a row without elimination, but not before one new seed. The best ``least`` by rank sum are the
    next elites; the leader is the first of them.

    Simplified: seeds in their order for every configuration (irace runs the new instances first), no soft restart, no
    repair, no race after selection. When the budget is spent, further races are as large as the last.
    """

    def __init__(self, space: Mapping[str, Range], seed: int, budget: int) -> None:
        self.space = space
        self.budget = budget
        self.races = self.least = math.floor(2 + math.log2(len(space)))
        self._rng = np.random.default_rng(seed)
        self._model = Elites(space, self.races)
        self._race = 0
        self._limit = 0.0  # runs in all that this race may reach
        self._seeds = 0  # every survivor has, or is to have, the seeds below this
        self._protected = 0  # seeds that the most tested elite brought along
        self._stale = 0
        self._alive: list[int] = []
        self._ranked: list[int] = []  # of the last test, best first
        self._planned: list[tuple[int | None, dict[str, Scalar]]] = []  # parent and parameters, not yet asked for
        self._parents: list[int | None] = []  # of the last answer's new configurations
        self._seen = 0

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """What the race's survivors miss up to the next test, seed by seed."""
        self._enter(tried)
        self._advance(tried)
        coming = range(len(tried), len(tried) + len(self._planned))
        due = [(index, p) for p in self._alive for index in range(asked(tried[p]), self._seeds)]
        due += [(index, p) for p in coming for index in range(self._seeds)]
        picks: list[Pick] = []
        for index, position in sorted(due)[:wanted]:
            if index == 0 and position in coming:
                parent, params = self._planned.pop(0)
                self._parents.append(parent)
                picks.append(New(params))
            else:
                picks.append(Further(position))
        return picks

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """The lowest rank sum of the last test among survivors; before one, the highest raw mean."""
        for position in self._ranked:
            if position in self._alive and (mean := raw_mean(tried[position])) is not None:
                return Leader(position, mean)
        return highest_mean(tried)

    def _enter(self, tried: Sequence[Configuration]) -> None:
        """The last answer's new configurations join the race; one that was there already does not join twice."""
        for position, parent in zip(range(self._seen, len(tried)), self._parents, strict=False):
            self._alive.append(position)
            if parent is not None:
                self._model.inherit(position, parent)
        self._parents.clear()
        self._seen = len(tried)

    def _advance(self, tried: Sequence[Configuration]) -> None:
        """Test and open races until there is something to wait for."""
        if self._race == 0:
            self._open(tried, [])
        while not self._planned and all(settled(tried[position]) >= self._seeds for position in self._alive):
            results = common_results(tried, self._alive, self._seeds)
            stays = survivors(results)
            shielded = [settled(tried[position]) > self._seeds for position in self._alive]
            order = np.argsort(rank_sums(results), kind="stable")
            before = len(self._alive)
            ranked = [self._alive[index] for index in order]
            self._alive = [p for p, stay, safe in zip(self._alive, stays, shielded, strict=True) if stay or safe]
            if not any(shielded):  # elites with seeds of their own keep their old order
                self._ranked = [position for position in ranked if position in self._alive]
                self._stale = self._stale + 1 if len(self._alive) == before and self._seeds > FIRST_TEST else 0
            if self._over(tried):
                self._open(tried, self._ranked[: self.least])
            else:
                self._seeds += 1

    def _over(self, tried: Sequence[Configuration]) -> bool:
        if self._seeds <= self._protected:
            return False
        missing = sum(settled(tried[position]) <= self._seeds for position in self._alive)
        spent = sum(map(asked, tried))
        return len(self._alive) <= self.least or spent + missing > self._limit or self._stale >= STALE_TESTS

    def _open(self, tried: Sequence[Configuration], elites: list[int]) -> None:
        """Begin the next race; ``elites`` best first."""
        self._race += 1
        spent = sum(map(asked, tried))
        left = (self.budget - spent) / max(self.races - self._race + 1, 1)
        share = left if left > 0 else self.budget / self.races
        self._limit = spent + share
        self._protected = max((settled(tried[position]) for position in elites), default=0)
        shared = len(elites) * self._protected
        size = int((share + shared) / max(FIRST_TEST + min(5, self._race), self._protected + 1))
        new = max(size - len(elites), 1 if elites else self.least + 1)
        if elites:
            parents = {position: tried[position].params for position in elites}
            self._model.sharpen(parents, self._race, new)
            self._planned = [self._model.child(parents, elites, self._rng) for _ in range(new)]
        else:
            self._planned = [(None, from_unit(self.space, self._rng.random(len(self.space)))) for _ in range(new)]
        self._alive = list(elites)
        self._ranked = list(elites)
        self._seeds = FIRST_TEST
        self._stale = 0


def common_results(tried: Sequence[Configuration], positions: Sequence[int], seeds: int) -> Floats:
    """Objectives ``[seeds, positions]`` of the first seeds; a seed without a value ranks last."""
    return np.array([[tried[p].objectives.get(index, -math.inf) for p in positions] for index in range(seeds)])
