from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from kdsearch.metrics.accuracy import accuracy, chance_accuracy


def test_golden_value() -> None:
    # Answers 1 0 2 against 1 0 1: two of three.
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, -1.0, 4.0], [0.0, 0.5, 1.0]])
    assert accuracy(logits, torch.tensor([1, 0, 1])).item() == pytest.approx(2 / 3, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_leading_axes_equal_a_loop(dtype: torch.dtype) -> None:
    logits, labels = torch.randn(2, 3, 50, 4, dtype=dtype), torch.randint(0, 4, (2, 3, 50))
    own, shared = accuracy(logits, labels), accuracy(logits, labels[0, 0])
    assert own.dtype == torch.float64
    for i in range(2):
        for j in range(3):
            answers = [max(range(4), key=row.__getitem__) for row in logits[i, j].tolist()]
            for got, truth in ((own[i, j], labels[i, j]), (shared[i, j], labels[0, 0])):
                right = sum(answer == label for answer, label in zip(answers, truth.tolist(), strict=True))
                assert got.item() == pytest.approx(right / 50, abs=1e-15)


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_tie_goes_to_the_lowest_class(classes: int) -> None:
    logits = torch.zeros(3, classes)
    logits[2, 0] = -1
    assert accuracy(logits, torch.tensor([0, 0, 1])).item() == 1
    assert accuracy(logits, torch.full((3,), classes - 1)).item() == (1 / 3 if classes == 2 else 0)


def test_not_a_number_is_wrong() -> None:
    logits = torch.tensor([[torch.nan, 0.0], [1.0, torch.nan], [torch.nan, torch.nan], [1.0, torch.inf]])
    assert accuracy(logits, torch.tensor([0, 1, 0, 1])).item() == 0.25


def test_chance_golden_value() -> None:
    # Class 2 is most frequent in train; it is right once in four.
    assert chance_accuracy(np.array([0, 2, 2, 1]), np.array([0, 2, 1, 0]), 3) == 0.25
    # A tie goes to class 0.
    assert chance_accuracy(np.array([2, 0, 2, 0, 1]), np.array([0, 2, 0]), 3) == pytest.approx(2 / 3)


def test_chance_is_reached_by_a_constant_answer() -> None:
    rng = np.random.default_rng(0)
    train, labels = rng.integers(0, 7, 90), rng.integers(0, 7, 60)
    counts = torch.from_numpy(np.bincount(train, minlength=7)).double().expand(60, 7)
    assert chance_accuracy(train, labels, 7) == pytest.approx(accuracy(counts, torch.from_numpy(labels)).item())


@pytest.mark.parametrize(
    ("train", "labels", "said"),
    [([0, 3], [0], "train_labels in 0..2, .* got 0..3"), ([0], [-1], "labels in .* got -1..-1"), ([0], [], "got none")],
)
def test_other_labels_are_an_error(train: list[int], labels: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        chance_accuracy(np.array(train, dtype=np.int64), np.array(labels, dtype=np.int64), 3)


def test_the_modules_need_no_torch() -> None:
    check = "import sys, kdsearch.metrics.accuracy, kdsearch.metrics.multi_label; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
