"""The space as the unit cube, there and back."""

from __future__ import annotations

import numpy as np
import pytest

import kdsearch as kd
from kdsearch.search.gp.encoding import Encoding

SPACE = {
    "mode": kd.categorical(["cse", "mse"]),
    "rate": kd.log(1e-2, 1),
    "patience": kd.integer(1, 4),
    "temperature": kd.when(kd.uniform(1, 9), mode="cse"),
}


def test_coordinates_by_hand() -> None:
    unit = Encoding(SPACE).unit(
        [
            {"mode": "cse", "rate": 0.1, "patience": 1, "temperature": 3.0},
            {"mode": "mse", "rate": 1.0, "patience": 4, "temperature": 3.0},
        ]
    )
    assert unit[0] == pytest.approx([0.25, 0.5, 0.125, 0.25])
    assert unit[1] == pytest.approx([0.75, 1.0, 0.875, 0.5]), "an idle dimension stands in the middle"


def test_there_and_back_is_the_same_setting() -> None:
    encoding = Encoding(SPACE)
    points = encoding.snap(np.random.default_rng(0).random((50, 4)))
    tried = [encoding.params(point) for point in points]
    assert encoding.unit(tried) == pytest.approx(points)
    assert {row["patience"] for row in tried} == {1, 2, 3, 4}
    assert all(("temperature" in row) == (row["mode"] == "cse") for row in tried)


@pytest.mark.parametrize(("low", "high"), [(1e-3, 10.0), (1e-300, 1e300)], ids=["usual", "wider than a number"])
def test_the_logarithm_of_a_log_dimension_is_even(low: float, high: float) -> None:
    encoding = Encoding({"rate": kd.log(low, high)})
    for share in (0.0, 0.25, 0.5, 1.0):
        value = encoding.params(np.array([share]))["rate"]
        decades = np.log10(low) + share * (np.log10(high) - np.log10(low))
        assert np.log10(value) == pytest.approx(decades, abs=1e-9)
        assert encoding.unit([{"rate": value}])[0] == pytest.approx([share], abs=1e-9)


def test_log_integers_have_equal_cells_in_the_logarithm() -> None:
    encoding = Encoding({"n": kd.integer(1, 100, log=True)})
    drawn = [encoding.params(point)["n"] for point in np.random.default_rng(0).random((4000, 1))]
    assert np.mean([n == 1 for n in drawn]) == pytest.approx(np.log(3) / np.log(201), abs=0.02)  # from 0.5 to 1.5
    assert min(drawn) == 1
    assert max(drawn) == 100


def test_choices_are_one_apart_or_equal() -> None:
    encoding = Encoding({"mode": kd.categorical(["a", "b", "c"])})
    unit = encoding.unit([{"mode": "a"}, {"mode": "c"}])
    assert encoding.squared(unit, unit)[0].tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_setting_outside_the_space_is_far_from_all_and_from_another_one() -> None:
    encoding = Encoding({"rate": kd.log(1e-2, 1)})
    unit = encoding.unit([{"rate": 0.1}, {"rate": 0.0}, {"rate": 7.0}])
    gaps = np.sqrt(encoding.squared(unit, unit)[0])
    assert gaps[~np.eye(3, dtype=bool)].min() > 1000


def test_outside_settings_have_one_place_whoever_stands_beside_them() -> None:
    encoding = Encoding({"rate": kd.log(1e-2, 1), "mode": kd.categorical(["a", "b"])})
    outside, other = {"rate": 0.0, "mode": "a"}, {"rate": 7.0, "mode": "a"}
    inside = {"rate": 0.1, "mode": "a"}
    assert encoding.unit([outside])[0] == pytest.approx(encoding.unit([inside, outside])[1])
    gaps = encoding.squared(encoding.unit([outside]), encoding.unit([other, inside]))
    assert gaps.min() > 1e6, "in a dimension of choices too"
