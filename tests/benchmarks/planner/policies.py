"""Who takes part: the product's own policy and the peers, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kdsearch.search.policies.adaptive import VERSION, AdaptivePolicy
from kdsearch.search.policies.base import Policy
from kdsearch.space import Dimension

from . import peers

Factory = Callable[[Mapping[str, Dimension], int, int], Policy]
OURS = "ours"


def policies() -> dict[str, Factory]:
    """Name to ``factory(space, seed, budget)``; some peers plan a whole study ahead, ours does not."""
    return {OURS: lambda space, seed, budget: AdaptivePolicy(space, seed, budget), **peers.PEERS}


def version(policy: str) -> str:
    """What a stored search states beside its policy: ours changes, and what another version found is not ours."""
    return str(VERSION) if policy == OURS else ""


def slow() -> frozenset[str]:
    """Names of the peers that take too long for hundreds of worlds."""
    return peers.SLOW
