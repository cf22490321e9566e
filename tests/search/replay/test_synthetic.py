"""Synthetic worlds: declared sigma, rho and tau are the ones found, and everything is a function of its key."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, skew

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.replay import SyntheticWorld, surfaces
from kdsearch.search.replay.draws import choice, normal
from kdsearch.search.replay.synthetic import KINDS, SPACE

PARAMS = Encoding(SPACE).params(np.full(5, 0.3))
OTHER = Encoding(SPACE).params(np.full(5, 0.8))


def test_draws_are_normal_and_functions_of_their_key() -> None:
    values = [normal(1, "a", index) for index in range(5000)]
    assert kstest(values, "norm").pvalue > 0.01
    assert normal(1, "a", 7) == values[7]
    assert normal(2, "a", 7) != values[7]
    picks = np.bincount([choice(4, "key", index) for index in range(4000)])
    assert picks.min() > 900


@pytest.mark.parametrize("kind", KINDS)
def test_runs_have_the_declared_noise(kind: str) -> None:
    world = SyntheticWorld(kind, 2.0, 0.3, seed=5)  # type: ignore[arg-type]
    runs = np.array([[world.run(params, seed) for params in (PARAMS, OTHER)] for seed in range(10000)])
    truths = [world.truth(PARAMS), world.truth(OTHER)]
    assert runs.mean(0) == pytest.approx(truths, abs=0.08)
    assert runs.std(0) == pytest.approx([2.0, 2.0], rel=0.03)
    assert np.corrcoef(runs.T)[0, 1] == pytest.approx(0.3, abs=0.03)
    assert world.run(PARAMS, 3) == SyntheticWorld(kind, 2.0, 0.3, seed=5).run(PARAMS, 3)  # type: ignore[arg-type]
    assert world.run(PARAMS, 3) != SyntheticWorld(kind, 2.0, 0.3, seed=6).run(PARAMS, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "truth", "best", "run"),
    [
        ("independent", 0.6116066394357532, 3.5023662992870572, -0.29008547948257674),
        ("smooth", 0.9416577748901912, 2.1851521940296883, 0.0399656559718613),
        ("left-tailed", 0.8279776031182906, 1.1053237000127811, -0.0737145158000394),
    ],
)
def test_worlds_are_those_of_the_stored_searches(kind: str, truth: float, best: float, run: float) -> None:
    """What the benchmark of 21 November 2026 searched: with another world its stored peers are peers of nothing."""
    world = SyntheticWorld(kind, 1.0, 0.3, seed=2)  # type: ignore[arg-type]
    place = {"a": 0.3, "b": 0.5, "c": 7.0, "rate": 0.01, "steps": 5}
    assert (world.truth(place), world.best, world.run(place, 3)) == pytest.approx((truth, best, run), rel=1e-9)


def test_runs_take_one_second_in_the_middle_and_vary_by_a_third() -> None:
    world = SyntheticWorld("smooth", 1.0, 0.3, seed=5)
    logs = np.log([world.cost(PARAMS, seed) for seed in range(4000)])
    assert kstest(logs / 0.3, "norm").pvalue > 0.01
    assert world.cost(PARAMS, 3) == world.cost(PARAMS, 3) != world.cost(OTHER, 3)


def test_with_rho_zero_settings_share_nothing() -> None:
    world = SyntheticWorld("smooth", 1.0, 0.0, seed=5)
    runs = np.array([[world.run(params, seed) for params in (PARAMS, OTHER)] for seed in range(4000)])
    assert abs(np.corrcoef(runs.T)[0, 1]) < 0.05
    assert runs.mean(0) == pytest.approx([world.truth(PARAMS), world.truth(OTHER)], abs=0.08)


@pytest.mark.parametrize("kind", KINDS)
def test_truths_have_sd_one_and_best_is_near_their_top(kind: str) -> None:
    world = SyntheticWorld(kind, 1.0, 0.0, seed=2)  # type: ignore[arg-type]
    encoding, rng = Encoding(SPACE), np.random.default_rng(0)
    truths = np.array([world.truth(encoding.params(rng.random(5))) for _ in range(2000)])
    assert truths.mean() == pytest.approx(0, abs=0.1)
    assert truths.std() == pytest.approx(1, abs=0.1)
    assert truths.max() <= world.best + 0.5


def test_independent_settings_tell_nothing_of_their_neighbours() -> None:
    surface = surfaces.independent(3)
    unit = surfaces.sample(2)[:1000]
    assert abs(np.corrcoef(surface(unit), surface(unit + 1e-9))[0, 1]) < 0.1


def test_smooth_worlds_have_two_active_numbers() -> None:
    surface = surfaces.smooth(4, 5)
    unit = surfaces.sample(5)[:200]
    moved = []
    for axis in range(5):
        shifted = unit.copy()
        shifted[:, axis] = 1 - shifted[:, axis]
        moved.append(float(np.abs(surface(shifted) - surface(unit)).max()))
    assert sum(change > 1e-9 for change in moved) == 2
    near = np.clip(unit + 1e-3, 0, 1)
    assert np.abs(surface(near) - surface(unit)).max() < 0.1


def test_features_have_matern_covariance() -> None:
    """Over many functions, values at distance r correlate as Matern 5/2: (1 + a + a^2/3) exp(-a), a = sqrt(5) r / l."""
    draws = []
    for key in range(600):
        rng = np.random.default_rng([key, 9])
        omega = rng.standard_normal((1, 256)) / np.sqrt(rng.chisquare(5, 256) / 5) / 0.5
        phase, weight = rng.uniform(0, 2 * np.pi, 256), rng.standard_normal(256)
        draws.append(np.cos(np.array([[0.0], [0.4]]) @ omega + phase) @ weight)
    a = np.sqrt(5) * 0.4 / 0.5
    assert np.corrcoef(np.array(draws).T)[0, 1] == pytest.approx((1 + a + a**2 / 3) * np.exp(-a), abs=0.08)


def test_left_tailed_worlds_have_a_long_bad_tail() -> None:
    values = [surfaces.left_tailed(key, 5)(surfaces.sample(5)) for key in range(60)]
    assert np.mean([skew(row) for row in values]) == pytest.approx(-1.6, abs=0.3)
    assert np.mean([np.sort(row)[-205:].mean() for row in values]) == pytest.approx(1.0, abs=0.1)


def test_a_whole_number_may_come_back_as_a_real_one() -> None:
    world = SyntheticWorld("independent", 1.0, 0.0, seed=1)
    assert world.run({**PARAMS, "steps": 3}, 0) == world.run({**PARAMS, "steps": 3.0}, 0)


def test_unknown_worlds_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a kind"):
        SyntheticWorld("hilly", 1.0, 0.0, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rho"):
        SyntheticWorld("smooth", 1.0, 1.5, 0)
