"""The search phase of the first planner: seeds in rungs, survivors by shrunken mean.

A configuration starts with ``rungs[0]`` seeds. Of those that have settled a rung, the better half by shrunken mean goes
on to the next, as soon as it is in that half: asynchronous successive halving (Li et al. 2020) over seeds instead of
epochs. The last part of the budget opens no new configurations; it goes to the leaders.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from kdsearch.ledger.orders import NewConfiguration
from kdsearch.ledger.orders import NewRun
from kdsearch.ledger.orders import Order
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.search.evidence import Candidate
from kdsearch.search.sampling import Evidence
from kdsearch.search.sampling import propose
from kdsearch.search.seeds import search_seed
from kdsearch.search.teachers import Teachers
from kdsearch.space import Dimension
from kdsearch.tasks.base import Scalar

SURVIVORS = 0.5
EXPLORED = 0.8
LEADERS = 4
_PROPOSALS = 4


class Rungs:
    """Chooses the next search runs. ``defaults`` are the parameters that the space does not search."""

    def __init__(
        self,
        space: Mapping[str, Dimension],
        defaults: Mapping[str, Scalar],
        rungs: Sequence[int],
        budget: int,
        seed: int,
        teachers: Teachers,
    ) -> None:
        self.space = space
        self.defaults = defaults
        self.rungs = tuple(rungs)
        self.budget = budget
        self.seed = seed
        self.teachers = teachers

    def next_runs(self, candidates: list[Candidate], wanted: int) -> list[Order]:
        """Orders for about ``wanted`` more runs, never more than the budget has left."""
        left = self.budget - sum(candidate.ordered for candidate in candidates)
        orders: list[Order] = []
        proposed: list[Evidence] = []
        while wanted > 0 and left > 0:
            chosen = self._promotion(candidates) or self._leader(candidates, left)
            if chosen is not None:
                candidate, upto = chosen
                count = min(upto - candidate.ordered, left)
                orders += self._runs(candidate.configuration, candidate.ordered, count)
                candidate.ordered += count
            elif self._exploring(left):
                count = min(self.rungs[0], left)
                fresh = self._new(candidates, proposed, count)
                if not fresh:
                    break  # what is planned already must be stored before more can be proposed
                orders += fresh
            else:
                break  # every leader has runs on their way: their results decide who gets the rest
            wanted -= count
            left -= count
        return orders

    def ranking(self, candidates: list[Candidate]) -> list[Candidate]:
        """Candidates with at least the first rung's seeds, best shrunken mean first: few seeds are shrunk the most."""
        measured = [row for row in candidates if row.mean is not None]
        enough = max(2, self.rungs[0])  # one seed is not a result
        return _best_first([row for row in measured if len(row.objectives) >= enough] or measured)

    def _promotion(self, candidates: list[Candidate]) -> tuple[Candidate, int] | None:
        for rung, following in reversed(list(zip(self.rungs, self.rungs[1:], strict=False))):
            settled = _best_first([row for row in candidates if row.settled >= rung and row.mean is not None])
            for row in settled[: int(len(settled) * SURVIVORS)]:
                if row.ordered < following:
                    return row, following
        return None

    def _exploring(self, left: int) -> bool:
        return left > (1 - EXPLORED) * self.budget or len(self.rungs) == 1

    def _leader(self, candidates: list[Candidate], left: int) -> tuple[Candidate, int] | None:
        if self._exploring(left):
            return None
        leaders = _best_first([row for row in candidates if row.mean is not None])[:LEADERS]
        idle = [row for row in leaders if row.ordered == row.settled]
        if not idle:
            return None
        least = min(idle, key=lambda row: row.ordered)
        return least, least.ordered + 1

    def _new(self, candidates: list[Candidate], proposed: list[Evidence], count: int) -> list[Order]:
        """A configuration that nobody has; where the space is so small that none is found, seeds for a known one."""
        known = {_key(row.configuration.params): row for row in candidates}
        planned = {_key(row.params) for row in proposed}
        evidence = [Evidence(row.configuration.params, row.mean) for row in candidates] + proposed
        again: Candidate | None = None
        for attempt in range(_PROPOSALS):
            params = {**self.defaults, **propose(self.space, evidence, seed=self.seed, attempt=attempt)}
            if _key(params) not in known and _key(params) not in planned:
                name = f"c{self._next_number(candidates) + len(proposed)}"
                proposed.append(Evidence(params, None))
                record = ConfigurationRecord(-1, "searched", name, params)
                return [NewConfiguration("searched", name, params, "sampler"), *self._runs(record, 0, count)]
            again = again or known.get(_key(params))
        if again is None:
            return []
        runs = self._runs(again.configuration, again.ordered, count)
        again.ordered += count
        return runs

    @staticmethod
    def _next_number(candidates: list[Candidate]) -> int:
        names = [row.configuration.name for row in candidates if row.configuration.origin == "sampler"]
        return 1 + max((int(name[1:]) for name in names), default=-1)

    def _runs(self, configuration: ConfigurationRecord, first: int, count: int) -> list[Order]:
        target = configuration.id if configuration.id >= 0 else (configuration.kind, configuration.name)
        orders: list[Order] = []
        for index in range(first, first + count):
            seed = search_seed(index)
            teacher_orders, needs = self.teachers.for_run(configuration.params, seed)
            orders += teacher_orders
            orders.append(NewRun(target, "search", seed, needs=needs, priority=index))
        return orders


def _key(params: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    return tuple(sorted(params.items()))


def _best_first(rows: list[Candidate]) -> list[Candidate]:
    return sorted(rows, key=lambda row: (-(row.mean or 0.0), row.id))
