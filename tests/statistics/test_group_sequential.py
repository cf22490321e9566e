from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from kdsearch.statistics import family_verdicts, holm, look_level, look_p, paired_difference, verdict
from kdsearch.statistics.group_sequential import spent


def t_values(differences: np.ndarray, looks: list[int], shift: float = 0.0) -> np.ndarray:
    """t statistics [looks, studies] of the mean against ``shift``."""
    sums, squares = np.cumsum(differences, axis=1), np.cumsum(differences**2, axis=1)
    rows = []
    for n in looks:
        mean = sums[:, n - 1] / n
        error = np.sqrt((squares[:, n - 1] - n * mean**2) / (n - 1) / n)
        rows.append((mean - shift) / error)
    return np.array(rows)


def p_values(differences: np.ndarray, looks: list[int]) -> np.ndarray:
    t = t_values(differences, looks)
    return np.array([2 * special.stdtr(n - 1, -np.abs(row)) for n, row in zip(looks, t, strict=True)])


def test_first_look_by_hand() -> None:
    # 0.80 of alpha is spent at the first look; at 40 after 20: 0.93 - 0.13 / 4 = 0.8975
    assert look_level([20]) == pytest.approx(0.04)
    assert spent(20, 40) == pytest.approx(0.044875)
    assert spent(20, 10**9) == pytest.approx(0.0465)


def test_second_look_against_the_bivariate_normal() -> None:
    # correlation of the two means' z: sqrt(20 / 40)
    c1, c2 = (special.ndtri(1 - level / 2) for level in (look_level([20]), look_level([20, 40])))
    both = stats.multivariate_normal([0, 0], [[1, math.sqrt(0.5)], [math.sqrt(0.5), 1]])
    inside = both.cdf([c1, c2], lower_limit=[-c1, -c2])
    assert 1 - inside == pytest.approx(spent(20, 40), abs=1e-7)


def test_many_looks_against_brownian_motion() -> None:
    looks = [20, 25, 40, 41, 80]
    r = np.random.default_rng(0)
    steps = r.normal(size=(400_000, 5)) * np.sqrt(np.diff([0, *looks]))
    z = np.abs(np.cumsum(steps, axis=1)) / np.sqrt(looks)
    bounds = [special.ndtri(1 - look_level(looks[: k + 1]) / 2) for k in range(5)]
    out = np.cumsum(z >= bounds, axis=1) > 0
    assert out.mean(axis=0) == pytest.approx([spent(20, n) for n in looks], abs=0.001)


def test_few_new_seeds_after_many_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [200, 201, 203]
    coarse = look_level(looks)
    monkeypatch.setattr("kdsearch.statistics.group_sequential._resolution", lambda looks: 1_000)
    assert look_level(looks) == pytest.approx(coarse, rel=1e-6)


def test_a_look_without_new_seeds_is_no_look() -> None:
    assert look_level([20, 20, 40, 40]) == look_level([20, 40])


def test_p_is_the_alpha_that_just_admits_it() -> None:
    for p in (1e-6, 0.003, 0.04, 0.4):
        adjusted = look_p(p, [20, 30, 45])
        assert look_level([20, 30, 45], adjusted) == pytest.approx(p, rel=1e-6)
        assert adjusted > p
    assert look_p(0.03, [20]) == pytest.approx(0.03 / 0.8)
    assert look_p(0.03, [20, 40], sides=1) == pytest.approx(look_p(0.06, [20, 40]) / 2)
    assert (look_p(0.0, [20, 40]), look_p(1.0, [20, 40]), look_p(0.6, [20], sides=1)) == (0.0, 1.0, 1.0)
    assert look_p(0.6, [20, 30, 45]) == 1.0  # no alpha admits it
    assert math.isnan(look_p(math.nan, [20]))
    rising = [look_p(float(p), [10, 20, 40]) for p in np.linspace(0, 1, 41)]
    assert rising == sorted(rising)


@pytest.mark.parametrize("looks", [[5], [5, 10], [2, 3, 40], [20, 21, 22]])
def test_any_p_is_adjusted(looks: list[int]) -> None:
    """The smallest numbers that there are too; it grows with ``p`` and is ``p / 0.8`` at a single look."""
    values = [5e-324, 1e-320, 1e-300, 1e-100, 1e-17, 0.1, 0.79, 0.8, 0.999, 1.0]
    adjusted = [look_p(p, looks) for p in values]
    assert adjusted == sorted(adjusted)
    assert all(p <= q <= 1 for p, q in zip(values, adjusted, strict=True))
    if len(looks) == 1:
        assert adjusted == pytest.approx([min(1.0, p / 0.8) for p in values], rel=1e-9)
    for p in (1e-17, 0.1):
        assert look_level(looks, look_p(p, looks)) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("bad", [[], [1], [20, 10]])
