"""The model over the space: against the dense formula of a Gaussian process, and against the known truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from figures.known import known, truth
from scipy.stats import qmc

from kdsearch.figures import view
from kdsearch.figures.surface import AVERAGED, Surface, total_shares
from kdsearch.search.gp.posterior import MEAN_VARIANCE, matern


@pytest.fixture(scope="module")
def surface() -> Surface:
    found = view(known()).surface
    assert found is not None
    return found


def dense(surface: Surface, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance by the textbook formula, the data's covariance inverted from its factor."""
    theta, posterior = surface.model.posterior.theta, surface.model.posterior
    cross = theta.smooth * matern(surface.encoding.squared(surface.units, points), theta.log_lengths) + MEAN_VARIANCE
    inverse = np.linalg.inv(posterior.lower @ posterior.lower.T)
    data = posterior.lower @ posterior.lower.T @ posterior.alpha
    among = theta.smooth * matern(surface.encoding.squared(points, points), theta.log_lengths) + MEAN_VARIANCE
    return cross.T @ inverse @ data, among - cross.T @ inverse @ cross


def test_mean_and_draws_are_those_of_the_dense_formula(surface: Surface) -> None:
    points = surface.encoding.snap(np.random.default_rng(0).random((50, len(surface.names))))
    mean, covariance = dense(surface, points)
    np.testing.assert_allclose(surface.mean(points), surface.metric(mean), atol=1e-9)
    drawn = surface.draws(points, 20_000)
    np.testing.assert_allclose(drawn.mean(axis=0), surface.metric(mean), atol=4e-4)
    np.testing.assert_allclose(np.cov(drawn.T), surface.model.scale**2 * covariance, atol=3e-5)


@pytest.mark.parametrize("name", ["lr", "momentum"])
def test_an_effect_is_the_posterior_of_a_mean_over_the_others(surface: Surface, name: str) -> None:
    effect, column = surface.effect(name), surface.names.index(name)
    others = np.asarray(qmc.Sobol(len(surface.names), seed=0).random(AVERAGED))
    if name == "momentum":
        others[:, surface.names.index("optimizer")] = 0.75  # the second of two choices: where momentum is read
    for place, row in ((0.0, 0), (0.5, 16), (1.0, 32)):
        points = others.copy()
        points[:, column] = place
        mean, covariance = dense(surface, surface.encoding.snap(points))
        assert effect.mean[row] == pytest.approx(float(surface.metric(mean.mean(keepdims=True))[0]), abs=1e-9)
        assert effect.sd[row] == pytest.approx(surface.model.scale * math.sqrt(covariance.mean()), rel=1e-6)


def test_an_effect_shows_the_truth(surface: Surface) -> None:
    effect = surface.effect("lr")
    assert effect.log
    assert not effect.choices
    best = math.log10(float(effect.values[int(np.argmax(effect.mean))]))
    assert best == pytest.approx(-2.5, abs=0.3)
    others = {"alpha": 0.5, "optimizer": "adam", "momentum": 0.5}
    gaps = [truth({"lr": value, **others}) for value in effect.values]
    inside = np.abs(np.array(gaps) - effect.mean) < 3 * effect.sd + 0.004
    assert inside.mean() > 0.9


def test_choices_and_whole_numbers_have_their_own_values(surface: Surface) -> None:
    assert surface.effect("optimizer").values == ("adam", "sgd")
    assert surface.is_choice("optimizer")
    assert not surface.is_choice("lr")


def test_a_pair_is_the_mean_over_the_others(surface: Surface) -> None:
    pair = surface.pair("lr", "alpha")
    assert pair.mean.shape == (len(pair.second.values), len(pair.first.values))
    best = np.unravel_index(int(np.argmax(pair.mean)), pair.mean.shape)[1]
    assert math.log10(float(pair.first.values[best])) == pytest.approx(-2.5, abs=0.4)
    line = pair.mean.mean(axis=0)
    effect = np.interp(np.linspace(0, 1, line.size), np.linspace(0, 1, 33), surface.effect("lr").mean)
    np.testing.assert_allclose(line, effect, atol=0.006)


