"""Who takes part: the product's own policy and the peers, by name."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping

from kdsearch.search.policy import Policy
from kdsearch.space import Dimension

from . import peers

Factory = Callable[[Mapping[str, Dimension], int, int], Policy]
OURS = "ours"


def policies() -> dict[str, Factory]:
    """Name to ``factory(space, seed, budget)``; some peers plan a whole study ahead, ours does not."""
    from kdsearch.search.pooled import Pooled

    return {OURS: lambda space, seed, budget: Pooled(space, seed), **peers.PEERS}


def slow() -> frozenset[str]:
    """Names of the peers that take too long for hundreds of worlds."""
    return peers.SLOW
