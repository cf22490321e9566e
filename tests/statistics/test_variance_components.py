from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from scipy import stats

from kdsearch.statistics import split_variance

ALL = frozenset(("initialisation", "order"))
INITIALISATION, ORDER, NOTHING = frozenset(("initialisation",)), frozenset(("order",)), frozenset[str]()


def test_by_hand() -> None:
    # Variances: whole 8 (0 4 -> 16/2), initialisation 2 (0 2), order 4.5 (0 3), repeats 0.5 (0 1).
    # Shares 0.25, 0.5625, 0.0625; remainder (8 - 0.5 - 1.5 - 4) / 8 = 0.25. F(1, 1)[0.975] = 647.789.
    got = split_variance({ALL: [0.0, 4.0], INITIALISATION: [0.0, 2.0], ORDER: [0.0, 3.0], NOTHING: [0.0, 1.0]})
    assert [part.share for part in got.parts] == pytest.approx([0.25, 0.5625, 0.0625])
    assert [part.vary for part in got.parts] == [INITIALISATION, ORDER, NOTHING]
    assert (got.parts[0].low, got.parts[0].high) == pytest.approx((0.25 / 647.789, 0.25 * 647.789), rel=1e-5)
    assert got.remainder == pytest.approx(0.25)
    assert (got.whole.share, got.whole.sd) == pytest.approx((1.0, math.sqrt(8)))
    assert got.note.startswith("These runs cannot tell whether the shares add up to 1: remainder +0.25 [-")
    assert split_variance({ALL: [0.0, 4.0], INITIALISATION: [0.0, 2.0], ORDER: [0.0, 3.0]}).remainder == (
        pytest.approx((8 - 2 - 4.5) / 8)
    )


def test_share_against_scipy() -> None:
    r = np.random.default_rng(0)
    one, whole = r.normal(size=12), r.normal(size=20)
    part = split_variance({INITIALISATION: one, ALL: whole, ORDER: one}).parts[0]
    ratio = one.var(ddof=1) / whole.var(ddof=1)
    assert (part.low, part.high) == pytest.approx(tuple(ratio / stats.f.ppf([0.975, 0.025], 11, 19)))
    bounds = np.sqrt(11 * one.var(ddof=1) / stats.chi2.ppf([0.975, 0.025], 11))
    assert (part.sd_low, part.sd_high) == pytest.approx(tuple(bounds))


def test_says_when_shares_do_not_add_up() -> None:
    r = np.random.default_rng(1)
    narrow, wide = list(r.normal(0, 1, 200)), list(r.normal(0, 2, 200))
    assert "more than 1" in split_variance({ALL: wide, INITIALISATION: wide, ORDER: wide}).note
    assert "less than 1" in split_variance({ALL: wide, INITIALISATION: narrow, ORDER: narrow}).note


def test_shares_add_up_only_where_the_interval_of_the_remainder_is_narrow() -> None:
    r = np.random.default_rng(5)

    def note(n: int) -> str:
        one, other = r.normal(0, 1, n), r.normal(0, 1, n)
        return split_variance({ALL: r.normal(0, math.sqrt(2), n), INITIALISATION: one, ORDER: other}).note

    assert note(2_000).startswith("The shares add up to 1 within 0.25 (remainder ")
    assert note(8).startswith("These runs cannot tell whether the shares add up to 1: remainder ")


def test_streams_that_act_together_count_twice() -> None:
    # y = x z: the whole varies by 1, each alone by the square of what the other is fixed at: on average 1.
    r = np.random.default_rng(2)
    found = []
    for fixed_x, fixed_z in r.normal(size=(300, 2)):
        x, z = r.normal(size=(2, 50))
        got = split_variance({ALL: x * z, INITIALISATION: x * fixed_z, ORDER: fixed_x * z})
        found.append(got.remainder * got.whole.sd**2)
    assert np.mean(found) == pytest.approx(-1, abs=0.25)


def test_what_is_missing_is_said() -> None:
    got = split_variance({ALL: [0.0, 1.0, 3.0], ORDER: [0.0, 1.0]})
    assert got.missing == ("initialisation",)
    assert math.isnan(got.remainder)
    assert "initialisation alone" in got.note
    few = split_variance({ALL: [0.0, 1.0, 3.0], ORDER: [0.0, 1.0], INITIALISATION: [0.5]})
    assert math.isnan(few.parts[1].share)
    assert "Too few" in few.note
    still = split_variance({ALL: [0.7] * 3, ORDER: [0.7] * 3, INITIALISATION: [0.7] * 3})
    assert math.isnan(still.parts[0].share)
    single = split_variance({ORDER: [0.0, 1.0], NOTHING: [0.0, 0.0]})
    assert (single.remainder, single.parts[0].share) == (0.0, 0.0)
    for groups in ({}, {NOTHING: [1.0]}, {INITIALISATION: [1.0], ORDER: [1.0]}):
        with pytest.raises(ValueError, match="the whole that shares are of"):
            split_variance(groups)


def test_five_streams_with_groups_of_their_own_sizes() -> None:
    r = np.random.default_rng(6)
    sds = {"initialisation": 2.0, "order": 1.0, "augmentation": 0.5, "split": 1.5, "teacher": 1.0}
    rest, sizes = 0.25, {"split": 5, "teacher": 16}
    total = sum(sd**2 for sd in sds.values()) + rest
    covered = dict.fromkeys(sds, 0)
    whole = remainder = 0
    for _ in range(400):
        groups = {frozenset(sds): r.normal(0, math.sqrt(total), 40), NOTHING: r.normal(0, math.sqrt(rest), 6)}
        for name, sd in sds.items():
            groups[frozenset((name,))] = r.normal(0, math.sqrt(sd**2 + rest), sizes.get(name, 24))
        got = split_variance(groups)
        assert got.missing == ()
        whole += got.whole.sd_low <= math.sqrt(total) <= got.whole.sd_high
        remainder += got.low <= 0 <= got.high
        for part in got.parts:
            for name in part.vary:
                covered[name] += part.low <= (sds[name] ** 2 + rest) / total <= part.high
    assert all(0.92 < count / 400 < 0.98 for count in covered.values()), covered
    assert 0.92 < whole / 400 < 0.98
    assert 0.92 < remainder / 400 <= 1.0
    alone = split_variance({frozenset(sds): [0.0, 1.0, 3.0], frozenset(("split",)): [0.0, 1.0]})
    assert alone.missing == ("augmentation", "initialisation", "order", "teacher")


def test_coverage_of_shares_and_remainder() -> None:
    r = np.random.default_rng(3)
    sds = {INITIALISATION: 1.0, ORDER: 2.0, NOTHING: 0.5}
    rest = sds[NOTHING] ** 2

    def runs(parts: Iterable[float], n: int) -> np.ndarray:
        return r.normal(0, math.sqrt(sum(sd**2 for sd in parts) + rest), n)

    share = remainder = 0
    for _ in range(500):
        got = split_variance(
            {
                ALL: runs((1.0, 2.0), 20),
                INITIALISATION: runs((1.0,), 10),
                ORDER: runs((2.0,), 10),
                NOTHING: runs((), 10),
            }
        )
        share += got.parts[0].low <= (1 + rest) / (5 + rest) <= got.parts[0].high
        remainder += got.low <= 0 <= got.high
    assert 0.925 < share / 500 < 0.975
    assert 0.93 < remainder / 500 <= 0.99