def test_total_shares_of_a_known_function() -> None:
    """f = 2 x + y + x y over the unit square, whose shares are known."""
    base, other = np.split(qmc.Sobol(4, seed=1).random(2**14), 2, axis=1)

    def f(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 2 * x + y + x * y

    values = np.stack([f(*base.T), f(other[:, 0], base[:, 1]), f(base[:, 0], other[:, 1])])
    # Var = (6.25 + 2.25) / 12 + 1 / 144; the interaction, 1 / 144, counts for both.
    variance = 8.5 / 12 + 1 / 144
    expected = [(6.25 / 12 + 1 / 144) / variance, (2.25 / 12 + 1 / 144) / variance]
    np.testing.assert_allclose(total_shares(values), expected, atol=2e-3)
    assert total_shares(np.ones((3, 8))).tolist() == [0.0, 0.0]


def test_importance_finds_what_matters_and_how_sure_that_is(surface: Surface) -> None:
    shares = {share.name: share for share in surface.importance()}
    assert next(iter(shares)) == "lr"
    assert shares["lr"].median > 0.8
    assert all(share.low <= share.median <= share.high for share in shares.values())
    assert shares["optimizer"].median < 0.2
    assert [share.name for share in surface.importance()] == list(shares)  # the same draws each time


def test_lower_is_better_is_the_same_upside_down() -> None:
    up, down = view(known()).surface, view(known(sign=-1.0)).surface
    assert up is not None
    assert down is not None
    np.testing.assert_allclose(up.effect("lr").mean, -down.effect("lr").mean, atol=1e-9)
    assert [share.name for share in up.importance()] == [share.name for share in down.importance()]


def test_no_model_of_few_or_equal_results() -> None:
    assert view(known(n=4)).surface is None
    found = known("search")
    same = replace(found, runs=tuple(replace(run, objective=0.5) for run in found.runs))
    assert view(same).surface is None


def test_one_view_for_all_figures_and_none_of_results_that_are_gone() -> None:
    from kdsearch.figures import view as module_view
    from kdsearch.figures.view import _views

    found = known()
    assert module_view(found) is module_view(found)
    assert module_view(found) is not module_view(known())
    kept = len(_views)
    del found
    assert len(_views) < kept


def test_numbers_of_two_methods_are_no_pair() -> None:
    """They are never read together: a contour would say that one of them does nothing."""
    import kdsearch as kd
    from kdsearch.ledger.studies import to_json

    found = known()
    space = {
        "lr": kd.log(1e-4, 1e-1),
        "optimizer": kd.categorical("adam", "sgd"),
        "alpha": kd.when(kd.uniform(0, 1), optimizer="adam"),
        "momentum": kd.when(kd.uniform(0, 1), optimizer=["sgd", "adam"]),
        "decay": kd.when(kd.uniform(0, 1), optimizer="sgd"),
    }
    rows = {
        id_: replace(row, params={**row.params, "decay": row.params["momentum"]})
        for id_, row in found.configurations.items()
    }
    settings = replace(
        found.study.settings, space_json=to_json({n: d.identity() for n, d in space.items()}), dimensions=tuple(space)
    )
    surface = view(replace(found, configurations=rows, study=replace(found.study, settings=settings))).surface
    assert surface is not None
    assert not surface.reads("alpha", "decay")
    assert surface.reads("alpha", "momentum")
    assert surface.reads("lr", "decay")
    others = surface._others(64, "momentum")
    assert set(others[:, surface.names.index("optimizer")]) == {0.25, 0.75}  # each of its conditions, not the first


def test_the_best_configuration_has_the_estimate_of_the_tables() -> None:
    seen = view(known())
    surface = seen.surface
    assert surface is not None
    best = seen.standings[0]
    place = [row.id for row in seen.standings].index(best.id)
    assert place == 0
    point = surface.encoding.unit([best.configuration.params])
    row = int(np.flatnonzero((surface.units == point).all(axis=1))[0])
    moved = surface.metric(np.array([surface.model.posterior.mean[row]]))
    assert moved[0] == pytest.approx(best.estimate, abs=1e-9)


def test_a_covariance_that_rounding_has_spoilt_has_a_root() -> None:
    from kdsearch.figures.surface import _root

    ones = np.ones((4, 4)) - 1e-7 * np.eye(4)  # an eigenvalue below 0
    root = _root(ones)
    np.testing.assert_allclose(root @ root.T, np.ones((4, 4)), atol=1e-5)
