"""Who takes part: the product's own policy and the peers, by name."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import kdsearch
from kdsearch.search.policy import Policy
from kdsearch.space import Dimension

from . import peers

Factory = Callable[[Mapping[str, Dimension], int, int], Policy]
OURS = "ours"
PARTS = (
    "acquisition",
    "encoding",
    "model",
    "modelled",
    "pooled",
    "posterior",
    "priors",
    "proposals",
    "reduction",
    "sobol",
)


def policies() -> dict[str, Factory]:
    """Name to ``factory(space, seed, budget)``; some peers plan a whole study ahead, ours does not."""
    from kdsearch.search.pooled import Pooled

    return {OURS: lambda space, seed, budget: Pooled(space, seed, budget), **peers.PEERS}


@lru_cache(maxsize=1)
def code() -> str:
    """Hash of the sources that ours is made of: what another version of them found is not ours."""
    root = Path(kdsearch.__file__).parent / "search"
    return sha256(b"".join((root / f"{name}.py").read_bytes() for name in PARTS)).hexdigest()[:12]


def slow() -> frozenset[str]:
    """Names of the peers that take too long for hundreds of worlds."""
    return peers.SLOW
