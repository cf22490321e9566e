"""Correlations of early with final values: tables worked by hand, and drawn ones whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from kdsearch.statistics.early import (
    FEWEST,
    Components,
    Levelled,
    Sample,
    between,
    between_better,
    components,
    given_early,
    level,
    within,
    within_better,
)

EARLY = (0, 0, 0, 0, 4, 4, 4, 4)
FINAL = (0, 0, 0, 4, 0, 4, 4, 4)
TURNED = (1, 1, 1, 1, 1, 1, 1, -1)
BY_HAND = [np.array([[x + 1.0, y + s], [x - 1.0, y - s]]) for x, y, s in zip(EARLY, FINAL, TURNED, strict=True)]
"""Two runs a configuration, 1 above and 1 below its mean; in the last, early and final values part."""


def fit(samples: Sequence[Sample]) -> Components:
    return components(Levelled(tuple(samples)))


def test_moments_by_hand() -> None:
    # W = [[16, 12], [12, 16]] / 8. cov(means) = [[32, 16], [16, 32]] / 7. B = cov(means) - W / 2.
    found = fit(BY_HAND)
    np.testing.assert_allclose(found.within[0], [[2, 1.5], [1.5, 2]])
    np.testing.assert_allclose(found.between[0], [[25 / 7, 10.75 / 7], [10.75 / 7, 25 / 7]])
    assert within(found).value == pytest.approx(0.75)
    assert between(found).value == pytest.approx(0.43)
    assert (between(found).configurations, between(found).runs) == (8, 16)
    assert between(found).low < 0.43 < between(found).high


def test_the_likelihood_of_a_balanced_table_is_at_the_moments() -> None:
    # A ninth configuration with one run makes the table unbalanced; far below one, its weight in W goes to nothing.
    moments = fit(BY_HAND)
    extra = fit([*BY_HAND, np.array([[2.0, 2.0]])])
    np.testing.assert_allclose(extra.within[0], moments.within[0], rtol=0.05)
    assert (between(extra).configurations, within(extra).configurations) == (9, 8)
    # Stationary: the fitted values are where the score of the restricted likelihood is 0.
    start, b, w = _restricted(extra, 0, 0), extra.between[0], extra.within[0]
    for row, column in ((0, 0), (0, 1), (1, 1)):
        step = np.zeros((2, 2))
        step[row, column] = step[column, row] = 0.02
        for db, dw in ((step, 0 * step), (0 * step, step)):
            slope = (_restricted(extra, db, dw) - _restricted(extra, -db, -dw)) / 0.04
            assert abs(slope) < 0.02, (b, w, start)


def _restricted(found: Components, db: object, dw: object) -> float:
    """Log-likelihood beside the fit, the means' part scaled by k / (k - 1) as the fit has it."""
    b, w = found.between[0] + db, found.within[0] + dw
    k, total, mean, weight = len(found.samples), 0.0, np.zeros(2), np.zeros((2, 2))
    for sample in found.samples:
        precision = np.linalg.inv(b + w / len(sample))
        mean, weight = mean + precision @ sample.mean(axis=0), weight + precision
    mean = np.linalg.solve(weight, mean)
    for sample in found.samples:
        n, own = len(sample), sample.mean(axis=0)
        offset, rest = own - mean, sample - own
        v = b + w / n
        total -= np.linalg.slogdet(v)[1] + k / (k - 1) * offset @ np.linalg.solve(v, offset)
        total -= (n - 1) * np.linalg.slogdet(w)[1] + np.trace(np.linalg.solve(w, rest.T @ rest))
    return float(total / 2)


def test_no_figure_below_eight_configurations_with_two_runs() -> None:
    few = fit([*BY_HAND[: FEWEST - 1], *(np.array([[x, x]]) for x in (1.0, 2.0, 3.0))])
    for found in (between(few), within(few), within_better(few), between_better(few), given_early(few, range(10))):
        assert math.isnan(found.value)
        assert not found.known
    assert (within(few).configurations, within(few).runs) == (7, 14)


def test_the_better_half_has_its_own_correlation() -> None:
    # No noise: the lower half's early values rise with its final values, the upper half's fall.
    final = np.arange(16.0)
    early = np.concatenate([final[:8], 20 - final[8:]])
    found = fit([np.array([[x, y]] * 2) for x, y in zip(early, final, strict=True)])
    better = between_better(found)
    assert better.value == pytest.approx(-1)
    assert better.configurations == 8
    assert between(found).value == pytest.approx(np.corrcoef(early, final)[0, 1])
    assert between(found).value > 0.5
    assert math.isnan(within(found).value), "seeds that change nothing have no correlation"


