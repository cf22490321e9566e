from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from kdsearch.distillation.focal import focal_batchmean


def test_golden_value_with_labels() -> None:
    # p = 3/4: (1/4)^2 ln 4/3; p = 1/2: (1/2)^2 ln 2; mean of two images.
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    want = (math.log(4 / 3) / 16 + math.log(2) / 4) / 2
    assert focal_batchmean(logits, torch.tensor([0, 1])).item() == pytest.approx(want, abs=1e-15)
    # gamma = 1: 1/4 ln 4/3 and 1/2 ln 2.
    want = (math.log(4 / 3) / 4 + math.log(2) / 2) / 2
    assert focal_batchmean(logits, torch.tensor([0, 1]), 1.0).item() == pytest.approx(want, abs=1e-15)


def test_golden_value_with_soft_targets() -> None:
    # p = 3/4 1/4, y = 1/3 2/3: 1/3 (1/4)^2 ln 4/3 + 2/3 (3/4)^2 ln 4.
    logits = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
    targets = torch.tensor([[1 / 3, 2 / 3]], dtype=torch.float64)
    want = math.log(4 / 3) / 48 + 3 / 8 * math.log(4)
    assert focal_batchmean(logits, targets).item() == pytest.approx(want, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_gamma_it_is_cross_entropy_for_each_member(dtype: torch.dtype) -> None:
    logits, labels = torch.randn(3, 8, 5, dtype=dtype), torch.randint(0, 5, (3, 8))
    soft = torch.softmax(torch.randn(3, 8, 5, dtype=dtype), -1)
    for targets in (labels, soft):
        got = focal_batchmean(logits, targets, 0.0)
        assert got.dtype == dtype
        assert torch.allclose(got, torch.stack([F.cross_entropy(logits[i], targets[i]) for i in range(3)]))
        shared = focal_batchmean(logits, targets[0], 0.0)
        assert torch.allclose(shared, torch.stack([F.cross_entropy(logits[i], targets[0]) for i in range(3)]))


def test_labels_equal_one_hot_targets_and_members_equal_a_loop() -> None:
    logits, labels = torch.randn(2, 3, 7, 5, dtype=torch.float64), torch.randint(0, 5, (2, 3, 7))
    together = focal_batchmean(logits, labels)
    assert torch.allclose(together, focal_batchmean(logits, F.one_hot(labels, 5).double()), rtol=1e-13)
    for i in range(2):
        for j in range(3):
            p = torch.softmax(logits[i, j], -1)[torch.arange(7), labels[i, j]]
            assert together[i, j].item() == pytest.approx((-((1 - p) ** 2) * p.log()).mean().item(), rel=1e-12)


def test_gradient_reaches_soft_targets() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.softmax(torch.randn(4, 3, dtype=torch.float64), -1).requires_grad_()
    assert torch.autograd.gradcheck(focal_batchmean, (logits, targets))
    assert torch.autograd.gradgradcheck(focal_batchmean, (logits, targets))
    (gradient,) = torch.autograd.grad(focal_batchmean(logits, targets), targets)
    assert gradient.abs().min() > 0


def test_a_probability_of_zero_is_finite() -> None:
    logits = torch.tensor([[0.0, 200.0]], requires_grad=True)
    loss = focal_batchmean(logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(20 * math.log(10), rel=1e-6)
    assert torch.autograd.grad(loss, logits)[0].isfinite().all()
