from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from kdsearch.distillation.representation import representation_mse_mean
from kdsearch.distillation.soft_targets import cross_entropy_batchmean, soft_targets_kl_batchmean


def test_representation_golden_value() -> None:
    student, teacher = torch.tensor([[0.5, -1.0], [0.0, 1.0]]), torch.tensor([[1.0, -1.0], [0.0, -1.0]])
    assert representation_mse_mean(student, teacher).item() == (0.25 + 4) / 4


def test_representation_equals_torch_for_each_member() -> None:
    student, teacher = torch.randn(3, 7, 5), torch.randn(3, 7, 5)
    want = torch.stack([F.mse_loss(student[i], teacher[i]) for i in range(3)])
    assert torch.allclose(representation_mse_mean(student, teacher), want)


def test_soft_targets_golden_value() -> None:
    # Teacher odds 3 : 1 at T = 2, student even: KL = 3/4 ln(3/2) + 1/4 ln(1/2), times T^2 = 4.
    teacher = torch.tensor([[2 * math.log(3.0), 0.0]], dtype=torch.float64)
    want = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert soft_targets_kl_batchmean(torch.zeros_like(teacher), teacher, 2.0).item() == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize("temperature", [1.0, 3.5, 16.0])
def test_soft_targets_equal_torch(temperature: float) -> None:
    student, teacher = torch.randn(9, 5, dtype=torch.float64), torch.randn(9, 5, dtype=torch.float64)
    log_q, p = F.log_softmax(student / temperature, 1), F.softmax(teacher / temperature, 1)
    want = F.kl_div(log_q, p, reduction="batchmean") * temperature**2
    assert torch.allclose(soft_targets_kl_batchmean(student, teacher, temperature), want, atol=1e-13)


def test_soft_targets_take_a_temperature_a_member() -> None:
    student, teacher, temperature = torch.randn(3, 6, 4), torch.randn(3, 6, 4), torch.tensor([1.0, 2.0, 8.0])
    together = soft_targets_kl_batchmean(student, teacher, temperature)
    alone = [soft_targets_kl_batchmean(student[i], teacher[i], float(temperature[i])) for i in range(3)]
    assert torch.allclose(together, torch.stack(alone), atol=1e-6)


def test_cross_entropy_golden_value() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]], dtype=torch.float64)
    want = (math.log(4 / 3) + math.log(2)) / 2
    assert cross_entropy_batchmean(logits, torch.tensor([0, 1])).item() == pytest.approx(want, abs=1e-15)


def test_cross_entropy_equals_torch_for_each_member() -> None:
    logits, labels = torch.randn(3, 8, 5), torch.randint(0, 5, (3, 8))
    want = torch.stack([F.cross_entropy(logits[i], labels[i]) for i in range(3)])
    assert torch.allclose(cross_entropy_batchmean(logits, labels), want)
    shared = torch.stack([F.cross_entropy(logits[i], labels[0]) for i in range(3)])
    assert torch.allclose(cross_entropy_batchmean(logits, labels[0]), shared)


def test_the_teacher_gets_no_gradient() -> None:
    student, teacher = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    (representation_mse_mean(student, teacher) + soft_targets_kl_batchmean(student, teacher, 2.0)).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_gradcheck() -> None:
    teacher = torch.randn(4, 3, dtype=torch.float64)
    student = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 2, 1, 1])
    assert torch.autograd.gradcheck(lambda s: representation_mse_mean(s, teacher), (student,))
    assert torch.autograd.gradcheck(lambda s: soft_targets_kl_batchmean(s, teacher, 3.0), (student,))
    assert torch.autograd.gradcheck(lambda s: cross_entropy_batchmean(s, labels), (student,))