def test_a_better_half_that_was_only_lucky_differs_in_nothing() -> None:
    generator = np.random.default_rng(3)
    found = fit([generator.normal(size=(4, 2)) for _ in range(40)])
    assert not between_better(found).known
    assert not between(found).known


def test_the_effect_of_a_parameter_by_hand() -> None:
    x, z, u = (np.array(column, dtype=float) for column in zip(*np.ndindex(2, 2, 2), strict=True))
    # The slope of y on x is 1; what it leaves is z + u, of which z is half the variance.
    found = fit([np.array([[a, a + b + c]] * 2) for a, b, c in zip(x, z, u, strict=True)])
    assert given_early(found, z).value == pytest.approx(math.sqrt(0.5))
    assert given_early(found, -z).value == pytest.approx(-math.sqrt(0.5))
    assert given_early(found, x).value == pytest.approx(0, abs=1e-9)
    assert math.isnan(given_early(found, [3.0] * 8).value), "one that is the same everywhere"


def test_folds_are_taken_out() -> None:
    folds = [[0, 1], [1, 2], [0, 2, 1], [2]]
    effects = np.array([[0.0, 0.0], [3.0, -1.0], [5.0, 2.0]])
    truth = np.array([[1.0, 1.0], [2.0, 5.0], [4.0, 3.0], [0.0, 7.0]])
    found = level([value + effects[own] for value, own in zip(truth, folds, strict=True)], folds)
    assert found.lost == 2
    shift = found.samples[0][0] - truth[0]
    for sample, value in zip(found.samples, truth, strict=True):
        np.testing.assert_allclose(sample, np.tile(value + shift, (len(sample), 1)))
    assert level([np.eye(2)], [[4, 4]]).samples[0] is not None
    np.testing.assert_array_equal(level([np.eye(2)], [[4, 4]]).samples[0], np.eye(2))


def _drawn(k: int, r: float, generator: np.random.Generator) -> np.ndarray:
    return generator.multivariate_normal([0, 0], [[1, r], [r, 1]], k)


def test_correlations_of_a_drawn_table_are_found() -> None:
    generator = np.random.default_rng(11)
    truth = _drawn(80, 0.7, generator)
    found = fit([value + _drawn(4, 0.3, generator) for value in truth])
    for told, r in ((between(found), 0.7), (within(found), 0.3), (within_better(found), 0.3)):
        assert told.low < r < told.high < told.low + 0.5
    # Truths above 0 of a normal pair with r = 0.7 correlate by r sqrt(v / (1 - r^2 (1 - v))), v = 1 - 2 / pi.
    v = 1 - 2 / math.pi
    assert between_better(found).value == pytest.approx(0.7 * math.sqrt(v / (1 - 0.49 * (1 - v))), abs=0.25)


def test_seeds_given_to_what_looked_good_do_not_mislead() -> None:
    generator = np.random.default_rng(101)
    truth, noise = _drawn(800, 0.7, generator), 1.5
    runs = [[value + noise * _drawn(1, 0.4, generator)[0]] for value in truth]
    for own, value in zip(runs, truth, strict=True):
        # A second run where the first was good, further ones while the mean is.
        while len(own) < 5 and np.mean([run[1] for run in own]) > 1.5:
            own.append(value + noise * _drawn(1, 0.4, generator)[0])
    samples = [np.array(own) for own in runs]
    repeated = [sample for sample in samples if len(sample) > 1]
    naive = sum(((sample - sample.mean(axis=0)) ** 2).sum(axis=0) for sample in repeated)
    naive = naive / sum(len(sample) - 1 for sample in repeated)
    found = fit(samples)
    assert naive[1] > 1.1 * noise**2, "the first of two runs was lucky"
    assert found.within[0, 1, 1] == pytest.approx(noise**2, rel=0.08)
    assert between(found).low < 0.7 < between(found).high
    assert within(found).low < 0.4 < within(found).high


def test_a_final_value_that_is_the_early_one_is_told_by_it() -> None:
    generator = np.random.default_rng(2)
    samples = [np.repeat(generator.normal(size=(1 + index % 3, 1)), 2, axis=1) + index for index in range(24)]
    assert between(fit(samples)).value == pytest.approx(1, abs=1e-3)
    assert within(fit(samples)).value == pytest.approx(1, abs=1e-3)
