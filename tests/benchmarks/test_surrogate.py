"""The surface through a table's means is the truth of its world."""

from __future__ import annotations

import numpy as np
import pytest
from support import random_table

from benchmarks.planner.surrogate import MeanSurface, SurrogateWorld


def test_the_surrogates_mean_is_its_truth_and_follows_the_table() -> None:
    table = random_table()
    world = SurrogateWorld(table, seed=2)
    at = {"x": 0.7531, "y": 0.5}
    assert world.truth(at) == pytest.approx(np.sqrt(12) * (0.7531 - 0.5), abs=0.25)
    assert np.mean([world.run(at, seed) for seed in range(4000)]) == pytest.approx(world.truth(at), abs=0.03)
    assert world.placement()(at) is at
    assert world.tau == pytest.approx(1, abs=0.15)
    assert world.best >= max(world.truth(params) for params in table.params) - 0.1
    again = MeanSurface.fit(table, world.surface.lengths)
    np.testing.assert_allclose(again.weights, world.surface.weights)
