"""Dimensions and their conditions."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

import kdsearch as kd
from kdsearch.errors import StudyFileError
from kdsearch.search.optuna_space import distributions
from kdsearch.space import Categorical, Dimension, active, complete_params, dimension_from
from kdsearch.tasks.base import Scalar

SPACE: dict[str, Dimension] = {
    "mode": kd.categorical(["cse", "mse", "none"]),
    "temperature": kd.when(kd.log(1, 16), mode="cse"),
    "schedule": kd.when(kd.categorical(["flat", "step"]), mode=["cse", "mse"]),
    "step": kd.when(kd.integer(1, 5), schedule="step"),
}


@pytest.mark.parametrize(
    ("dimension", "choices"),
    [
        (kd.categorical("a", "b"), ["a", "b"]),
        (kd.categorical(["a", "b"]), ["a", "b"]),
        (kd.categorical(("a", 2, 0.5, True)), ["a", 2, 0.5, True]),
        (kd.categorical("ab", 1), ["ab", 1]),
        (kd.categorical(range(3)), [0, 1, 2]),
        (kd.categorical(0, 1, 2), [0, 1, 2]),
    ],
)
def test_choices_are_a_list_or_arguments(dimension: Categorical, choices: list[Scalar]) -> None:
    assert dimension.identity() == {"kind": "categorical", "choices": choices}
    assert dimension == kd.categorical(choices)


@pytest.mark.parametrize(("choices", "got"), [(("abc",), "'abc'"), ((3,), "3"), ((), ""), (("a", b"b"), r"'a', b'b'")])
def test_what_names_no_choices_is_refused_with_what_to_write(choices: tuple[Any, ...], got: str) -> None:
    example = r'two or more words or numbers, such as categorical\("a", "b"\) or categorical\(\["a", "b"\]\)'
    with pytest.raises(ValueError, match=rf"{example}; got categorical\({got}\)"):
        kd.categorical(*choices)


def test_conditions_hold_through_conditions() -> None:
    assert active(SPACE, {"mode": "none", "temperature": 2, "schedule": "step", "step": 3}) == ["mode"]
    assert active(SPACE, {"mode": "mse", "schedule": "step"}) == ["mode", "schedule", "step"]
    assert active(SPACE, {"mode": "cse", "schedule": "flat"}) == ["mode", "temperature", "schedule"]


def test_idle_numbers_are_the_defaults() -> None:
    defaults = {"mode": "cse", "temperature": 4.0, "schedule": "flat", "step": 1, "rate": 0.1}
    one = complete_params(SPACE, {"mode": "none", "temperature": 9.0, "rate": 0.2}, defaults)
    assert one == {"mode": "none", "temperature": 4.0, "schedule": "flat", "step": 1, "rate": 0.2}
    assert one == complete_params(SPACE, {"mode": "none", "temperature": 2.0, "rate": 0.2}, defaults)


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
