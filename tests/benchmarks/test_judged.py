from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kdsearch.search.replay import Table
from kdsearch.space import Uniform
from tests.benchmarks.planner import judged

MEANS = np.array([0.9, 0.5, 0.1, -1.5])
BELIEVED = np.array([0.5, 0.6, 0.0, -1.1])


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four configurations with two seeds each, of which a world has three; two draws of their truths."""
    values = np.stack([MEANS - 0.1, MEANS + 0.1], 1)
    params = tuple({"x": x} for x in (0.1, 0.2, 0.3, 0.4))
    table = Table("four", {"x": Uniform(0.0, 1.0)}, params, values, np.ones((4, 2)))
    draws = np.array([[0.7, 0.4, 0.0, -1.0], [0.3, 0.8, 0.0, -1.2]])
    monkeypatch.setattr(judged, "jhmdb", lambda: table)
    monkeypatch.setattr(judged, "posterior", lambda: (BELIEVED, draws))
    for cached in (judged.best, judged.floor):
        cached.cache_clear()
    yield
    for cached in (judged.best, judged.floor):
        cached.cache_clear()


def world_of(*tried: int) -> int:
    return next(i for i in range(100) if judged._kept(i).tolist() == list(tried))


def row(index: int, *truth: float, **changes: Any) -> dict[str, Any]:
    return {"world": "jhmdb", "index": index, "truth": list(truth), "best": 0.9, "tau": 1.0} | changes


@pytest.mark.usefixtures("four")
def test_leaders_are_worth_what_is_believed_of_them() -> None:
    index = world_of(0, 1, 2)
    found = list(judged.judged([row(index, 0.1, 0.90003, 0.5), row(index, 0.5, world="pong"), row(index, error="no")]))
    assert [(one["world"], one["truth"]) for one in found] == [(judged.FAMILY, [0.0, 0.5, 0.6])]
    assert found[0]["best"] == pytest.approx((0.7 + 0.8) / 2)
    with pytest.raises(ValueError, match="no configuration of the JHMDB table has the recorded mean"):
        list(judged.judged([row(index, 0.7)]))


@pytest.mark.usefixtures("four")
def test_recorded_means_charge_the_truly_best_setting() -> None:
    assert judged.floor(world_of(0, 1, 2)) == pytest.approx((0.0 + (0.9 - 0.5)) / 2)
    assert judged.floor(world_of(0, 2, 3)) == 0.0
    said = judged.described([world_of(0, 1, 2)])
    assert "charge its truly best configuration 0.20 tau" in said
    assert "regret of 0.15 there, the table's best mean 0.25" in said


def test_the_recorded_table_is_judged_as_the_readme_says() -> None:
    means, draws = judged.posterior()
    table = judged.jhmdb()
    assert means.shape == (len(table.params),)
    np.testing.assert_allclose(draws.mean(0), means, atol=0.02)
    assert np.corrcoef(means, table.values.mean(1))[0, 1] > 0.95
    assert means.max() < table.values.mean(1).max(), "the best recorded mean is luck in part"
