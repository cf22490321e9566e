from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.metrics.multi_label import (
    average_precision_per_class,
    average_precision_per_image,
    chance_average_precision_over_classes,
    chance_average_precision_over_images,
    mean_average_precision_over_classes,
    mean_average_precision_over_images,
)

RULES = ["all points", "11 points", "scikit-learn"]


def reference(scores: list[float], targets: list[int], rule: str) -> float:
    """The definitions in plain Python, one threshold a distinct score: the devkit's ``VOCap.m``, scikit-learn's sum."""
    kept = [(score, target) for score, target in zip(scores, targets, strict=True) if target != 255]
    positives = sum(target for _, target in kept)
    if positives == 0:
        return float("nan")
    recall, precision = [], []
    for threshold in sorted({score for score, _ in kept}, reverse=True):
        above = [target for score, target in kept if score >= threshold]
        recall.append(sum(above) / positives)
        precision.append(sum(above) / len(above))
    if rule == "11 points":
        return sum(max(p for r, p in zip(recall, precision, strict=True) if r > t / 10 - 1e-9) for t in range(11)) / 11
    if rule == "all points":
        precision = [0.0, *precision, 0.0]
        for i in reversed(range(len(precision) - 1)):
            precision[i] = max(precision[i], precision[i + 1])
        recall = [0.0, *recall, 1.0]
        steps = [i for i in range(1, len(recall)) if recall[i] != recall[i - 1]]
        return sum((recall[i] - recall[i - 1]) * precision[i] for i in steps)
    before = [0.0, *recall[:-1]]
    return sum((r - b) * p for r, b, p in zip(recall, before, precision, strict=True))


def measure(scores: torch.Tensor, targets: torch.Tensor, rule: str) -> torch.Tensor:
    """Average precision of each column, by any of the three rules."""
    if rule == "scikit-learn":
        return average_precision_per_image(scores.mT, targets.mT)
    return average_precision_per_class(scores, targets, eleven_points=rule == "11 points")


def test_golden_values_without_ties() -> None:
    # Class 0 ranks 1 0 1 1: precision 1, 1/2, 2/3, 3/4. All points: (1 + 3/4 + 3/4) / 3 = 5/6. 11 points: recall 1/3
    # is reached at precision 1 (t = 0, .1, .2, .3), beyond it 3/4 (7 times). Not interpolated: (1 + 2/3 + 3/4) / 3.
    # Class 1 ranks 0 - 1 0, the second ignored: precision 1/2 by every rule.
    scores = torch.tensor([[4.0, 0.1], [3.0, 0.9], [2.0, 0.5], [1.0, 0.7]])
    targets = torch.tensor([[1, 0], [0, 0], [1, 1], [1, 255]])
    assert measure(scores, targets, "all points").tolist() == pytest.approx([5 / 6, 1 / 2], abs=1e-15)
    assert measure(scores, targets, "11 points").tolist() == pytest.approx([9.25 / 11, 1 / 2], abs=1e-15)
    assert measure(scores, targets, "scikit-learn").tolist() == pytest.approx([29 / 36, 1 / 2], abs=1e-15)
    assert mean_average_precision_over_classes(scores, targets).item() == pytest.approx(2 / 3, abs=1e-15)


def test_golden_values_with_ties() -> None:
    # One of two is positive at the top, one more alone below: precision 1/2 at the tie's end, then 2/3. Interpolated
    # 2/3 everywhere; else (1/2 + 2/3) / 2 = 7/12 (scikit-learn 1.9.1 says 0.5833). In either stored order.
    for order in ([0, 1, 2], [1, 0, 2]):
        scores, targets = torch.tensor([[1.0], [1.0], [0.0]])[order], torch.tensor([[0], [1], [1]])[order]
        assert measure(scores, targets, "all points").item() == pytest.approx(2 / 3, abs=1e-15)
        assert measure(scores, targets, "11 points").item() == pytest.approx(2 / 3, abs=1e-15)
        assert measure(scores, targets, "scikit-learn").item() == pytest.approx(7 / 12, abs=1e-15)


def test_recall_of_three_tenths_is_reached_by_three_of_ten() -> None:
    # 3 hits, 27 misses, 7 hits: precision 1 up to recall 3/10, 10/37 beyond. In floating point 3 / 10 < 0.1 * 3.
    targets = torch.tensor([1] * 3 + [0] * 27 + [1] * 7).unsqueeze(1)
    scores = torch.arange(37.0, 0, -1).unsqueeze(1)
    want = (4 + 7 * 10 / 37) / 11
    assert measure(scores, targets, "11 points").item() == pytest.approx(want, abs=1e-15)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [3, 10_000])
def test_equals_the_definition_for_each_member(rule: str, dtype: torch.dtype, levels: int) -> None:
    generator = torch.Generator().manual_seed(levels)
    scores = torch.randint(0, levels, (2, 3, 17, 5), generator=generator).to(dtype)
    targets = torch.randint(0, 3, (2, 3, 17, 5), generator=generator)
    targets[targets == 2] = 255
    targets[0, 0, :, 1] = 0
    for given in (targets, targets[0, 0], targets[0, 0].to(torch.uint8)):
        got = measure(scores, given, rule)
        assert got.dtype == torch.float64
        for i in range(2):
            for j in range(3):
                own = given[i, j] if given.dim() == 4 else given
                want = [reference(scores[i, j, :, c].tolist(), own[:, c].tolist(), rule) for c in range(5)]
                assert got[i, j].tolist() == pytest.approx(want, abs=1e-14, nan_ok=True)


