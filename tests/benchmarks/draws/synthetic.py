"""A record whose components are known, in the arrays of a real one: what the analysis is tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.sobol import sobol

from .components import root
from .recorded import Floats, space


def covariance(sds: tuple[float, float, float, float], arms: float, metrics: float) -> Floats:
    """Covariance of ``VALUES`` with these sds; correlation of ``arms``, of ``metrics``, and of both the product."""
    inner = np.array([[1.0, metrics], [metrics, 1.0]])
    scale = np.array(sds)
    product: Floats = np.kron(np.array([[1.0, arms], [arms, 1.0]]), inner) * np.outer(scale, scale)
    return product


@dataclass(frozen=True)
class Truth:
    """Mean ``[4]`` and covariances ``[4, 4]`` of ``VALUES``; ``leak``: what is added to the fixed draw's values."""

    mean: Floats = field(default_factory=lambda: np.array([0.74, 0.72, 0.73, 0.715]))
    setting: Floats = field(default_factory=lambda: covariance((0.012, 0.012, 0.009, 0.009), 0.5, 0.8))
    draw: Floats = field(default_factory=lambda: covariance((0.02, 0.01, 0.015, 0.004), 0.6, 0.2))
    cell: Floats = field(default_factory=lambda: covariance((0.008, 0.006, 0.006, 0.004), 0.3, 0.2))
    seed: Floats = field(default_factory=lambda: covariance((0.018, 0.015, 0.018, 0.015), 0.3, 0.4))
    leak: Floats = field(default_factory=lambda: np.zeros(4))


def arrays(truth: Truth, settings: int, draws: int, seeds: int, seed: int) -> tuple[dict[str, Any], Floats]:
    """A record's arrays, and the true means ``[C, 4]`` of its settings."""
    generator = np.random.default_rng(seed)

    def drawn(covariance: Floats, *shape: int) -> Floats:
        values: Floats = generator.normal(size=(*shape, 4)) @ root(covariance)
        return values

    means = truth.mean + drawn(truth.setting, settings)
    shared, cells = drawn(truth.draw, draws + 1), drawn(truth.cell, settings, draws + 1)
    world = means[:, None] + shared + cells
    found = {
        "drawn": world[:, :-1] + drawn(truth.seed, settings, draws),
        "fixed": world[:, -1:] + truth.leak + drawn(truth.seed, settings, seeds),
    }
    made: dict[str, Any] = {}
    for kind, values in found.items():
        for place, name in enumerate(("objective", "score")):
            made[f"{kind}_{name}"] = values[..., [place, place + 2]].swapaxes(1, 2).astype(np.float32)
        made[f"{kind}_seconds"] = np.full_like(made[f"{kind}_score"], 1.6)
    return {**made, **_rest(settings, draws)}, means


def _rest(settings: int, draws: int) -> Mapping[str, Any]:
    declared = space()
    params = sobol(Encoding(declared), 0, [], settings)
    return {
        "drawn_teacher_seconds": np.full(draws, 7.5, dtype=np.float32),
        "fixed_teacher_seconds": np.full(3, 7.5, dtype=np.float32),
        "space": np.array(list(declared)),
        "settings": np.array([[float(row[name]) for name in declared] for row in params]),
        "provenance": np.array(["synthetic values, no training"]),
    }
