"""New configurations to choose from: half of them anywhere, half around the leaders, none of them known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kdsearch.search.gp.encoding import Encoding

Floats = NDArray[np.float64]

UNIFORM, AROUND, HIGHEST = 50, 50, 6
MOVED = 0.6  # probability that a coordinate of a leader is moved,
WIDEST, HALVINGS = 0.4, 4.0  # by a normal step of this sd, halved up to four times


def propose(encoding: Encoding, units: Floats, mean: Floats, waiting: Floats, draws: np.random.Generator) -> Floats:
    """Coordinates ``[p, d]`` of at most 100 configurations that are neither in ``units [k, d]`` nor in ``waiting [w,
    d]``.

    ``mean [k]``: posterior means of the known configurations, whose highest are the leaders.
    """
    anywhere = draws.random((UNIFORM, units.shape[1]))
    highest = np.argsort(-mean, kind="stable")
    centres = units[highest[(units[highest] <= 1).all(axis=1)][:HIGHEST]]  # those inside the space
    if not len(centres):
        centres = anywhere[:HIGHEST]
    near = centres[draws.integers(len(centres), size=AROUND)]
    moved = draws.random(near.shape) < MOVED
    spread = WIDEST * 2.0 ** -draws.uniform(0, HALVINGS, (AROUND, 1))
    points = encoding.snap(np.concatenate([anywhere, near + moved * spread * draws.standard_normal(near.shape)]))
    _, first = np.unique(points, axis=0, return_index=True)
    points = points[np.sort(first)]
    gaps = encoding.squared(points, np.concatenate([units, waiting])).sum(axis=0).min(axis=1)
    return np.asarray(points[gaps > 1e-12])
