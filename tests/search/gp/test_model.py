"""The pooled model against brute force: all runs at once, no reduction, numerical derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.special import gamma, kv
from scipy.stats import multivariate_normal

from kdsearch.search.gp.mixed_model import Runs, reduce
from kdsearch.search.gp.model import FOLD_RHOS, RHOS, Models, Shares, spread, squashed
from kdsearch.search.gp.posterior import MEAN_VARIANCE, Hyperparameters, Posterior, fit, matern, objective
from kdsearch.search.gp.priors import REPORTING_PRIOR, SEARCH_PRIOR, Prior

Floats = NDArray[np.float64]
THETA = Hyperparameters(np.log(np.array([0.3, 0.8])), math.log(0.5), math.log(0.2), math.log(0.7))


def example(seed: int = 0, k: int = 6) -> tuple[list[dict[int, float]], Floats]:
    draws = np.random.default_rng(seed)
    objectives = [
        {int(j): float(draws.normal()) for j in draws.permutation(5)[: draws.integers(1, 5)]} for _ in range(k)
    ]
    return objectives, draws.random((k, 2))


def folded(seed: int = 0, k: int = 6, folds: int = 3) -> tuple[list[dict[int, float]], Floats]:
    """Configurations of one to eight seeds that begin anywhere: they meet some folds several times and others never."""
    draws = np.random.default_rng(seed)
    firsts, counts = 64 * np.arange(k) + draws.integers(0, folds, k), draws.integers(1, 9, k)
    objectives = [
        {int(first + j): float(draws.normal()) for j in range(count)}
        for first, count in zip(firsts, counts, strict=True)
    ]
    return objectives, draws.random((k, 2))


def squared(a: Floats, b: Floats) -> Floats:
    return np.asarray((a.T[:, :, None] - b.T[:, None, :]) ** 2)


def brute(runs: Runs, units: Floats, rho: float) -> tuple[Floats, Floats, float]:
    """Mean and covariance of theta, and log density of the runs, from the full covariance of all runs.

    A fold's effects are those of K independent ones less their mean, ``rho (same - 1 / K)``, beside a noise of its own.
    """
    z = np.eye(runs.k)[runs.configuration]
    same_block = runs.block[:, None] == runs.block[None, :]
    prior = THETA.smooth * matern(squared(units, units), THETA.log_lengths) + MEAN_VARIANCE
    prior = prior + (THETA.own + 1e-8) * np.eye(runs.k)
    noise = THETA.noise * (rho * same_block + (1 - rho) * np.eye(runs.values.size))
    if runs.folds > 1:
        noise = (noise - THETA.noise * rho / runs.folds) / (1 - rho)
    total = z @ prior @ z.T + noise
    gain = prior @ z.T @ np.linalg.inv(total)
    density = float(multivariate_normal(np.zeros(runs.values.size), total).logpdf(runs.values))
    return gain @ runs.values, prior - gain @ z @ prior, density


def by_hand() -> Runs:
    """Two configurations and two folds: the first meets fold 0 twice and fold 1 once, the second fold 1 once."""
    return Runs.of([{0: 1.0, 1: 4.0, 2: 3.0}, {65: 5.0}], folds=2)


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


def test_settings_that_meet_a_fold_twice_are_reduced_as_by_hand() -> None:
    """``rho = 1/2``, ``D = diag(2 + 1, 2 + 1)``, ``C = [[2, 1], [0, 1]]``.

    ``M = 2 (diag(3, 1) - C C' / 3) = 2/3 [[4, -1], [-1, 2]]``, ``M^-1 = 3/14 [[2, 1], [1, 4]]`` and on the right side
    ``2 ([8, 5] - C [4, 9] / 3) = [14, 12] / 3``, hence means of 20/7 and 31/7. ``Q = 2 (51 - 97/3) - (20/7 14/3 + 31/7
    4) = 44/7``. For folds: less ``rho / K = 1/4``, in units of half of the noise. ``|V0| = 2^-4 3^2``, ``|M| = 28/9``;
    in units of half of it ``|V0| = 3^2``, ``|M| = 7/9``.
    """
    data = reduce(by_hand(), 0.5)
    assert data.means == pytest.approx([20 / 7, 31 / 7])
    assert data.noise == pytest.approx(2 * (3 / 14 * np.array([[2.0, 1.0], [1.0, 4.0]]) - 1 / 4))
    assert data.within == pytest.approx(22 / 7)
    assert data.log_det == pytest.approx(math.log(7))
    assert data.runs == 4


def test_seeds_of_one_fold_are_one_block() -> None:
    runs = by_hand()
    assert runs.block.tolist() == [0, 1, 0, 1]
    assert (runs.k, runs.blocks, runs.compared) == (2, 2, 1)
    seeds = Runs.of([{0: 1.0, 1: 4.0, 2: 3.0}, {65: 5.0}])
    assert seeds.block.tolist() == [0, 1, 2, 3]
    assert seeds.compared == 1
    assert Runs.of([{0: 1.0, 2: 3.0}, {1: 1.0}], folds=2).compared == 0, "two seeds, but of one fold"
    assert Runs.of([{3: 1.0}, {8: 1.0}], folds=5).blocks == 1


def test_what_runs_have_from_their_folds_is_guessed_by_hand() -> None:
    # medians 2 (of 1, 2, 9), 6 (of 5, 7) and of all 5: 3/4 of -3 and 2/3 of 1
    runs = Runs.of([{0: 1.0, 1: 5.0, 2: 9.0}, {3: 7.0, 4: 2.0}], folds=2)
    assert runs.common() == pytest.approx([-9 / 4, 2 / 3, -9 / 4, 2 / 3, -9 / 4])
    assert Runs.of([{0: 1.0, 1: 5.0}, {2: 9.0}]).common().tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("rho", "folds", "seed"),
    [(0.0, 1, 0), (0.1, 1, 0), (0.45, 1, 0), *((rho, 3, seed) for rho in (0.0, 0.1, 0.7, 0.998) for seed in range(4))],
)
def test_reduced_runs_give_the_posterior_of_all_runs(rho: float, folds: int, seed: int) -> None:
    objectives, units = example(seed) if folds == 1 else folded(seed, folds=folds)
    runs = Runs.of(objectives, folds)
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
    z = np.eye(len(everywhere))[runs.configuration]
    gain = prior @ z.T @ np.linalg.inv(z @ prior @ z.T + THETA.noise * np.eye(runs.values.size))
    expected = prior - gain @ z @ prior
    posterior = Posterior.of(squared(units, units), reduce(runs, 0.0), THETA)
    rows = np.array([0, 5])
    mean, joint = posterior.joint(rows, squared(units, point), squared(point, point))
    chosen = np.array([0, 5, 6, 7])
    assert mean == pytest.approx((gain @ runs.values)[chosen], abs=1e-9)
    assert joint == pytest.approx(expected[np.ix_(chosen, chosen)], abs=1e-9)


@pytest.mark.parametrize(("folds", "seed"), [(1, 1), *((folds, seed) for folds in (2, 5) for seed in range(4))])
def test_evidence_differs_between_rhos_as_the_density_of_all_runs_does(folds: int, seed: int) -> None:
    objectives, units = example(seed) if folds == 1 else folded(seed, folds=folds)
    runs = Runs.of(objectives, folds)
    gaps = squared(units, units)
    rhos = (0.0, 0.1, 0.3, 0.95)
    ours = []
    for rho in rhos:
        data = reduce(runs, rho)
        value, _ = objective(THETA.vector(), gaps, data, SEARCH_PRIOR)
        ours.append(-value - 0.5 * data.log_det)
    expected = [brute(runs, units, rho)[2] for rho in rhos]
    assert np.diff(ours) == pytest.approx(np.diff(expected), abs=1e-5)


def test_a_setting_of_folds_alone_is_known_as_well_as_its_own_noise_lets_it_be() -> None:
    # each of two configurations meets each of two folds twice: what folds do cancels, and 4 runs have a quarter of the
    # noise
    runs = Runs.of([{seed: float(seed) for seed in range(4)}, {64 + seed: float(seed) for seed in range(4)}], folds=2)
    for rho in (0.1, 0.95):
        assert reduce(runs, rho).noise == pytest.approx(np.array([[0.25, 0.0], [0.0, 0.25]]))


@pytest.mark.parametrize(("rho", "folds"), [(0.0, 1), (0.3, 1), (0.85, 3)])
def test_gradient_against_differences(rho: float, folds: int) -> None:
    objectives, units = example(2) if folds == 1 else folded(2)
    gaps, data = squared(units, units), reduce(Runs.of(objectives, folds), rho)
    error = check_grad(
        lambda v: objective(v, gaps, data, SEARCH_PRIOR)[0],
        lambda v: objective(v, gaps, data, SEARCH_PRIOR)[1],
        THETA.vector(),
        epsilon=1e-6,
    )
    assert error < 1e-4


@pytest.mark.parametrize("prior", [SEARCH_PRIOR, REPORTING_PRIOR])
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
        models = Models(2, SEARCH_PRIOR)
        models.of(objectives, squared(units, units))
        found[rho] = models.rho
    assert found[0.0] <= 0.1
    assert found[0.45] >= 0.3


def in_folds(effects: Sequence[float], noise: float, seed: int = 7) -> tuple[list[dict[int, float]], Floats]:
    """Forty configurations of truth ``x`` with one or two seeds, in folds with these effects."""
    draws = np.random.default_rng(seed)
    units = draws.random((40, 2))
    objectives = [
        {
            index: float(u[0] + effects[index % len(effects)] + noise * draws.normal())
            for index in range(66 * place, 66 * place + 1 + place % 2)
        }
        for place, u in enumerate(units)
    ]
    return objectives, units


@pytest.mark.parametrize(
    ("size", "least", "most"), [(0.0, 0.0, 0.3), (0.2, 0.3, 0.85), (0.5, 0.85, 0.95), (20.0, 0.998, 0.9999)]
)
@pytest.mark.parametrize("prior", [SEARCH_PRIOR, REPORTING_PRIOR])
def test_what_folds_do_to_all_is_noticed_and_is_no_noise(size: float, least: float, most: float, prior: Prior) -> None:
    """Effects of sd 0, 1, 2.5 and 100 times the noise: shares of 0, 0.5, 0.86 and 0.9999."""
    effects = size * np.array([-1.26, -0.63, 0.0, 0.63, 1.26])  # of sd 1
    objectives, units = in_folds(effects.tolist(), 0.2)
    models = Models(2, prior, folds=5)
    model = models.of(objectives, squared(units, units))
    assert least <= models.rho <= most
    assert model.rho == models.rho
    assert model.scale * math.sqrt(model.noise_variance) == pytest.approx(0.2, rel=0.3)
    estimates = np.array([model.raw(float(mean)) for mean in model.posterior.mean])
    assert float(np.sqrt(np.mean((estimates - units[:, 0]) ** 2))) < 0.12
    assert model.scale * float(model.posterior.sd.max()) < 0.3, "what all folds have in common is not in doubt"


def test_before_settings_are_compared_across_folds_half_of_the_variance_is_theirs() -> None:
    objectives, units = in_folds([0.0] * 5, 0.2)
    models = Models(2, SEARCH_PRIOR, folds=5)
    models.of(objectives[:6], squared(units[:6], units[:6]))  # three of them have two seeds
    assert models.rho == 0.5
    models.of(objectives[:8], squared(units[:8], units[:8]))
    assert models.rho != 0.5


def test_a_diverged_run_in_one_fold_says_nothing_of_the_fold() -> None:
    objectives, units = in_folds([0.0] * 5, 0.2)
    objectives[4] = {66 * 4: -1e6}
    model = Models(2, SEARCH_PRIOR, folds=5).of(objectives, squared(units, units))
    off = np.array([model.raw(float(mean)) for mean in model.posterior.mean]) - units[:, 0]
    beside = np.array([place for place in range(40) if place != 4 and place % 5 == 4])
    others = np.array([place for place in range(40) if place % 5 != 4])
    assert float(off[beside].mean() - off[others].mean()) == pytest.approx(0.0, abs=0.1)


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
    plain = Models(2, SEARCH_PRIOR).of(objectives, gaps)
    moved = Models(2, SEARCH_PRIOR).of([{j: 5 + 0.01 * y for j, y in row.items()} for row in objectives], gaps)
    for ours, theirs in zip(plain.posterior.mean, moved.posterior.mean, strict=True):
        assert moved.raw(float(theirs)) == pytest.approx(5 + 0.01 * plain.raw(float(ours)), abs=1e-7)


@pytest.mark.parametrize("prior", [RHOS, FOLD_RHOS])
def test_the_prior_of_a_common_share_is_a_distribution_over_shares(prior: Shares) -> None:
    shares, probabilities = zip(*prior, strict=True)
    assert list(shares) == sorted(set(shares))
    assert shares[0] == 0
    assert shares[-1] < 1
    assert min(probabilities) > 0
    assert sum(probabilities) == pytest.approx(1)


def test_values_that_differ_by_rounding_have_the_spread_one() -> None:
    assert spread(np.array([1.0, 3.0])) == 1.0
    assert spread(np.array([0.0, 4.0])) == 2.0
    assert spread(np.array([0.0, 1e-14])) == 1.0, "beside values of the size of 1"
    assert spread(np.array([1e6, 1e6 + 1e-9])) == 1.0
    assert spread(np.array([1e-5, 3e-5])) == pytest.approx(1e-5)
