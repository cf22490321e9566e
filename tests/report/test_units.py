"""What counts once: seeds, or the teachers that they share; by hand, through the report, and by simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kdsearch.draws import FIRST_CONFIRM_SEED, Draws
from kdsearch.report import Estimate, Table, build
from kdsearch.report.comparisons import resolving
from kdsearch.report.selection import select
from kdsearch.report.units import Units, joined
from kdsearch.statistics import look_level, paired_difference

from . import drawing
from .drawing import ABLATION, ALONE, BEST, WINNER

FIRST = FIRST_CONFIRM_SEED[2]
GAINS = [0.010, 0.020, 0.000, 0.030, 0.015, 0.005]
"""Mean gain with each of six teachers."""


def seeds(count: int) -> range:
    return range(FIRST, FIRST + count)


def shared(teachers: int, seeds_each: int = 2, gains: list[float] = GAINS, **settings: Any) -> Any:
    """Seed i has teacher i mod T; its gain is the teacher's, moved by 0.002 up in one seed and down in the next."""
    count = teachers * seeds_each
    base = [0.70 + 0.001 * (i % 7) for i in range(count)]
    moved = [gains[i % teachers] + 0.002 * (1 if (i // teachers) % 2 == 0 else -1) for i in range(count)]
    winner = [b + g for b, g in zip(base, moved, strict=True)]
    scores = {WINNER: winner, ABLATION: base, BEST: [b + 0.05 for b in base], ALONE: base[:teachers]}
    confirm = {"seeds": count, "finalists": 0, "others": teachers}
    return drawing.results(scores, teachers=teachers, confirm=confirm, **settings)


def cell(table: Table, key: str, row: int) -> Estimate:
    found = table.column(key)[row]
    assert isinstance(found, Estimate)
    return found


def note(table: Table, begin: str) -> str:
    (found,) = [text for text in table.notes if text.startswith(begin)]
    return found


def test_seeds_of_one_teacher_are_one_unit() -> None:
    units = Units(Draws(folds=5, teachers=3), frozenset({"order", "split", "teacher"}), shared=3)
    keys = [units.key(seed) for seed in seeds(7)]
    assert keys[0] == keys[3] == keys[6]
    assert len(set(keys)) == 3
    # Teachers 0, 1, 2 have seeds 0 3 6, 1 4, 2 5: means 4, 5, 6 of values 1 to 7 less 0 ... (1 + 4 + 7) / 3.
    values = {seed: float(value) for seed, value in zip(seeds(7), range(1, 8), strict=True)}
    assert list(units.means(values).values()) == [4.0, 3.5, 4.5]
    found = units.estimate(values)
    assert found is not None
    assert (found.value, found.n) == (4.0, 7)
    assert found.sd == pytest.approx(math.sqrt(28 / 6))
    half = stats.t.ppf(0.975, 2) * 0.5 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((4 - half, 4 + half))
    ours, theirs = units.pairs(values, dict.fromkeys(seeds(5), 0.5))
    assert (ours, theirs) == ([2.5, 3.5, 3.0], [0.5] * 3), "the seeds that both have"


def test_where_each_seed_has_its_own_or_all_have_one_the_seed_counts() -> None:
    for settings in ({}, {"teachers": "one"}, {"teachers": "given"}):
        selection = select(drawing.results({WINNER: [0.7] * 4}, **settings))
        units = Units.of(selection)
        assert (units.word, units.shared) == ("seed", 0)
        assert len({units.key(seed) for seed in seeds(4)}) == 4
    held = drawing.results({WINNER: [0.7] * 4}, teachers=2, vary="initialisation+order")
    assert Units.of(select(held)).shared == 0, "all have one teacher and one fold: nothing of it is drawn"


def test_seeds_of_two_studies_are_one_unit_where_either_shares_their_teacher() -> None:
    both = frozenset({"split", "teacher"})
    one, other = (Units(Draws(folds=5, teachers=t), both, shared=t) for t in (4, 6))
    own = Units(Draws(folds=5), both)
    keys = joined(one, other, list(seeds(24)))
    assert len(set(keys.values())) == 2, "seeds i and i + 4 and i + 6: the even and the odd ones"
    assert len(set(joined(one, own, list(seeds(24))).values())) == 4
    assert len(set(joined(own, own, list(seeds(24))).values())) == 24


def test_the_comparison_counts_teachers() -> None:
    report = build(shared(6))
    table = report.table("comparison")
    got = cell(table, "difference", 1)
    # Means 0.010 0.020 0.000 0.030 0.015 0.005: mean 0.0133333, sd 0.0108012 with 5 degrees of freedom.
    assert np.std(GAINS, ddof=1) == pytest.approx(0.0108012, abs=1e-7)
    half = stats.t.ppf(0.98, 5) * 0.0108012 / math.sqrt(6)
    assert (got.value, got.low, got.high, got.n) == pytest.approx(
        (0.0133333, 0.0133333 - half, 0.0133333 + half, 6), 1e-5
    )
    assert table.column("pairs")[1] == 6
    # Five of the six means are above 0 and one is 0: the flips of five, each counted twice.
    assert table.column("flip_p")[1] == pytest.approx(2 / 32 / 0.8)
    assert (table.column("wins")[1], table.column("ties")[1]) == (5, 1)
    assert table.column("t_p")[1] == pytest.approx(stats.ttest_1samp(GAINS, 0).pvalue / 0.8)
    titles = {column.key: column.title for column in table.columns}
    assert titles["difference"] == "winner - row, by teacher"
    assert titles["pairs"] == "teachers"
    assert not next(column for column in table.columns if column.key == "pairs").machine
    assert note(table, "Seeds share").startswith(
        "Seeds share 6 teachers, so the teacher is the unit: winner - row is the mean of the teachers' mean "
        "differences over common seeds, its t interval and the sign flips count teachers"
    )
    assert "flip p: exact test of sign flips, from 6 teachers on" in note(table, "Holm p")
    assert note(table, "Interval of a mean") == (
        "Interval of a mean: 95 %, over the teachers' means, Student's t below 20 teachers, BCa bootstrap from there "
        "on."
    )
    (primary,) = [text for text in report.notes if text.startswith("Primary")]
    assert "on 12 common fresh seeds of 6 teachers: +0.0133 [+0.0012, +0.0255] (96 % interval), better." in primary


def test_no_verdict_below_six_teachers_and_it_is_said_why() -> None:
    report = build(shared(5, gains=[0.010, 0.020, 0.012, 0.030, 0.015]))
    table = report.table("comparison")
    assert table.column("verdict")[1:4] == ["no verdict"] * 3
    assert table.column("t_p") == table.column("holm_p") == table.column("flip_p") == [None] * 6
    assert cell(table, "difference", 1).low > 0, "the interval is shown all the same"
    (primary,) = [text for text in report.notes if text.startswith("Primary")]
    assert primary.endswith(
        "on 10 common fresh seeds of 5 teachers: +0.0174 [+0.0067, +0.0281] (96 % interval); no verdict: seeds that "
        "share a teacher count once, and 5 teachers of the 6 that are needed say too little of others."
    )
    assert "Below 6 teachers there is no verdict: they say too little of others." in note(table, "Seeds share")
    assert not any("Holm p" in text for text in table.notes)


def test_more_teachers_are_another_study() -> None:
    report = build(shared(6, gains=[0.010, 0.020, -0.020, 0.030, 0.015, -0.005]))
    (primary,) = [text for text in report.notes if text.startswith("Primary")]
    sd = np.std([0.010, 0.020, -0.020, 0.030, 0.015, -0.005], ddof=1)
    assert "undecided: not distinguishable from the winner without distillation; to resolve 0.01, a study of about" in (
        primary
    )
    needed = int(primary.split("a study of about ")[1].split(" teachers")[0])
    # Normal approximation of the paired t test at 4 %, the level of a first look.
    assert needed == pytest.approx((stats.norm.ppf(0.98) + stats.norm.ppf(0.8)) ** 2 * (sd / 0.01) ** 2, abs=3)
    small = build(shared(6, gains=[0.000, 0.0005, -0.0004, 0.0002, 0.0040, -0.0003], min_effect=0.02))
    assert "equivalent within min_effect 0.01" in small.notes[1], "as it was when the winner was chosen"


def test_teachers_that_are_enough_are_said_to_be() -> None:
    units = Units(Draws(folds=5, teachers=8), frozenset({"teacher"}), shared=8)
    near = paired_difference([0.001, 0.002, -0.001, 0.000, 0.001, -0.002, 0.001, 0.001], [0.0] * 8)
    assert resolving(near, 0.01, (16,), units=units) == (
        "8 teachers find a true difference of 0.01 with power 0.8, so it may well be smaller"
    )
    far = paired_difference([0.01, 0.02, -0.01, 0.00, 0.01, -0.02, 0.01, 0.01], [0.0] * 8)
    # A new study looks once: its teachers do not depend on how often this one was looked at.
    assert resolving(far, 0.01, (8, 16), units=units) == resolving(far, 0.01, (8,), units=units)
    words = resolving(far, 0.01, (16,), units=units)
    assert words.startswith("to resolve 0.01, a study of about ")
    assert words.endswith(" teachers with as many seeds each (power 0.8)")
    assert resolving(far, 0.01, (16,), family=3, units=units) != words


def test_spreads_inflation_and_common_seeds_count_teachers_too() -> None:
    report = build(shared(6))
    instability = report.table("instability")
    assert all(math.isnan(cell(instability, "sd", row).low) for row in range(3))
    assert "Seeds share teachers: sd is of the runs as they came, and has no interval." in instability.notes
    common = note(instability, "Common teachers: what a teacher with its partition does to all configurations alike")
    assert "6 teachers, 24 means" in common
    assert note(instability, "Spread by configuration over teachers: sd from")
    fresh = cell(report.table("inflation"), "fresh", 0)
    means = [0.0] * 6
    for index in range(12):
        means[index % 6] += (0.72 + 0.001 * (index % 7) + GAINS[index % 6]) / 2
    half = stats.t.ppf(0.975, 5) * np.std(means, ddof=1) / math.sqrt(6)
    assert (fresh.value, fresh.low, fresh.n) == pytest.approx((np.mean(means), np.mean(means) - half, 12))


def intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and half widths of Student's 95 % interval, of each row."""
    n = values.shape[1]
    return values.mean(axis=1), stats.t.ppf(0.975, n - 1) * values.std(axis=1, ddof=1) / math.sqrt(n)


def drawn_gains(r: np.random.Generator, teachers: int, each: int, teacher_sd: float = 0.0085) -> np.ndarray:
    """4,000 studies ``[study, seed of a teacher, teacher]`` whose true gain is 0; pairs differ with sd 0.021."""
    return r.normal(0, teacher_sd, (4000, 1, teachers)) + r.normal(0, 0.021, (4000, each, teachers))


def test_teachers_as_units_cover_what_seeds_as_units_do_not() -> None:
    r = np.random.default_rng(7)

    def covered(values: np.ndarray) -> tuple[float, float]:
        mean, half = intervals(values)
        return float(np.mean(np.abs(mean) <= half)), float(half.mean())

    assert covered(drawn_gains(r, 1, 20).reshape(4000, 20))[0] == pytest.approx(0.68, abs=0.03)
    five = drawn_gains(r, 5, 4)
    assert covered(five.reshape(4000, 20))[0] == pytest.approx(0.90, abs=0.02)
    share, half = covered(five.mean(axis=1))
    assert share == pytest.approx(0.95, abs=0.01)
    assert half == pytest.approx(0.0158, abs=0.0004)
    share, half = covered(drawn_gains(r, 20, 1).reshape(4000, 20))
    assert share == pytest.approx(0.95, abs=0.01)
    assert half == pytest.approx(0.0105, abs=0.0002)


def test_new_seeds_of_the_same_teachers_are_one_more_look() -> None:
    # 10 teachers, 2 seeds each and then 8. Looks told by teachers would be 10 and 10, which is one look.
    gains = drawn_gains(np.random.default_rng(11), 10, 8, teacher_sd=0.004)

    def p(values: np.ndarray) -> np.ndarray:
        return np.asarray(stats.ttest_1samp(values, 0, axis=1).pvalue)

    first, second = p(gains[:, :2].mean(axis=1)), p(gains.mean(axis=1))
    wrong = (first < look_level((20,))) | (second < look_level((20, 80)))
    assert wrong.mean() < 0.055
    assert ((first < look_level((20,))) | (second < look_level((20,)))).mean() > 0.06
