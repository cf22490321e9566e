from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from kdsearch.statistics import seed_effect, seed_table

NAN = math.nan


def draw(r: np.random.Generator, k: int, s: int, seed_sd: float, sd: float) -> np.ndarray:
    return r.normal(0.7, 0.05, (k, 1)) + r.normal(0, seed_sd, (1, s)) + r.normal(0, sd, (k, s))


def test_by_hand() -> None:
    # Rows 1 2 6 and 3 6 6: means 3 and 5, seed means 2 4 6, grand mean 4. SS_b = 2 (4 + 0 + 4) = 16, MS_b = 8.
    # Residuals y - row - seed + grand: 1 -1 0 and -1 1 0: SSE = 4, df 2, MSE = 2. s_b^2 = (8 - 2)/2 = 3, rho = 3/5.
    # F = 4 on (2, 2); F[0.975] = 39, F[0.025] = 1/39: lambda from (4/39 - 1)/2 to (156 - 1)/2 = -0.448718 to 77.5.
    got = seed_effect([[1, 2, 6], [3, 6, 6]])
    assert (got.configurations, got.seeds, got.runs) == (2, 3, 6)
    assert (got.seed_variance, got.residual_variance, got.rho) == pytest.approx((3.0, 2.0, 0.6))
    assert (got.low, got.high) == pytest.approx((-0.448718 / 0.551282, 77.5 / 78.5), abs=1e-5)
    assert (got.seed_sd, got.residual_sd) == pytest.approx((math.sqrt(3), math.sqrt(2)))


def test_full_table_against_reml() -> None:
    table = draw(np.random.default_rng(1), 5, 12, 0.02, 0.02)
    frame = pd.DataFrame(
        [(row, seed, table[row, seed]) for row in range(5) for seed in range(12)], columns=["c", "s", "y"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedlm("y ~ C(c)", frame, groups="s").fit(reml=True)
    got = seed_effect(table)
    assert got.residual_variance == pytest.approx(fit.scale, rel=1e-3)
    assert got.seed_variance == pytest.approx(float(fit.cov_re.iloc[0, 0]), rel=1e-2)


def test_table_with_gaps_against_least_squares() -> None:
    r = np.random.default_rng(2)
    table = draw(r, 6, 9, 0.03, 0.02)
    table[r.random((6, 9)) < 0.4] = NAN
    row, seed = np.nonzero(np.isfinite(table))
    y = table[row, seed]
    configurations, seeds = np.eye(6)[row], np.eye(9)[seed]

    def left(x: np.ndarray) -> float:
        return float(np.sum((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2))

    both = np.hstack([configurations, seeds])
    error = left(both)
    rank = np.linalg.matrix_rank(both) - 6
    hat = configurations @ np.linalg.pinv(configurations)
    trace = np.trace(seeds.T @ (np.eye(y.size) - hat) @ seeds)
    residual = error / (y.size - 6 - rank)
    got = seed_effect(table)
    assert got.residual_variance == pytest.approx(residual)
    assert got.seed_variance == pytest.approx((left(configurations) - error - rank * residual) / trace)


def test_two_configurations_give_their_correlation() -> None:
    # With two rows of equal spread rho is Pearson's correlation.
    table = np.array([[1.0, 2.0, 4.0, 3.0], [2.0, 1.0, 3.0, 4.0]])
    assert seed_effect(table).rho == pytest.approx(stats.pearsonr(*table).statistic)
    turned = np.array([[1.0, 2.0, 4.0, 3.0], [4.0, 3.0, 1.0, 2.0]])
    assert seed_effect(turned).seed_variance < 0
    assert seed_effect(turned).seed_sd == 0.0


def test_from_mappings() -> None:
    table = seed_table([{7: 1.0, 3: 2.0}, {}, {9: 5.0, 3: 4.0}])
    assert table == pytest.approx(np.array([[2.0, 1.0, NAN], [NAN] * 3, [4.0, NAN, 5.0]]), nan_ok=True)
    assert seed_table([]).shape == (0, 0)


def test_what_cannot_be_seen_is_nan() -> None:
    for table in ([[1.0, 2.0, 3.0]], [[1.0], [2.0]], [[1.0, NAN], [NAN, 2.0]], [[NAN, NAN]], np.zeros((0, 0))):
        assert math.isnan(seed_effect(table).rho)
        assert math.isnan(seed_effect(table).seed_sd)
    perfect = seed_effect([[1.0, 2.0, 4.0], [2.0, 3.0, 5.0]])
    assert (perfect.rho, perfect.residual_sd) == (1.0, 0.0)
    assert math.isnan(seed_effect([[0.7] * 3, [0.1] * 3]).rho)
    with pytest.raises(ValueError, match="configurations, seeds"):
        seed_effect([1.0, 2.0])


@pytest.mark.parametrize(("gaps", "rho"), [(0.0, 0.2), (0.4, 0.2), (0.4, 0.0), (0.4, 0.8)])
def test_coverage_of_rho(gaps: float, rho: float) -> None:
    r = np.random.default_rng(int(10 * gaps + 100 * rho))
    covered, estimates = 0, []
    for _ in range(1_000):
        table = draw(r, 6, 10, math.sqrt(rho), math.sqrt(1 - rho))
        table[r.random((6, 10)) < gaps] = NAN
        got = seed_effect(table)
        covered += got.low <= rho <= got.high
        estimates.append(got.seed_variance)
    assert 0.93 < covered / 1_000 < 0.97
    assert np.mean(estimates) == pytest.approx(rho, abs=0.05)  # no clipping, hence no bias


@pytest.mark.parametrize("table", [[[1, 2], [2, 1]], [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]])
def test_seeds_that_explain_nothing_give_no_interval(table: list[list[float]]) -> None:
    got = seed_effect(table)
    assert got.seed_variance < 0
    assert math.isnan(got.low)
    assert math.isnan(got.high)
    assert got.rho == pytest.approx(-1)
    little = seed_effect([[1, 2], [2, 1.1]])  # a trace of an effect, and there is an interval
    assert little.low < little.rho < little.high
