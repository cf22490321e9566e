from __future__ import annotations

import math
import time

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from kdsearch.statistics import shrink


def draw(k: int, tau: float, sd: float, seed: int, most: int = 16) -> tuple[list[list[float]], np.ndarray]:
    r = np.random.default_rng(seed)
    truth = 0.7 + tau * r.standard_normal(k)
    return [list(value + sd * r.standard_normal(r.integers(1, most + 1))) for value in truth], truth


def test_by_hand() -> None:
    # Means 1 and 3, within variance 0.5 (both spreads 1), n = 2: v = 0.25. Paule-Mandel: (3-1)^2/2 / (tau2 + 0.25) = 1
    # gives tau2 = 1.75, B = 0.25/2 = 0.125, means 2 -+ 0.875, se^2 = 1.75/8 + (1/64)/(2/2) = 0.234375.
    got = shrink([[0.5, 1.5], [2.5, 3.5]])
    assert got.sd**2 == pytest.approx(0.5)
    assert got.tau**2 == pytest.approx(1.75)
    assert got.means == pytest.approx([1.125, 2.875])
    assert got.se**2 == pytest.approx([0.234375, 0.234375])


def test_tau_against_statsmodels() -> None:
    samples, _ = draw(60, 0.012, 0.019, 4)
    got = shrink(samples)
    means = np.array([np.mean(sample) for sample in samples])
    variances = np.array([got.sd**2 / len(sample) for sample in samples])
    reference = combine_effects(means, variances, method_re="iterated")
    assert got.tau**2 == pytest.approx(reference.tau2, rel=1e-6)


def test_finds_truth_better_than_raw_means_and_knows_its_error() -> None:
    raw_error, error, covered = [], [], []
    for seed in range(60):
        samples, truth = draw(80, 0.012, 0.019, seed, most=4)
        got = shrink(samples)
        raw_error.append(np.mean((np.array([np.mean(s) for s in samples]) - truth) ** 2))
        error.append(np.mean((got.means - truth) ** 2))
        covered.append(np.mean(np.abs(got.means - truth) < 1.96 * got.se))
    assert np.mean(error) < 0.6 * np.mean(raw_error)
    assert 0.92 < np.mean(covered) < 0.97


def test_no_signal_shrinks_all_the_way() -> None:
    got = shrink([[0.0, 2.0], [0.1, 2.1], [-0.1, 1.9]])
    assert got.tau == 0.0
    assert got.means == pytest.approx([1.0, 1.0, 1.0])


def test_edges() -> None:
    nothing = shrink([])
    assert nothing.means.size == 0
    assert math.isnan(nothing.sd)
    assert np.isnan(shrink([[], []]).means).all()
    one = shrink([[1.0, 2.0, 3.0]])
    assert (one.means[0], one.sd, one.tau) == pytest.approx((2.0, 1.0, 0.0))
    assert one.se[0] == pytest.approx(1 / math.sqrt(3))
    single = shrink([[1.0], []])
    assert single.means.tolist() == [1.0, 1.0]
    assert math.isnan(single.sd)
    assert not single.noise_known
    flat = shrink([[1.0, 1.0], [1.0, 1.0]])
    assert flat.means.tolist() == [1.0, 1.0]
    assert flat.se.tolist() == [0.0, 0.0]
    exact = shrink([[1.0, 1.0], [2.0, 2.0]])
    assert exact.means == pytest.approx([1.0, 2.0])


def test_without_replicates_a_lead_counts_half() -> None:
    got = shrink([[1.0], [2.0], [3.0]])
    assert not got.noise_known
    assert got.means == pytest.approx([1.5, 2.0, 2.5])


def test_configuration_without_runs_gets_the_centre() -> None:
    got = shrink([[0.5, 1.5], [2.5, 3.5], []])
    assert got.means[2] == pytest.approx(2.0)
    assert got.se[2] > max(got.se[:2])


def test_known_noise_is_used() -> None:
    assert shrink([[1.0], [2.0], [3.0]], sd=0.1).sd == pytest.approx(0.1)
    with pytest.raises(ValueError, match="finite"):
        shrink([[math.nan]])


def test_fast_enough_for_every_planning_step() -> None:
    samples, _ = draw(100, 0.012, 0.019, 0)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        shrink(samples)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.002
