"""What a search policy sees and answers: settings with the objectives of their seeds in, the next runs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class Setting:
    """One searched configuration, seen from the search pool.

    ``params``: the numbers of the space. ``objectives``: of ended runs, by seed index. ``pending``: seed indices that
    are queued or train now. ``failed``: seed indices that are spent without a value.
    """

    params: Mapping[str, Scalar]
    objectives: Mapping[int, float] = field(default_factory=dict)
    pending: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()

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
    """One more seed for the setting at this position; new settings of the same answer follow the old ones."""

    setting: int


@dataclass(frozen=True)
class New:
    """A new setting, with the index of its first seed."""

    params: Mapping[str, Scalar]
    seed: int = 0


Pick = Further | New


@dataclass(frozen=True)
class Leader:
    """The setting that a policy would choose now, and what it believes its true objective to be."""

    setting: int
    estimate: float


@dataclass(frozen=True)
class Belief:
    """What a policy believes of one setting with results.

    ``estimate`` and ``sd``: of its true objective. ``better``: the probability that it is truly better than the leader
    (one half for the leader itself).
    """

    setting: int
    estimate: float
    sd: float
    better: float


class Policy(Protocol):
    """Decides where the next seeds go. It may keep a cache, but the settings alone say what is known."""

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """Up to ``wanted`` runs, in order of their worth; fewer (even none) means: wait for results."""

    def leader(self, settings: Sequence[Setting]) -> Leader:
        """The best setting so far, of two seeds or more if any has. Raises ``ValueError`` without a result."""


class Search(Policy, Protocol):
    """A policy that the planner can run a study with: it ranks all settings, and may know when to end."""

    @property
    def drops(self) -> bool:
        """Whether settings are left for others, and shown as out: a plain design gives all the same."""

    def beliefs(self, settings: Sequence[Setting]) -> list[Belief]:
        """All settings with a result: those of two seeds or more by estimate, then the others. Empty without any."""

    def gain_left(self, settings: Sequence[Setting]) -> float | None:
        """What further runs could still add to the leader's true objective, on average; ``None``: not known."""