def test_looks_must_rise(bad: list[int]) -> None:
    with pytest.raises(ValueError, match="rising from 2"):
        look_level(bad)
    with pytest.raises(ValueError, match="alpha in"):
        look_level([20], 0.0)


@pytest.mark.parametrize("looks", [[20, 40], [20, 30, 45], [10, 20, 40], [3, 6, 12], list(range(20, 61))])
def test_extending_what_is_undecided_errs_in_at_most_5_percent(looks: list[int]) -> None:
    p = p_values(np.random.default_rng(looks[-1]).normal(size=(20_000, looks[-1])), looks)
    levels = np.array([look_level(looks[: k + 1]) for k in range(len(looks))])
    assert 0.035 < np.mean((p < levels[:, None]).any(axis=0)) < 0.052  # 0.0015 is one standard error
    assert np.mean((p < 0.05).any(axis=0)) > 0.075


def test_choosing_the_next_look_by_what_was_seen_errs_in_at_most_5_percent() -> None:
    # Two seeds more where the first look was close, half as many again where it was less so, three times where far.
    differences = np.random.default_rng(9).normal(size=(40_000, 60))
    first = p_values(differences, [20])[0]
    wrong = first < look_level([20])
    for n, low, high in ((22, 0.04, 0.08), (30, 0.08, 0.3), (60, 0.3, 1.1)):
        here = (first >= low) & (first < high) & ~wrong
        wrong |= here & (p_values(differences, [n])[0] < look_level([20, n]))
    assert np.mean(wrong) < 0.052


def test_false_equivalence_in_at_most_5_percent_of_studies() -> None:
    # The truth is min_effect itself, and large enough that the other side decides nothing.
    looks, effect = [40, 80, 160], 0.6
    differences = np.random.default_rng(10).normal(effect, 1, (20_000, 160))
    upper, lower = t_values(differences, looks, effect), t_values(differences, looks, -effect)
    wrong = np.zeros(20_000, dtype=bool)
    for k, n in enumerate(looks):
        level = look_level(looks[: k + 1], 0.10) / 2
        p = np.maximum(special.stdtr(n - 1, upper[k]), special.stdtr(n - 1, -lower[k]))
        wrong |= p < level
    assert 0.03 < np.mean(wrong) < 0.052


def test_intervals_of_all_looks_hold_together() -> None:
    looks = [10, 20, 40]
    t = np.abs(t_values(np.random.default_rng(12).normal(size=(20_000, 40)), looks))
    bounds = [special.stdtrit(n - 1, 1 - look_level(looks[: k + 1]) / 2) for k, n in enumerate(looks)]
    assert np.mean((t <= np.array(bounds)[:, None]).all(axis=0)) > 0.948


def test_verdicts_of_an_extended_study() -> None:
    r = np.random.default_rng(4)
    zero = [0.0] * 40
    close = r.normal(size=40)
    close = 0.01 + 0.01 * (close - close.mean()) / close.std(ddof=1) * 10 / 2.2 * math.sqrt(40) / 10
    difference = paired_difference(close, zero)
    assert difference.p == pytest.approx(2 * stats.t.sf(2.2, 39))  # 0.034: enough for one look, not for a second
    assert verdict(difference, 0.001) == "better"
    assert verdict(difference, 0.001, looks=(20, 40)) == "undecided"
    low, _ = difference.interval(1 - look_level([20, 40]))
    assert low < 0 < difference.low
    differences = [difference, paired_difference(close * 2 + 0.03, zero)]
    verdicts, p = family_verdicts(differences, 0.001, looks=[(20, 40)] * 2)
    assert p == pytest.approx(holm([look_p(one.p, (20, 40)) for one in differences]))
    assert verdicts == ["undecided", "better"]
    flat = paired_difference(close - 0.01, zero)
    half = flat.interval(1 - look_level([20, 40], 0.10))[1]
    assert verdict(flat, half * 1.001, looks=(20, 40)) == "equivalent"
    assert verdict(flat, half * 0.999, looks=(20, 40)) == "undecided"
