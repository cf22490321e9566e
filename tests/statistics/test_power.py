from __future__ import annotations

import math
import subprocess
import sys

import pytest
from statsmodels.stats.power import TTestPower

from kdsearch.statistics import paired_power, seeds_needed


@pytest.mark.parametrize(("effect", "n"), [(0.5, 34), (0.75, 16), (1.0, 10), (1.5, 6), (2.0, 5)])
def test_seeds_needed(effect: float, n: int) -> None:
    assert seeds_needed(0.02, effect * 0.02) == n


def test_power_against_statsmodels() -> None:
    for n, effect in ((3, 1.0), (10, 0.3), (40, 0.5), (400, 0.1)):
        assert paired_power(n, 1.0, effect) == pytest.approx(TTestPower().power(effect, n, 0.05), abs=1e-6)


def test_seeds_needed_edges() -> None:
    assert seeds_needed(0.0, 0.01) == 2
    assert seeds_needed(1.0, 1e-6) == 1_000_000
    assert seeds_needed(1.0, 0.05) == 3142
    for sd, effect in ((0.02, 0.0), (math.nan, 0.01)):
        with pytest.raises(ValueError, match="min_effect > 0"):
            seeds_needed(sd, effect)


def test_slow_libraries_are_not_loaded() -> None:
    code = (
        "import sys, kdsearch.statistics, kdsearch.report\n"
        "slow = {'torch', 'ray', 'optuna', 'statsmodels', 'scipy.stats', 'pandas'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
