"""What seeds have in common and how spreads differ, against textbook formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kdsearch.draws import FIRST_CONFIRM_SEED
from kdsearch.ledger.records import StudyResults
from kdsearch.report import build

Make = Callable[..., StudyResults]
COMPARED = (10, 20, 2, 3, 11)


def with_scores(results: StudyResults, scores: np.ndarray) -> StudyResults:
    """Scores ``[5, s]`` of winner, ablation, two baselines and a finalist on ``s`` fresh seeds."""
    kept = [run for run in results.runs if run.pool != "confirm"]
    first = next(run for run in results.runs if run.pool == "confirm")
    for position, row in enumerate(scores):
        for index, score in enumerate(row):
            changes = {"id": 100 * position + 1000 + index, "configuration_id": COMPARED[position]}
            kept.append(replace(first, seed=FIRST_CONFIRM_SEED[1] + index, score=float(score), **changes))  # type: ignore[arg-type]
    return replace(results, runs=tuple(kept))


def sentence(results: StudyResults, start: str) -> str:
    (found,) = [note for note in build(results).table("instability").notes if note.startswith(start)]
    return found


def draws(seed_sd: float, k: int = 5, s: int = 12) -> np.ndarray:
    generator = np.random.default_rng(3)
    return 0.7 + generator.normal(0, 0.02, (k, s)) + generator.normal(0, seed_sd, s)


def test_common_seeds_by_the_analysis_of_variance(results: Make) -> None:
    scores = draws(0.03)
    k, s = scores.shape
    seeds = k * scores.mean(axis=0).var(ddof=1)
    centred = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    rest = (centred**2).sum() / ((k - 1) * (s - 1))
    between = (seeds - rest) / k
    rho = between / (between + rest)

    def bound(quantile: float) -> float:  # McGraw and Wong 1996, case 3, ICC(C, 1)
        f = seeds / rest / stats.f.ppf(quantile, s - 1, (k - 1) * (s - 1))
        return float((f - 1) / (f + k - 1))

    assert sentence(with_scores(results(), scores), "Common seeds") == (
        f"Common seeds: what a seed does to all configurations alike has sd {between**0.5:.4f}, what is left has sd "
        f"{rest**0.5:.4f} (5 configurations, 12 seeds, 60 runs). Two configurations on one seed correlate by {rho:.2f} "
        f"(95 % interval [{bound(0.975):.2f}, {bound(0.025):.2f}]): pairing saves about {100 * rho:.0f} % of the runs."
    )


def test_seeds_without_an_effect_save_nothing(results: Make) -> None:
    scores = 0.7 + 0.01 * np.array([[1, -1, 1, -1], [-1, 1, -1, 1], [1, 1, -1, -1], [-1, -1, 1, 1], [1, -1, -1, 1]])
    assert sentence(with_scores(results(), scores), "Common seeds").endswith(": pairing saves no run here.")
    unsure = draws(0.015, s=4)
    assert sentence(with_scores(results(), unsure), "Common seeds").endswith("% of the runs, and perhaps none.")


def test_diverged_runs_are_said_to_be_in_it(results: Make) -> None:
    assert "15 runs, diverged ones at chance level)" in sentence(results(), "Common seeds")


def test_spreads_by_brown_and_forsythe(results: Make) -> None:
    scores = draws(0.0)
    scores[3] = 0.7 + 5 * (scores[3] - 0.7)
    test = stats.levene(*scores, center="median")
    sd = scores.std(axis=1, ddof=1)
    names = ["winner (#10)", "winner without distillation", "student alone", "seed_1", "finalist #11"]
    assert test.pvalue < 0.001
    assert sentence(with_scores(results(), scores), "Spread") == (
        f"Spread by configuration: sd from {sd.min():.4f} ({names[int(sd.argmin())]}, n = 12) to {sd[3]:.4f} (seed_1, "
        f"n = 12): some spread more than others (Brown-Forsythe F(4, 55) = {test.statistic:.2f}, p <0.001)."
    )


def test_few_runs_find_no_difference_and_say_so(results: Make) -> None:
    scores = np.array([[0.70, 0.72, 0.74], [0.69, 0.70, 0.71], [0.61, 0.62, 0.64], [0.4, 0.5, 0.7], [0.7, 0.71, 0.73]])
    test = stats.levene(*scores, center="median")
    assert sentence(with_scores(results(), scores), "Spread").endswith(
        f"no difference of spreads is shown (Brown-Forsythe F(4, 10) = {test.statistic:.2f}, p = {test.pvalue:.3f}; "
        "with n = 3 it finds little)."
    )


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_say_nothing_of_spreads(results: Make, seeds: int) -> None:
    notes = build(with_scores(results(), draws(0.03)[:, :seeds])).table("instability").notes
    assert not any(note.startswith("Spread by configuration") for note in notes)
    assert any(note.startswith("Common seeds") for note in notes) == (seeds > 1)
