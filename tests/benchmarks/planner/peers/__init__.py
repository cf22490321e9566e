"""The planner's peers: what else one could use, each as a policy, with the defaults that its users get.

``PEERS[name](space, seed)`` makes one, deterministic in ``seed``. A third argument is the budget in runs (``BUDGET``
where it is left out), which those rules read that plan a whole study ahead: halving, rungs, irace, SMAC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from kdsearch.search.policies.base import Policy
from kdsearch.space import Conditional, Dimension, Range

from . import sources
from .botorch import Botorch
from .fixed import Fixed
from .halving import Halving
from .irace import Irace
from .rungs import Rungs
from .smac import Smac
from .wilcoxon import Wilcoxon

BUDGET = 200
Space = Mapping[str, Range]


class Peer(Protocol):
    """Makes the policy of a new study; raises ``ValueError`` for a space with conditions."""

    def __call__(self, space: Mapping[str, Dimension], seed: int, budget: int = BUDGET, /) -> Policy:
        """A policy for ``space`` that draws from ``seed`` and, where its rule needs to know, ends near ``budget``."""


def _peer(make: Callable[[Space, int, int], Policy]) -> Peer:
    def made(space: Mapping[str, Dimension], seed: int, budget: int = BUDGET, /) -> Policy:
        ranges = {name: row for name, row in space.items() if not isinstance(row, Conditional)}
        if idle := space.keys() - ranges.keys():
            raise ValueError(f"peers take no conditional dimensions, got {sorted(idle)}: search them without when(...)")
        return make(ranges, seed, budget)

    return made


PEERS: dict[str, Peer] = {
    "random_x1": _peer(lambda space, seed, _: Fixed(sources.Random(space, seed), 1)),
    "random_x5": _peer(lambda space, seed, _: Fixed(sources.Random(space, seed), 5)),
    "sobol_x5": _peer(lambda space, seed, _: Fixed(sources.Sobol(space, seed), 5)),
    "tpe_x1": _peer(lambda space, seed, _: Fixed(sources.tpe(space, seed), 1)),
    "tpe_x5": _peer(lambda space, seed, _: Fixed(sources.tpe(space, seed), 5)),
    "tpe_wilcoxon": _peer(lambda space, seed, _: Wilcoxon(space, seed)),
    "halving": _peer(lambda space, seed, budget: Halving(sources.Random(space, seed), budget)),
    "halving_start2": _peer(lambda space, seed, budget: Halving(sources.Random(space, seed), budget, start=2)),
    "halving_tpe": _peer(lambda space, seed, budget: Halving(sources.tpe(space, seed), budget)),
    "rungs": _peer(Rungs),
    "irace_rule": _peer(Irace),
    "gp_sampler_x1": _peer(lambda space, seed, _: Fixed(sources.gp(space, seed), 1)),
    "gp_sampler_x5": _peer(lambda space, seed, _: Fixed(sources.gp(space, seed), 5)),
    "smac3": _peer(Smac),
    "botorch_qlognei": _peer(lambda space, seed, _: Botorch(space, seed)),
}

SLOW = frozenset({"gp_sampler_x1", "gp_sampler_x5", "smac3", "botorch_qlognei"})
