"""Searches replayed from the record with the product's own policy: all runs on one fixed draw, against runs that draw.

One replay is one world out of the posterior (see ``truths.world``) and two searches in it of one policy seed.

- ``fixed``: every run meets the fixed draw. Its objective is the configuration's mean there plus one of the
configuration's ten
  residuals over seeds.
- ``drawn``: the run with seed index i meets fold i mod 5 of one recorded partition. Its objective is the cell
  (configuration x draw) there plus one of the same residuals.

Residuals are widened by ``sqrt(S / (S - 1))``, since the mean was theirs. The recorded configurations are all that
there are: a proposal becomes the nearest one that was not tried (see ``TableWorld``). One run is in flight at a time.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kdsearch.search.gp.threads import one_thread
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import Configuration, Leader, Pick
from kdsearch.search.replay import Table, TableWorld, simulate
from kdsearch.search.replay.draws import choice
from kdsearch.tasks.base import Scalar

from . import components, truths
from .recorded import FOLDS, Floats, Record, space

KINDS = ("fixed", "drawn")
BUDGETS = (120, 240, 360)
PAIRS = 40
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Spending:
    """What equal CPU seconds buy: ``runs`` of each search by budget, and pairs of runs of the confirmation.

    A fixed search pays its candidates for a teacher and its runs, a drawn one a teacher for each of five folds and its
    runs. Each drawn pair of the confirmation pays a fresh teacher, no fixed pair does.
    """

    seconds: tuple[float, ...]
    runs: dict[str, tuple[int, ...]]
    confirm_seconds: float
    pairs: dict[str, int]

    @staticmethod
    def of(record: Record, budgets: Sequence[int] = BUDGETS, pairs: int = PAIRS) -> Spending:
        """``budgets``: runs of the fixed search; ``pairs``: of the drawn confirmation."""
        own = record.seconds
        seconds = tuple(own.fixed_teachers + runs * own.fixed_with for runs in budgets)
        drawn = tuple(math.floor((paid - FOLDS * own.drawn_teacher) / own.drawn_with) for paid in seconds)
        confirm = pairs * (own.drawn_teacher + own.drawn_with + own.drawn_without)
        bought = math.floor(confirm / (own.fixed_with + own.fixed_without))
        return Spending(seconds, {"fixed": tuple(budgets), "drawn": drawn}, confirm, {"fixed": bought, "drawn": pairs})


@dataclass(frozen=True)
class Basis:
    """What all replays rest on: the record and its fitted components."""

    record: Record
    components: components.Components

    @staticmethod
    def of(record: Record) -> Basis:
        """Fit the components to the record."""
        return Basis(record, components.fit(record.drawn, record.fixed))

    def world(self, number: int) -> truths.World:
        """The world of a replay."""
        return truths.world(self.record.drawn, self.record.fixed, self.components, np.random.default_rng([number, 1]))

    def partition(self, number: int) -> tuple[int, ...]:
        """Positions of the draws that the drawn search of a replay meets: one of the whole partitions."""
        partitions = self.record.partitions
        return partitions[choice(len(partitions), "partition", number)]

    @property
    def residuals(self) -> Floats:
        """What seeds do to each configuration, ``[C, S, 4]``."""
        seeds = self.record.fixed.shape[1]
        widened: Floats = (seeds / (seeds - 1)) ** 0.5 * (self.record.fixed - self.record.fixed.mean(1, keepdims=True))
        return widened


class Searched(TableWorld):
    """A world of recorded configurations: objectives ``values [C, K]`` by fold, ``residuals [C, S]`` of runs."""

    def __init__(self, table: Table, seed: int, values: Floats, residuals: Floats) -> None:
        super().__init__(table, seed)
        self.values, self.residuals = values, residuals
        self.best = float(values.mean(1).max())

    def row(self, params: Mapping[str, Scalar]) -> int:
        """Which of the recorded configurations this is."""
        return self._row(params)

    def truth(self, params: Mapping[str, Scalar]) -> float:
        """The mean over folds and seeds."""
        return float(self.values[self._row(params)].mean())

    def run(self, params: Mapping[str, Scalar], seed: int) -> float:
        """See ``World.run``: the seed says the fold."""
        row = self._row(params)
        drawn = choice(self.residuals.shape[1], self.seed, "residual", row, seed)
        return float(self.values[row, seed % self.values.shape[1]] + self.residuals[row, drawn])


class Watched:
    """A policy that keeps what it said who leads."""

    def __init__(self, policy: AdaptivePolicy) -> None:
        self.policy = policy
        self.leaders: list[Mapping[str, Scalar]] = []

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """See ``Policy.choose``."""
        return self.policy.choose(tried, wanted)

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """See ``Policy.leader``."""
        found = self.policy.leader(tried)
        self.leaders.append(tried[found.position].params)
        return found


def search(basis: Basis, kind: str, number: int, runs: Sequence[int]) -> list[int]:
    """The recorded configurations that one search would choose after so many ``runs``, which rise."""
    world = basis.world(number)
    cells = world.fixed[:, None] if kind == "fixed" else world.cells[:, basis.partition(number)]
    searched = Searched(_table(basis.record), number, cells[..., 0], basis.residuals[..., 0])
    policy = Watched(AdaptivePolicy(searched.space, number, runs[-1], folds=searched.values.shape[1]))
    simulate(policy, searched, runs[-1], checkpoints=runs)
    return [searched.row(params) for params in policy.leaders]


def replay(basis: Basis, spending: Spending, replays: int, processes: int = 1) -> dict[str, Floats]:
    """By kind the chosen configurations ``[replays, budgets]``, as positions in the record.

    Raises ``ValueError`` where a record has fewer than two whole partitions: what was searched on confirms nothing.
    """
    if len(basis.record.partitions) < 2:
        raise ValueError("expected two whole partitions: one to search on, another to confirm on")
    if spending.runs["drawn"][0] < 2:
        raise ValueError(f"the teachers of {FOLDS} folds leave no runs: {spending.runs['drawn']}")
    jobs = [(kind, number, spending.runs[kind]) for number in range(replays) for kind in KINDS]
    found = dict(zip([job[:2] for job in jobs], _results(basis, jobs, processes), strict=True))
    return {kind: np.array([found[kind, number] for number in range(replays)]) for kind in KINDS}


Job = tuple[str, int, tuple[int, ...]]
_basis: list[Basis] = []


def _results(basis: Basis, jobs: Sequence[Job], processes: int) -> Iterator[list[int]]:
    if processes <= 1:
        _settle(basis)
        yield from map(_search, jobs)
        return
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # before a child imports numpy
    with multiprocessing.get_context("spawn").Pool(processes, _settle, (basis,)) as pool:
        yield from pool.imap(_search, jobs, chunksize=4)


def _settle(basis: Basis) -> None:
    one_thread()
    _basis[:] = [basis]


def _search(job: Job) -> list[int]:
    return search(_basis[0], *job)


def _table(record: Record) -> Table:
    """The recorded configurations; their objectives are another world's."""
    ones = np.ones(record.fixed.shape[:2])
    return Table("draws", space(), record.settings, record.fixed[..., 0], ones)
