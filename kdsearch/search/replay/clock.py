"""A virtual clock: drives a policy through a world with any number of workers, as fast as the policy decides."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kdsearch.search.policies.base import Configuration, Further, New, Pick, Policy
from kdsearch.search.replay.draws import key_of
from kdsearch.search.replay.world import World
from kdsearch.space import active

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Trace:
    """What a policy would have chosen after so many finished runs; all arrays are ``[C]``, one entry a checkpoint.

    ``time``: seconds of the virtual clock. ``truth`` and ``estimate`` of the leader, as the world and as the policy
    have it; ``seeds``: finished runs of the leader. ``tried``: how many configurations there are at the end, ``ended``:
    runs that finished in all, fewer than the budget where the policy stopped by itself.
    """

    runs: Ints
    time: Floats
    truth: Floats
    estimate: Floats
    seeds: Ints
    tried: int
    ended: int


def simulate(
    policy: Policy,
    world: World,
    budget: int,
    workers: int = 1,
    *,
    ahead: int = 0,
    checkpoints: Iterable[int] | None = None,
) -> Trace:
    """Run ``policy`` in ``world`` until ``budget`` runs have finished, or it stops asking with nothing in flight.

    ``workers`` runs train at once, each for ``world.cost`` seconds; ``ahead`` more are picked in advance, as a ledger
    that never lets a worker wait does. ``policy.leader`` is asked only after so many finished runs as ``checkpoints``
    say (default: after the last). Raises ``ValueError`` for a pick outside the space or of an unknown configuration.
    """
    if workers < 1 or ahead < 0 or budget < 1:
        raise ValueError(f"expected budget and workers >= 1, ahead >= 0, got {budget, workers, ahead}")
    wanted = {budget} if checkpoints is None else set(checkpoints)
    simulation = _Simulation(policy, world, budget, workers, ahead)
    while simulation.step():
        if simulation.ended in wanted:
            simulation.look()
    return simulation.trace()


class _Simulation:
    def __init__(self, policy: Policy, world: World, budget: int, workers: int, ahead: int) -> None:
        self.policy, self.world = policy, world
        self.budget, self.workers, self.ahead = budget, workers, ahead
        self.place = world.placement()
        self.tried: list[Configuration] = []
        self.known: dict[tuple[float | str, ...], int] = {}
        self.queue: deque[tuple[int, int]] = deque()
        # (time of the end, order of the start, configuration, seed): the order makes equal times deterministic.
        self.training: list[tuple[float, int, int, int]] = []
        self.clock, self.started, self.ordered, self.ended = 0.0, 0, 0, 0
        self.looks: list[tuple[int, float, float, float, int]] = []

    def step(self) -> bool:
        """Pick, start and finish one run; false when there is none to finish."""
        self._ask()
        while self.queue and len(self.training) < self.workers:
            position, seed = self.queue.popleft()
            end = self.clock + self.world.cost(self.tried[position].params, seed)
            heapq.heappush(self.training, (end, self.started, position, seed))
            self.started += 1
        if not self.training:
            return False
        self.clock, _, position, seed = heapq.heappop(self.training)
        row = self.tried[position]
        values = {**row.objectives, seed: self.world.run(row.params, seed)}
        self.tried[position] = replace(row, objectives=values, pending=row.pending - {seed})
        self.ended += 1
        return True

    def look(self) -> None:
        """Ask who leads and note the truth about it."""
        leader = self.policy.leader(tuple(self.tried))
        chosen = self.tried[leader.position]
        truth = self.world.truth(chosen.params)
        self.looks.append((self.ended, self.clock, truth, leader.estimate, len(chosen.objectives)))

    def trace(self) -> Trace:
        """All looks as arrays."""
        columns = np.array(self.looks, dtype=np.float64).reshape(-1, 5)
        return Trace(
            runs=columns[:, 0].astype(np.int64),
            time=columns[:, 1],
            truth=columns[:, 2],
            estimate=columns[:, 3],
            seeds=columns[:, 4].astype(np.int64),
            tried=len(self.tried),
            ended=self.ended,
        )

    def _ask(self) -> None:
        room = self.workers + self.ahead - len(self.training) - len(self.queue)
        room = min(room, self.budget - self.ordered)
        if room <= 0:
            return
        # A copy: a policy may keep what it saw, and the past does not change.
        picks = self.policy.choose(tuple(self.tried), room)[:room]
        positions = list(range(len(self.tried)))
        for pick in picks:
            position = self._position(pick, positions)
            row = self.tried[position]
            begun = row.objectives or row.pending or row.failed
            seed = pick.seed if isinstance(pick, New) and not begun else row.next_seed
            self.tried[position] = replace(row, pending=row.pending | {seed})
            self.queue.append((position, seed))
        self.ordered += len(picks)

    def _position(self, pick: Pick, positions: list[int]) -> int:
        """A pick as a position; a new configuration with the numbers of a known one is that one, as in the ledger."""
        if isinstance(pick, Further):
            if not 0 <= pick.position < len(positions):
                raise ValueError(f"a further seed for configuration {pick.position}, but there are {len(positions)}")
            return positions[pick.position]
        space = self.world.space
        outside = [name for name in active(space, pick.params) if not space[name].contains(pick.params[name])]
        if outside:
            raise ValueError(f"a new configuration outside the space in {outside}: {dict(pick.params)}")
        params = self.place(pick.params)
        position = self.known.setdefault(key_of(space, params), len(self.tried))
        if position == len(self.tried):
            self.tried.append(Configuration(params, proposal=pick.proposal))
        positions.append(position)
        return position
