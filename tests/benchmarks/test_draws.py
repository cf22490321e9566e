"""The benchmark of draws: components, truths, replays, coverage, by hand and on synthetic records."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from kdsearch.statistics import paired_difference
from tests.benchmarks.draws import components, context, coverage, outcomes, recorded, replay, synthetic, truths

DRAWN = np.array([[1.0, 2.0], [3.0, 6.0]])[..., None]
FIXED = np.array([[0.0, 1.0], [2.0, 3.0]])[..., None]
"""Two configurations, on two draws and on two seeds of one draw, one value each."""


def record_of(truth: synthetic.Truth, settings: int = 24, draws: int = 20, seeds: int = 10, seed: int = 0) -> Any:
    arrays, means = synthetic.arrays(truth, settings, draws, seeds, seed)
    return recorded.of(arrays), means


# Components


def test_mean_squares_and_components_by_hand() -> None:
    # Means of configurations 1.5 and 4.5, of draws 2 and 4, of all 3; residuals -+0.5; seeds -+0.5 around
    # configurations' means.
    found = components.squares(DRAWN, FIXED)
    assert [each.item() for each in (found.setting, found.draw, found.residual, found.seed)] == [9.0, 4.0, 1.0, 0.5]
    assert found.df == (1, 1, 1, 2)
    fitted = components.fit(DRAWN, FIXED)
    values = [each.item() for each in (fitted.setting, fitted.draw, fitted.cell, fitted.seed)]
    assert values == pytest.approx([4.0, 1.5, 0.5, 0.5])  # (9 - 1) / 2, (4 - 1) / 2, 1 - 0.5, 0.5


def test_negative_components_are_zero() -> None:
    fitted = components.fit(DRAWN, 10 * FIXED)  # the seed's mean square is 50, the residual's 1
    assert fitted.cell.item() == pytest.approx(0.0, abs=1e-9)
    assert fitted.residual.item() == pytest.approx(50.0)
    # Along common axes: of diag(4, 1) over diag(1, 2) the first exceeds by 3, the second by nothing.
    assert components.excess(np.diag([4.0, 1.0]), np.diag([1.0, 2.0])) == pytest.approx(np.diag([3.0, 0.0]), abs=1e-9)
    larger, smaller = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([[1.0, 0.5], [0.5, 1.0]])
    assert components.excess(larger, smaller) == pytest.approx(larger - smaller, abs=1e-9)


def test_components_of_synthetic_records_come_back() -> None:
    truth = synthetic.Truth()
    records = [record_of(truth, settings=64, seed=seed)[0] for seed in range(24)]
    fitted = [components.fit(record.drawn, record.fixed) for record in records]
    for name, tolerance in (("setting", 0.15), ("draw", 0.25), ("cell", 0.4), ("seed", 0.05)):
        true = getattr(truth, name)
        scale = np.sqrt(np.outer(np.diag(true), np.diag(true)))
        errors = (np.mean([getattr(each, name) for each in fitted], axis=0) - true) / scale
        assert np.abs(errors).max() < tolerance, name


def test_intervals_of_single_quantities_hold_the_truth() -> None:
    truth, misses = synthetic.Truth(), 0
    contrasts = {name: np.array(values) for name, values in components.QUANTITIES.items()}
    for seed in range(12):
        record, _ = record_of(truth, seed=seed)
        for name, spread in components.spreads(record.drawn, record.fixed).items():
            for place, part in enumerate(("setting", "draw", "cell", "seed")):
                true = components.sd_of(getattr(truth, part), contrasts[name])
                misses += not spread.low[place] <= true <= spread.high[place]
    assert misses < 0.12 * 12 * 6 * 4  # 5 % are due


# Truths


def test_truths_by_hand() -> None:
    # B = 4 / (4 + 1 / 2) = 8 / 9; of the variance 4 / 9 is the configuration's own, 4.5 / 2 / 81 the level's, 1.5 / 2
    # is of the draws.
    found = truths.truths(DRAWN.mean(1), components.fit(DRAWN, FIXED))
    assert found.mean[:, 0] == pytest.approx([3 - 1.5 * 8 / 9, 3 + 1.5 * 8 / 9])
    assert found.covariance.item() == pytest.approx(4 / 9 + 2.25 / 81 + 0.75)
    assert found.worse(np.ones(1)) == pytest.approx([0.0658, 0.000044], rel=0.01)  # Phi(-1.6667 / 1.1055), Phi(-3.9197)


def test_worlds_are_draws_of_the_posterior() -> None:
    fitted = components.fit(DRAWN, FIXED)
    generator = np.random.default_rng(0)
    worlds = [truths.world(DRAWN, FIXED, fitted, generator) for _ in range(4_000)]
    cells, truth, fixed = (np.array([getattr(each, n)[..., 0] for each in worlds]) for n in ("cells", "truth", "fixed"))
    # Kept of deviations: configurations 1 - .5 / 9, draws 1 - .5 / 4, residuals 1 - .5 / 1; of the seed's variance so
    # much is left, in a quarter of the directions each, and all of it in that of the mean.
    assert cells.mean(0)[0, 0] == pytest.approx(3 - 1.5 * 17 / 18 - 1 * 7 / 8 + 0.5 / 2, abs=0.03)
    assert cells.var(0)[0, 0] == pytest.approx(0.5 * (1 + 17 / 18 + 7 / 8 + 1 / 2) / 4, rel=0.09)
    found = truths.truths(DRAWN.mean(1), fitted)
    assert truth.mean(0) == pytest.approx(found.mean[:, 0], abs=0.08)
    assert truth.var(0) == pytest.approx([found.covariance.item()] * 2, rel=0.09)
    # Fixed: means .5 and 2.5 of variance 2, error .5 / 2: kept 7 / 8.
    assert fixed.mean(0) == pytest.approx([1.5 - 7 / 8, 1.5 + 7 / 8], abs=0.02)
    assert fixed.var(0) == pytest.approx([0.25 * (1 + 7 / 8) / 2] * 2, rel=0.09)


def test_posterior_probabilities_are_calibrated() -> None:
    covered, said, true = [], [], []
    for seed in range(40):
        record, means = record_of(synthetic.Truth(), seed=seed)
        found = outcomes.Posterior.of(replay.Basis.of(record)).scores
        gain, sd = found.mean @ outcomes.SCORE_GAIN, found.sd(outcomes.SCORE_GAIN)
        covered.append(np.abs(gain - means @ recorded.TEST_GAIN) < 1.96 * sd)
        said.append(found.worse(outcomes.SCORE_GAIN))
        true.append(means @ recorded.TEST_GAIN < 0)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.03)
    sure = np.array(said) > 0.8
    assert np.mean(np.array(true)[sure]) == pytest.approx(np.mean(np.array(said)[sure]), abs=0.08)


# Replays


def test_equal_seconds_by_hand() -> None:
    record, _ = record_of(synthetic.Truth())
    found = replay.Spending.of(record)
    # Three candidates of 7.5 s and 120 runs of 1.6 s are 214.5 s; less five teachers, 37.5 s, they are 110 drawn runs.
    assert found.seconds == pytest.approx((214.5, 406.5, 598.5))
    assert found.runs == {"fixed": (120, 240, 360), "drawn": (110, 230, 350)}
    assert found.confirm_seconds == pytest.approx(40 * (7.5 + 3.2))
    assert found.pairs == {"fixed": 133, "drawn": 40}  # 428 / 3.2 = 133.75


def test_a_seed_meets_its_fold_and_a_residual_of_its_own_setting() -> None:
    record, _ = record_of(synthetic.Truth())
    basis = replay.Basis.of(record)
    values = np.arange(24 * 5, dtype=np.float64).reshape(24, 5)
    world = replay.Searched(replay._table(record), 0, values, 0 * basis.residuals[..., 0])
    runs = [world.run(record.settings[3], seed) for seed in (64, 65, 66, 67, 68, 69)]
    assert runs == [19.0, 15.0, 16.0, 17.0, 18.0, 19.0]  # row 3 is 15 to 19, and 64 mod 5 is 4
    assert world.truth(record.settings[3]) == 17.0
    noisy = replay.Searched(replay._table(record), 0, 0 * values, basis.residuals[..., 0])
    seen = {round(noisy.run(record.settings[3], seed), 12) for seed in range(200)}
    assert seen == {round(value, 12) for value in basis.residuals[3, :, 0].tolist()}


def test_searches_are_reproduced_and_drawn_ones_meet_a_whole_partition() -> None:
    record, _ = record_of(synthetic.Truth(), 16, 10)
    basis = replay.Basis.of(record)
    assert record.partitions == ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
    assert {basis.partition(number) for number in range(12)} == set(record.partitions)
    chosen = [replay.search(basis, kind, 3, (16, 30)) for kind in replay.KINDS for _ in range(2)]
    assert chosen[0] == chosen[1]
    assert chosen[2] == chosen[3]
    assert all(len(each) == 2 and set(each) <= set(range(16)) for each in chosen)


def test_a_search_without_noise_finds_the_best_setting() -> None:
    quiet = synthetic.covariance((1e-4,) * 4, 0.0, 0.0)
    record, means = record_of(synthetic.Truth(draw=quiet, cell=quiet, seed=quiet), 16, 10)
    basis = replay.Basis.of(record)
    best = int(means[:, 0].argmax())
    assert [replay.search(basis, kind, 0, (40,)) for kind in replay.KINDS] == [[best], [best]]


def test_drawn_confirmation_covers_and_a_fixed_one_does_not_where_draws_spread() -> None:
    spread = synthetic.covariance((0.03, 0.03, 0.01, 0.01), 0.0, 0.5)
    record, _ = record_of(synthetic.Truth(draw=spread), seed=1)
    basis = replay.Basis.of(record)
    rows = np.random.default_rng(0).integers(0, 24, 400)
    found = {kind: outcomes.outcomes(basis, replay.Spending.of(record), kind, rows) for kind in replay.KINDS}
    assert 0.92 <= found["drawn"].covered.mean() <= 0.98
    assert found["fixed"].covered.mean() < 0.6
    assert found["fixed"].half.mean() < found["drawn"].half.mean()
    posterior = outcomes.Posterior.of(basis).scores.mean[:, 0]
    assert found["drawn"].regret == pytest.approx(posterior.max() - posterior[rows])
    assert found["fixed"].worse == pytest.approx(found["drawn"].worse)  # the truth knows of no kind


def test_a_drawn_confirmation_meets_no_draw_of_its_search() -> None:
    record, _ = record_of(synthetic.Truth(), 8, 10)

    class Holed(replay.Basis):
        """A basis in whose worlds the draws of the search, and those of the fixed kind, have no value."""

        def world(self, number: int) -> truths.World:
            found = super().world(number)
            found.cells[:, list(self.partition(number))] = np.nan
            return dataclasses.replace(found, fixed=np.full_like(found.fixed, np.nan))

    basis = Holed(record, components.fit(record.drawn, record.fixed))
    found = outcomes.outcomes(basis, replay.Spending.of(record), "drawn", np.arange(8))
    assert np.isfinite(found.bias).all()
    assert np.isfinite(found.half).all()
    assert np.isnan(outcomes.outcomes(basis, replay.Spending.of(record), "fixed", np.arange(8)).bias).all()


def test_bias_is_that_of_the_world() -> None:
    # The gain is .03 on validation and .01 on test over draws; the fixed draw's teacher leaks .04 more into validation.
    leak = np.array([0.04, 0.0, 0.0, 0.0])
    small = synthetic.covariance((0.002,) * 4, 0.0, 0.0)
    truth = synthetic.Truth(mean=np.array([0.75, 0.72, 0.72, 0.71]), setting=small, draw=small, cell=small, leak=leak)
    record, _ = record_of(truth)
    basis = replay.Basis.of(record)
    rows = np.random.default_rng(0).integers(0, 24, 200)
    found = {kind: outcomes.outcomes(basis, replay.Spending.of(record), kind, rows) for kind in replay.KINDS}
    assert found["drawn"].bias.mean() == pytest.approx(0.02, abs=0.005)
    assert found["fixed"].bias.mean() == pytest.approx(0.06, abs=0.008)
    figures = outcomes.intervals(basis, found)
    drawn = figures["bias"]["drawn"]
    assert drawn.draws is not None
    assert drawn.draws.low < drawn.replays.low < 0.02 < drawn.replays.high < drawn.draws.high
    assert figures["bias"]["fixed"].draws is None, "there is one fixed draw: nothing to resample"
    both = figures["bias"]["drawn - fixed"].replays
    assert both.low < both.value < both.high < 0
    assert all(figures[name]["drawn"].draws is None for name in ("half", "covered"))
    same = figures["regret"]["drawn - fixed"].draws
    assert same == outcomes.Estimate(0.0, 0.0, 0.0), "both kinds chose the same settings"


# Coverage


def test_coverage_of_designs_as_issued() -> None:
    # Pair sd .021 over seeds, sd .0085 over teachers: figures that were simulated before this benchmark was built.
    none = np.zeros((2, 2))
    single = np.diag([1.0, 0.0])
    parts = components.Components(64, 20, none, 0.0085**2 * single, none, 0.021**2 * single)
    by_design = {(row.draws, row.seeds, row.unit): row for row in coverage.coverage(parts, studies=4_000)}
    assert by_design[1, 20, "seeds"].covers == pytest.approx(0.68, abs=0.03)
    assert by_design[5, 4, "seeds"].covers == pytest.approx(0.90, abs=0.02)
    assert by_design[5, 4, "draws"].covers == pytest.approx(0.95, abs=0.012)
    assert by_design[5, 4, "draws"].half == pytest.approx(0.0158, abs=0.0004)
    assert by_design[20, 1, "draws"].covers == pytest.approx(0.95, abs=0.012)
    assert by_design[20, 1, "draws"].half == pytest.approx(0.0105, abs=0.0002)
    assert by_design[40, 1, "draws"].looked > by_design[40, 1, "draws"].covers > 0.935
    doubled = coverage.coverage(parts, 2.0, studies=4_000)
    assert doubled[0].covers == pytest.approx(0.95, abs=0.012)
    assert doubled[2].covers < by_design[1, 20, "seeds"].covers - 0.05


def test_the_interval_is_that_of_the_product() -> None:
    values = np.random.default_rng(0).normal(0.01, 0.02, (3, 20))
    half, covers = coverage._interval(values, np.array([0.01, 1.0, 0.01]), 0.95)
    found = [paired_difference(row, np.zeros(20)) for row in values]
    assert half == pytest.approx(np.mean([(each.high - each.low) / 2 for each in found]))
    assert covers == pytest.approx(np.mean([found[0].low <= 0.01 <= found[0].high, 0, found[2].low <= 0.01]))


def test_comparisons_by_hand() -> None:
    # Independent arms, seeds alone: both comparisons have variance .02^2 + .02^2, the half width t(39) sd / sqrt(40).
    nothing = synthetic.covariance((1e-6,) * 4, 0.0, 0.0)
    seed = synthetic.covariance((0.02,) * 4, 0.0, 0.0)
    record, _ = record_of(synthetic.Truth(draw=nothing, cell=nothing, seed=seed), 32, 60)
    found = coverage.comparisons(replay.Basis.of(record), np.arange(32))
    expected = 2.0227 * 0.02 * 2**0.5 / 40**0.5
    for row in found:
        assert row.recorded == pytest.approx(expected, rel=0.15)
        assert row.half == pytest.approx(expected, rel=0.15)
        assert row.covers == pytest.approx(0.95, abs=0.02)
    # Seeds that both arms have in common cancel for the winner itself alone; the third row takes them to cancel too.
    together = synthetic.covariance((0.02,) * 4, 0.75, 0.0)
    record, _ = record_of(synthetic.Truth(draw=nothing, cell=nothing, seed=together), 32, 60)
    itself, best, shared = coverage.comparisons(replay.Basis.of(record), np.arange(32))
    assert itself.recorded == pytest.approx(expected / 2, rel=0.15)
    assert best.recorded == pytest.approx(expected, rel=0.15)
    assert shared.recorded == pytest.approx(itself.recorded, rel=0.25)


# Context


def test_correlations_of_true_means_come_back() -> None:
    truth = synthetic.Truth()
    record, _ = record_of(truth, 600, 20, 12, seed=2)
    found = {(row.kind, row.which): row for row in context.correlations(record, 100)}
    assert {row.runs for row in found.values()} == {12}
    # Over draws the configurations' own correlation is .8; on the fixed draw cells of correlation .2 belong to the
    # means.
    both, one = truth.setting[:2, :2], (truth.setting + truth.cell)[:2, :2]
    assert found["drawn", "all"].true.value == pytest.approx(0.8, abs=0.07)
    assert both[0, 1] / (both[0, 0] * both[1, 1]) ** 0.5 == pytest.approx(0.8)
    assert found["fixed", "all"].true.value == pytest.approx(one[0, 1] / (one[0, 0] * one[1, 1]) ** 0.5, abs=0.07)
    for kind in replay.KINDS:
        everything, better = found[kind, "all"], found[kind, "better half"]
        assert everything.raw.low < everything.raw.value < everything.raw.high
        assert better.raw.value < everything.raw.value, "half of the range is gone"
    # Of a bivariate normal pair of correlation .8, the half above one's median has .8 sqrt(v / (.64 v + .36)), where
    # v = 1 - 2 / pi is what is left of the variance.
    kept = 1 - 2 / np.pi
    assert found["drawn", "better half"].true.value == pytest.approx(
        0.8 * (kept / (0.64 * kept + 0.36)) ** 0.5, abs=0.12
    )
