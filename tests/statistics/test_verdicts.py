from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from kdsearch.statistics import equivalence_p, family_verdicts, holm, paired_difference, verdict

ZERO = [0.0] * 10
NOISE = np.array([0.003, -0.002, 0.001, -0.004, 0.002, 0.0, 0.001, -0.001, 0.002, -0.002])


def test_four_words() -> None:
    assert verdict(paired_difference(0.05 + NOISE, ZERO), 0.01) == "better"
    assert verdict(paired_difference(-0.05 + NOISE, ZERO), 0.01) == "worse"
    assert verdict(paired_difference(NOISE, ZERO), 0.01) == "equivalent"
    assert verdict(paired_difference(20 * NOISE, ZERO), 0.01) == "undecided"


def test_sure_but_small_is_equivalent() -> None:
    difference = paired_difference(0.005 + NOISE, ZERO)
    assert difference.p < 0.05
    assert verdict(difference, 0.01) == "equivalent"
    assert verdict(difference, 0.001) == "better"


def test_equivalence_is_the_90_percent_interval_inside() -> None:
    difference = paired_difference(0.004 + 3 * NOISE, ZERO)
    _, high = difference.interval(0.90)
    assert verdict(difference, high * 1.001) == "equivalent"
    assert verdict(difference, high * 0.999) != "equivalent"


def test_equivalence_against_statsmodels() -> None:
    difference = paired_difference(0.004 + 3 * NOISE, ZERO)
    reference = DescrStatsW(0.004 + 3 * NOISE).ttost_mean(-0.01, 0.01)[0]
    assert equivalence_p(difference, 0.01) == pytest.approx(reference)


def test_one_run_decides_nothing() -> None:
    assert verdict(paired_difference([0.9], [0.1]), 0.01) == "undecided"
    with pytest.raises(ValueError, match="min_effect"):
        verdict(paired_difference(NOISE, ZERO), -0.1)


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.03, 0.04 times 3, 2, 1, never falling: 0.03, 0.06, 0.06
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_against_statsmodels() -> None:
    p = np.random.default_rng(0).uniform(size=8) ** 3
    assert holm(p.tolist()) == pytest.approx(list(multipletests(p, method="holm")[1]))


def test_holm_does_not_count_what_is_no_test() -> None:
    adjusted = holm([0.02, math.nan, 0.5])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])


def test_family_is_stricter_than_each() -> None:
    differences = [paired_difference(shift + 4 * NOISE, ZERO) for shift in (0.0065, 0.003, 0.004, 0.001)]
    assert verdict(differences[0], 0.001) == "better"
    verdicts, adjusted = family_verdicts(differences, 0.001)
    assert verdicts[0] == "undecided"
    assert adjusted[0] == pytest.approx(4 * differences[0].p)


def test_family_is_stricter_than_each_in_what_it_calls_equivalent() -> None:
    differences = [paired_difference(shift + 4 * NOISE, ZERO) for shift in (0.004, 0.0041, 0.0042, 0.02)]
    effect = 0.0095
    alone = [equivalence_p(difference, effect) for difference in differences]
    assert 0.05 / 3 < alone[0] < alone[2] < 0.05
    assert [verdict(difference, effect) for difference in differences] == ["equivalent"] * 3 + ["better"]
    verdicts, _ = family_verdicts(differences, effect)
    assert verdicts[:3] == ["undecided"] * 3
    # Where the others' evidence is strong, the weakest of a family stands as it stands alone.
    sure = [paired_difference(NOISE / 10, ZERO) for _ in range(3)]
    assert family_verdicts([differences[0], *sure], effect)[0] == ["equivalent"] * 4
