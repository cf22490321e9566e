"""The pooled model against brute force: all runs at once, no reduction, numerical derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.special import gamma
from scipy.special import kv
from scipy.stats import multivariate_normal

from kdsearch.search.model import Models
from kdsearch.search.model import squashed
from kdsearch.search.posterior import MEAN_VARIANCE
from kdsearch.search.posterior import Hyperparameters
from kdsearch.search.posterior import Posterior
from kdsearch.search.posterior import fit
from kdsearch.search.posterior import matern
from kdsearch.search.posterior import objective
from kdsearch.search.priors import HOPEFUL
from kdsearch.search.priors import SCEPTICAL
from kdsearch.search.priors import Prior
from kdsearch.search.reduction import Runs
from kdsearch.search.reduction import reduce

Floats = NDArray[np.float64]
THETA = Hyperparameters(np.log(np.array([0.3, 0.8])), math.log(0.5), math.log(0.2), math.log(0.7))


def example(seed: int = 0, k: int = 6) -> tuple[list[dict[int, float]], Floats]:
    draws = np.random.default_rng(seed)
    objectives = [
        {int(j): float(draws.normal()) for j in draws.permutation(5)[: draws.integers(1, 5)]} for _ in range(k)
    ]
    return objectives, draws.random((k, 2))


def squared(a: Floats, b: Floats) -> Floats:
    return np.asarray((a.T[:, :, None] - b.T[:, None, :]) ** 2)


def brute(runs: Runs, units: Floats, rho: float) -> tuple[Floats, Floats, float]:
    """Mean and covariance of theta, and log density of the runs, from the full covariance of all runs."""
    z = np.eye(runs.k)[runs.setting]
    same_seed = runs.seed[:, None] == runs.seed[None, :]
    prior = THETA.smooth * matern(squared(units, units), THETA.log_lengths) + MEAN_VARIANCE
    prior = prior + (THETA.own + 1e-8) * np.eye(runs.k)
    noise = THETA.noise * (rho * same_seed + (1 - rho) * np.eye(runs.values.size))
    total = z @ prior @ z.T + noise
    gain = prior @ z.T @ np.linalg.inv(total)
    density = float(multivariate_normal(np.zeros(runs.values.size), total).logpdf(runs.values))
    return gain @ runs.values, prior - gain @ z @ prior, density


def test_matern_is_the_general_formula_at_five_halves() -> None:
    _, units = example()
    lengths = np.array([0.3, 0.8])
    a = np.sqrt(5 * (squared(units, units) / lengths[:, None, None] ** 2).sum(axis=0)) + 1e-9
    expected = 2.0**-1.5 / gamma(2.5) * a**2.5 * kv(2.5, a)  # Rasmussen and Williams 2006, equation 4.14
    assert matern(squared(units, units), np.log(lengths)) == pytest.approx(expected, abs=1e-8)


def test_without_a_seed_effect_the_reduction_is_means_and_counts() -> None:
    data = reduce(Runs.of([{0: 1.0, 1: 3.0}, {0: 4.0}]), 0.0)
    assert data.means.tolist() == [2.0, 4.0]
    assert data.noise.tolist() == [[0.5, 0.0], [0.0, 1.0]]
    assert data.within == pytest.approx(2.0)  # (1 - 2)^2 + (3 - 2)^2


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.45])
def test_reduced_runs_give_the_posterior_of_all_runs(rho: float) -> None:
    objectives, units = example()
    runs = Runs.of(objectives)
    mean, covariance, _ = brute(runs, units, rho)
    gaps = squared(units, units)
    posterior = Posterior.of(gaps, reduce(runs, rho), THETA)
    assert posterior.mean == pytest.approx(mean, abs=1e-9)
    assert posterior.sd == pytest.approx(np.sqrt(np.diag(covariance)), abs=1e-9)
    rows = np.array([4, 1])
    point = np.array([[0.4, 0.6]])
    joint_mean, joint = posterior.joint(rows, squared(units, point), squared(point, point))
    assert joint_mean[:2] == pytest.approx(mean[rows], abs=1e-9)
    assert joint[:2, :2] == pytest.approx(covariance[np.ix_(rows, rows)], abs=1e-9)


def test_a_new_point_is_predicted_as_by_conditioning_all_at_once() -> None:
    objectives, units = example(3)
    runs = Runs.of(objectives)
    point = np.array([[0.4, 0.6], [0.1, 0.9]])
    everywhere = np.concatenate([units, point])
    prior = THETA.smooth * matern(squared(everywhere, everywhere), THETA.log_lengths) + MEAN_VARIANCE
    prior = prior + (THETA.own + 1e-8) * np.eye(len(everywhere))
    z = np.eye(len(everywhere))[runs.setting]
    gain = prior @ z.T @ np.linalg.inv(z @ prior @ z.T + THETA.noise * np.eye(runs.values.size))
    expected = prior - gain @ z @ prior
    posterior = Posterior.of(squared(units, units), reduce(runs, 0.0), THETA)
    rows = np.array([0, 5])
    mean, joint = posterior.joint(rows, squared(units, point), squared(point, point))
    chosen = np.array([0, 5, 6, 7])
    assert mean == pytest.approx((gain @ runs.values)[chosen], abs=1e-9)
    assert joint == pytest.approx(expected[np.ix_(chosen, chosen)], abs=1e-9)


def test_evidence_differs_between_rhos_as_the_density_of_all_runs_does() -> None:
    objectives, units = example(1)
    runs = Runs.of(objectives)
    gaps = squared(units, units)
    ours = []
    for rho in (0.1, 0.3):
        data = reduce(runs, rho)
        value, _ = objective(THETA.vector(), gaps, data, HOPEFUL)
        ours.append(-value - 0.5 * data.log_det)
    expected = [brute(runs, units, rho)[2] for rho in (0.1, 0.3)]
    assert ours[1] - ours[0] == pytest.approx(expected[1] - expected[0], abs=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_gradient_against_differences(rho: float) -> None:
    objectives, units = example(2)
    gaps, data = squared(units, units), reduce(Runs.of(objectives), rho)
    error = check_grad(
        lambda v: objective(v, gaps, data, HOPEFUL)[0],
        lambda v: objective(v, gaps, data, HOPEFUL)[1],
        THETA.vector(),
        epsilon=1e-6,
    )
    assert error < 1e-4


@pytest.mark.parametrize("prior", [HOPEFUL, SCEPTICAL])
def test_fit_climbs_and_finds_the_noise_of_many_repeats(prior: Prior) -> None:
    draws = np.random.default_rng(5)
    units = draws.random((12, 2))
    truth = np.sin(3 * units[:, 0])
    objectives = [{j: float(value + 0.5 * draws.normal()) for j in range(20)} for value in truth]
    gaps, data = squared(units, units), reduce(Runs.of(objectives), 0.0)
    start = Hyperparameters.of(prior.centres(2))
    found, value = fit(gaps, data, start, prior, steps=60)
    assert value < objective(start.vector(), gaps, data, prior)[0]
    assert math.sqrt(found.noise) == pytest.approx(0.5, rel=0.1)
    assert found.log_lengths[1] > found.log_lengths[0]  # the second dimension does nothing


def test_a_strong_seed_effect_is_noticed_and_none_is_not() -> None:
    found = {}
    for rho in (0.0, 0.45):
        draws = np.random.default_rng(7)
        units, common = draws.random((12, 2)), draws.normal(size=40) * math.sqrt(rho)
        objectives = [
            {j: float(u[0] + common[j] + math.sqrt(1 - rho) * draws.normal()) for j in range(40)} for u in units
        ]
        models = Models(2, HOPEFUL)
        models.of(objectives, squared(units, units))
        found[rho] = models.rho
    assert found[0.0] <= 0.1
    assert found[0.45] >= 0.3


def test_the_lower_tail_is_drawn_together_by_hand() -> None:
    # median of the upper half 1: u = 1.4826; below -14.826 values follow the logarithm
    values = np.array([-14.826 - 1.4826, -14.826, -1.0, 0.0, 1.0, 2.0])
    expected = [-1.4826 * (10 + math.log(2)), -14.826, -1.0, 0.0, 1.0, 2.0]
    assert squashed(values, np.arange(6)) == pytest.approx(expected)
    alone = np.arange(3)
    assert squashed(np.array([-3.0, 0.0, 0.0]), alone).tolist() == [-3.0, 0.0, 0.0], "no upper half to measure by"


def test_what_is_drawn_together_is_a_settings_mean_not_a_run() -> None:
    # u = 1.4826: a mean above -14.826 stays, whatever a run of it is; one below moves its runs by the slope there
    low = -14.826 - 1.4826
    values, setting = np.array([1.0, 1.0, -18.0, 2.0, low - 1, low + 1]), np.array([0, 0, 1, 1, 2, 2])
    centre = -1.4826 * (10 + math.log(2))
    expected = [1.0, 1.0, -18.0, 2.0, centre - 0.5, centre + 0.5]
    assert squashed(values, setting) == pytest.approx(expected)


def test_values_in_other_units_give_the_same_model_in_those_units() -> None:
    objectives, units = example(4)
    gaps = squared(units, units)
    plain = Models(2, HOPEFUL).of(objectives, gaps)
    moved = Models(2, HOPEFUL).of([{j: 5 + 0.01 * y for j, y in row.items()} for row in objectives], gaps)
    for ours, theirs in zip(plain.posterior.mean, moved.posterior.mean, strict=True):
        assert moved.raw(float(theirs)) == pytest.approx(5 + 0.01 * plain.raw(float(ours)), abs=1e-7)
