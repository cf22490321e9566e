"""Dimensions and their conditions."""

from __future__ import annotations

import optuna
import pytest

import kdsearch as kd
from kdsearch.engines.optuna_mirror import distributions
from kdsearch.errors import StudyFileError
from kdsearch.space import Dimension, active, dimension_from, settled

SPACE: dict[str, Dimension] = {
    "mode": kd.categorical(["cse", "mse", "none"]),
    "temperature": kd.when(kd.log(1, 16), mode="cse"),
    "schedule": kd.when(kd.categorical(["flat", "step"]), mode=["cse", "mse"]),
    "step": kd.when(kd.integer(1, 5), schedule="step"),
}


def test_conditions_hold_through_conditions() -> None:
    assert active(SPACE, {"mode": "none", "temperature": 2, "schedule": "step", "step": 3}) == ["mode"]
    assert active(SPACE, {"mode": "mse", "schedule": "step"}) == ["mode", "schedule", "step"]
    assert active(SPACE, {"mode": "cse", "schedule": "flat"}) == ["mode", "temperature", "schedule"]


def test_idle_numbers_are_the_defaults() -> None:
    defaults = {"mode": "cse", "temperature": 4.0, "schedule": "flat", "step": 1, "rate": 0.1}
    one = settled(SPACE, {"mode": "none", "temperature": 9.0, "rate": 0.2}, defaults)
    assert one == {"mode": "none", "temperature": 4.0, "schedule": "flat", "step": 1, "rate": 0.2}
    assert one == settled(SPACE, {"mode": "none", "temperature": 2.0, "rate": 0.2}, defaults)


def test_identities_lead_back() -> None:
    for dimension in [*SPACE.values(), kd.uniform(0, 1), kd.integer(1, 9, log=True)]:
        assert dimension_from(dimension.identity()) == dimension
    assert isinstance(distributions(SPACE)["temperature"], optuna.distributions.FloatDistribution)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"t": kd.when(kd.log(1, 2), mode="a"), "mode": kd.categorical(["a", "b"])}, "must stand before it"),
        ({"mode": kd.categorical(["a", "b"]), "t": kd.when(kd.log(1, 2), mode="c")}, r"mode being \['c'\], which it"),
    ],
)
def test_conditions_that_cannot_hold_are_refused(space: dict[str, Dimension], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        kd.Study(name="s", task=lambda params, seed, report: 0.0, space=space)


def test_a_condition_names_one_dimension() -> None:
    with pytest.raises(ValueError, match="a dimension and one condition"):
        kd.when(kd.log(1, 2), mode="a", other="b")
