"""Worlds with folds, and the comparison of the planner with itself in them."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import New
from tests.benchmarks.planner import folds


@pytest.mark.slow
def test_folds_do_the_same_to_all_settings_and_nothing_to_truths() -> None:
    plain, folded = folds.world("smooth", 3, 0.0), folds.world("smooth", 3, 0.05)
    assert folded.effects.size == 5
    assert folded.effects.sum() == pytest.approx(0.0, abs=1e-12)
    for params in (
        {"a": 0.1, "b": 0.5, "c": 3.0, "rate": 0.01, "steps": 4},
        {**dict.fromkeys("abc", 0.9), "rate": 0.1},
    ):
        params.setdefault("steps", 9)
        assert folded.truth(params) == plain.truth(params)
        gaps = [folded.run(params, seed) - plain.run(params, seed) for seed in range(10)]
        assert gaps == pytest.approx([*folded.effects, *folded.effects])
    sds = [folds.world("smooth", index, 0.05).effects.std(ddof=1) for index in range(200)]
    assert np.sqrt(np.mean(np.square(sds))) == pytest.approx(0.05 / 0.012, rel=0.1)


def test_who_knows_of_no_folds_meets_them_in_the_same_turn() -> None:
    space = folds.world("smooth", 0, 0.0).space
    aware = AdaptivePolicy(space, 0, 40, folds=5).choose([], 10)
    unaware = folds.Unaware(space, 0, 40, 5).choose([], 10)
    assert [pick.seed for pick in aware if isinstance(pick, New)][:3] == [0, 66, 132]
    assert aware == unaware


def test_the_command_prints_both_and_their_difference(capsys: pytest.CaptureFixture[str]) -> None:
    folds.main(["--worlds", "2", "--runs", "12", "--on", "smooth", "--sd", "0.05"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("regret at")
    assert [line.split("  ")[0] for line in lines[1:3]] == ["smooth, folds 0.05, with", "smooth, folds 0.05, without"]
    assert lines[3].startswith("  with - without")
