"""What a simulated search runs in: a space with a known truth, noise by seed and a price by run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from kdsearch.space import Dimension
from kdsearch.tasks.base import Scalar

Place = Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]


class World(Protocol):
    """Configurations whose true objective is known. Everything is a function of the world's own seed and the arguments.

    ``best``: truth of the best configuration, or of the best of 4096 fixed points where there is no end of
    configurations (then a search may do a little better). ``sigma``: sd of one run around its configuration's truth.
    ``tau``: sd of the truths over the space. ``rho``: share of ``sigma^2`` that all configurations of one seed have in
    common.
    """

    name: str
    space: Mapping[str, Dimension]
    best: float
    sigma: float
    tau: float
    rho: float

    def truth(self, params: Mapping[str, Scalar]) -> float:
        """The mean of ``run`` over seeds."""

    def run(self, params: Mapping[str, Scalar], seed: int) -> float:
        """The objective of one run."""

    def cost(self, params: Mapping[str, Scalar], seed: int) -> float:
        """How long that run takes, in seconds of the virtual clock."""

    def placement(self) -> Place:
        """How one search's new configurations come to lie on those that this world has; its state is that search's."""


def anywhere(params: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """The placement of a world that has every configuration of its space."""
    return params
