"""Synthetic worlds: a random truth over five mixed numbers, and normal noise that seeds share in part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from typing_extensions import override

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.replay import surfaces
from kdsearch.search.replay.draws import key_of, normal
from kdsearch.search.replay.world import Place, World, anywhere
from kdsearch.space import Dimension, Integer, Uniform
from kdsearch.tasks.base import Scalar

Kind = Literal["independent", "smooth", "left-tailed"]
KINDS: tuple[Kind, ...] = ("independent", "smooth", "left-tailed")
SPACE: Mapping[str, Dimension] = {
    "a": Uniform(0.0, 1.0),
    "b": Uniform(-1.0, 1.0),
    "c": Uniform(0.0, 10.0),
    "rate": Uniform(1e-4, 1.0, log=True),
    "steps": Integer(1, 20),
}
_COST_SPREAD = 0.3


class SyntheticWorld(World):
    """``y = truth(x) + sigma (sqrt(rho) b_seed + sqrt(1 - rho) e_x,seed)``, ``b`` and ``e`` standard normal.

    The truth has mean 0 and sd ``tau`` = 1 over the space. A run costs ``exp(0.3 z)`` seconds, ``z`` standard normal,
    so that runs of several workers end in a mixed order.
    """

    tau = 1.0

    def __init__(self, kind: Kind, sigma: float, rho: float, seed: int, space: Mapping[str, Dimension] = SPACE) -> None:
        if kind not in KINDS or sigma < 0 or not 0 <= rho <= 1:
            raise ValueError(f"expected a kind out of {KINDS}, sigma >= 0 and 0 <= rho <= 1, got {kind, sigma, rho}")
        self.name = f"{kind} sigma={sigma:g} rho={rho:g}"
        self.space = space
        self.sigma, self.rho, self.seed = sigma, rho, seed
        self._encoding = Encoding(space)
        self._surface = _surface(kind, seed, len(space))
        self._truths: dict[tuple[float | str, ...], float] = {}
        self._shared, self._own = sigma * math.sqrt(rho), sigma * math.sqrt(1 - rho)
        points = self._encoding.snap(surfaces.sample(len(space)))
        self.best = float(np.max(self._surface(points)))

    @override
    def truth(self, params: Mapping[str, Scalar]) -> float:
        return self._truth(key_of(self.space, params), params)

    @override
    def run(self, params: Mapping[str, Scalar], seed: int) -> float:
        key = key_of(self.space, params)
        shared = self._shared * normal(self.seed, "shared", seed) if self._shared else 0.0
        return self._truth(key, params) + shared + self._own * normal(self.seed, "own", seed, key)

    @override
    def cost(self, params: Mapping[str, Scalar], seed: int) -> float:
        return math.exp(_COST_SPREAD * normal(self.seed, "cost", seed, key_of(self.space, params)))

    @override
    def placement(self) -> Place:
        # The world has every configuration.
        return anywhere

    def _truth(self, key: tuple[float | str, ...], params: Mapping[str, Scalar]) -> float:
        known = self._truths.get(key)
        if known is None:
            known = self._truths[key] = float(self._surface(self._encoding.unit([params]))[0])
        return known


def _surface(kind: Kind, seed: int, dims: int) -> surfaces.Surface:
    if kind == "independent":
        return surfaces.independent(seed)
    return surfaces.smooth(seed, dims) if kind == "smooth" else surfaces.left_tailed(seed, dims)