def test_scikit_learns_number() -> None:
    # average_precision_score of scikit-learn 1.9.1, a row at a time; scores of one decimal tie.
    scores = [
        [0.6, 0.3, 0.0, 0.0, 0.8, 0.9, 0.6, 0.7],
        [0.5, 0.9, 0.8, 0.0, 0.9, 0.0, 0.7, 0.2],
        [0.9, 0.5, 0.3, 0.4, 0.0, 0.1, 0.7, 0.6],
        [0.6, 0.4, 1.0, 1.0, 0.7, 0.7, 0.7, 0.4],
    ]
    targets = [[1, 0, 1, 1, 1, 0, 0, 1], [1, 1, 1, 1, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1, 1, 1], [1, 0, 1, 1, 1, 1, 1, 1]]
    want = [0.6033333333333333, 0.9583333333333333, 0.9028571428571428, 0.9821428571428571]
    got = average_precision_per_image(torch.tensor(scores), torch.tensor(targets))
    assert got.tolist() == pytest.approx(want, abs=1e-14)
    assert mean_average_precision_over_images(torch.tensor(scores), torch.tensor(targets)).item() == pytest.approx(
        sum(want) / 4, abs=1e-14
    )


@pytest.mark.parametrize("rule", RULES)
def test_what_is_ignored_does_not_exist(rule: str) -> None:
    scores, targets = torch.randint(0, 6, (30, 1)).double(), torch.randint(0, 2, (30, 1))
    targets[:2, 0] = torch.tensor([1, 255])
    targets[torch.rand(30, 1) < 0.3] = 255
    targets[0] = 1
    kept = targets[:, 0] != 255
    assert torch.allclose(measure(scores, targets, rule), measure(scores[kept], targets[kept], rule), atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_the_stored_order_does_not_matter(rule: str) -> None:
    scores, targets = torch.randint(0, 4, (40, 6)).double(), torch.randint(0, 2, (40, 6))
    targets[0] = 1
    order = torch.randperm(40)
    assert torch.allclose(measure(scores, targets, rule), measure(scores[order], targets[order], rule), atol=1e-14)


def test_classes_and_images_without_a_positive_are_left_out() -> None:
    scores = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    targets = torch.tensor([[1, 0], [255, 0]])
    for eleven in (False, True):
        assert average_precision_per_class(scores, targets, eleven_points=eleven).isnan().tolist() == [False, True]
        assert mean_average_precision_over_classes(scores, targets, eleven_points=eleven).item() == 1
    assert average_precision_per_image(scores, targets).isnan().tolist() == [False, True]
    assert mean_average_precision_over_images(scores, targets).item() == 1


def test_not_a_number_ranks_last() -> None:
    targets = torch.tensor([[1], [0], [0]])
    for scores, want in (([1.0, torch.nan, 0.5], 1), ([torch.nan, 1.0, 0.5], 1 / 3), ([torch.nan] * 3, 1 / 3)):
        assert average_precision_per_class(torch.tensor(scores).unsqueeze(1), targets).item() == pytest.approx(want)
    infinite = torch.tensor([[torch.inf], [torch.finfo(torch.float32).max], [-torch.inf]])
    assert average_precision_per_class(infinite, targets).item() == 1


def test_chance_golden_values() -> None:
    # Shares of positives 1/2, 1/3 (one ignored), none: mean 5/12.
    targets = np.array([[1, 0, 0], [1, 255, 0], [0, 1, 0], [0, 0, 255]], dtype=np.uint8)
    assert chance_average_precision_over_classes(targets) == pytest.approx(5 / 12, abs=1e-15)
    # In train class 1 leads, 0 and 2 tie behind it. Image 0 (class 0): found at the tie's end, 1/3. Image 1 (0, class 1
    # ignored): 1/2. Image 2 (class 1): 1. Image 3 has none.
    train = np.array([[0, 1, 0], [0, 1, 1], [1, 0, 255], [255, 1, 0]])
    want = (1 / 3 + 1 / 2 + 1) / 3
    assert chance_average_precision_over_images(train, targets) == pytest.approx(want, abs=1e-15)


def test_chance_is_reached_by_scores_that_see_no_image() -> None:
    rng = np.random.default_rng(1)
    train, targets = ((rng.random((50, 6)) < rng.random(6)).astype(int) for _ in range(2))
    targets[rng.random((50, 6)) < 0.1] = 255
    constant = torch.from_numpy(train.mean(0)).expand(50, 6)
    truth = torch.from_numpy(targets)
    for eleven in (False, True):
        got = mean_average_precision_over_classes(constant, truth, eleven_points=eleven).item()
        assert chance_average_precision_over_classes(targets) == pytest.approx(got, abs=1e-14)
    got = mean_average_precision_over_images(constant, truth).item()
    assert chance_average_precision_over_images(train, targets) == pytest.approx(got, abs=1e-14)


def test_chance_without_a_positive_is_an_error() -> None:
    nothing = np.array([[0, 255]])
    with pytest.raises(ValueError, match="none of 2 classes has a positive among 1 images"):
        chance_average_precision_over_classes(nothing)
    with pytest.raises(ValueError, match="none of 1 images has a positive among 2 classes"):
        chance_average_precision_over_images(nothing, nothing)
