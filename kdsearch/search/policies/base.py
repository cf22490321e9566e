"""What a search policy sees and answers: configurations with the objectives of their seeds in, the next runs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class Configuration:
    """One searched configuration, seen from the search pool.

    ``params``: the numbers of the space. ``objectives``: of ended runs, by seed index. ``pending``: seed indices that
    are queued or train now. ``failed``: seed indices that are spent without a value. ``proposal``: JSON values that
    whoever proposed it keeps of it.
    """

    params: Mapping[str, Scalar]
    objectives: Mapping[int, float] = field(default_factory=dict)
    pending: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    proposal: Mapping[str, Any] = field(default_factory=dict)

    @property
    def next_seed(self) -> int:
        """The first seed index, from the lowest it has on, that was never asked for."""
        used = {*self.objectives, *self.pending, *self.failed}
        index = min(used, default=0)
        while index in used:
            index += 1
        return index


@dataclass(frozen=True)
class Further:
    """One more seed for the configuration at this position; new ones of the same answer follow the old ones."""

    position: int


@dataclass(frozen=True)
class New:
    """A new configuration, with the index of its first seed, and JSON values to keep with it."""

    params: Mapping[str, Scalar]
    seed: int = 0
    proposal: Mapping[str, Any] = field(default_factory=dict)


Pick = Further | New
"""What a policy asks for next. It names no row of the ledger: a policy searches recorded tables and functions too."""


@dataclass(frozen=True)
class Leader:
    """The configuration that a policy would choose now, and what it believes its true objective to be."""

    position: int
    estimate: float


@dataclass(frozen=True)
class PosteriorSummary:
    """What a policy believes of one configuration with results.

    ``estimate`` and ``sd``: of its true objective. ``better``: the probability that it is truly better than the leader
    (one half for the leader itself).
    """

    position: int
    estimate: float
    sd: float
    better: float


class Policy(Protocol):
    """Decides where the next seeds go. It may keep a cache, but the configurations alone say what is known."""

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """Up to ``wanted`` runs, in order of their worth; fewer (even none) means: wait for results."""

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """The best configuration so far, of two seeds or more if any has. Raises ``ValueError`` without a result."""


class Search(Policy, Protocol):
    """A policy that the planner can run a study with: it ranks all configurations, and may know when to end."""

    @property
    def prunes(self) -> bool:
        """Whether configurations are left for others, and shown as out: a plain design gives all the same."""

    @property
    def shares_seeds(self) -> bool:
        """Whether all configurations are trained on the same seeds."""

    def first_seed(self, number: int) -> int:
        """The first seed index of the n-th configuration."""

    @property
    def exhausted(self) -> str:
        """Why a search ends that asks for nothing more while nothing is pending."""

    def summaries(self, tried: Sequence[Configuration]) -> list[PosteriorSummary]:
        """Those with a result: configurations of two seeds or more by estimate, then the others. Empty without any."""

    def gain_left(self, tried: Sequence[Configuration]) -> float | None:
        """What further runs could still add to the leader's true objective, on average; ``None``: not known."""
