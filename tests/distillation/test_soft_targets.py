from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kdsearch.distillation.soft_targets import (
    binary_cross_entropy_mean,
    probabilities_mse_half_mean,
    soft_targets_cross_entropy_batchmean,
    soft_targets_kl_batchmean,
    soft_targets_kl_mean,
)

Term = Callable[[Tensor, Tensor, float | Tensor], Tensor]


def torch_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    return F.cross_entropy(student / temperature, F.softmax(teacher / temperature, -1)) * temperature**2


def torch_kl_mean(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    log_q, p = F.log_softmax(student / temperature, -1), F.softmax(teacher / temperature, -1)
    return F.kl_div(log_q, p, reduction="none").mean() * temperature**2


def torch_mse(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    return F.mse_loss(F.softmax(student / temperature, -1), F.softmax(teacher / temperature, -1)) / 2 * temperature**2


TERMS: list[tuple[Term, Callable[[Tensor, Tensor, float], Tensor]]] = [
    (soft_targets_cross_entropy_batchmean, torch_cross_entropy),
    (soft_targets_kl_mean, torch_kl_mean),
    (probabilities_mse_half_mean, torch_mse),
]


def odds(*values: float) -> Tensor:
    """Logits whose softmax at temperature 2 has these odds."""
    return torch.tensor([2 * math.log(value) for value in values], dtype=torch.float64)


def test_golden_values() -> None:
    # T = 2. Image 0: teacher 3/4 1/4, student even. Image 1: teacher 3/4 1/4, student 1/4 3/4.
    teacher = torch.stack((odds(3, 1), odds(3, 1)))
    student = torch.stack((odds(1, 1), odds(1, 3)))
    # -(3/4 + 1/4) ln 1/2 = ln 2, and -(3/4 ln 1/4 + 1/4 ln 3/4); mean of two images, times 4.
    entropy = 4 * (math.log(2) - 0.75 * math.log(0.25) - 0.25 * math.log(0.75)) / 2
    got = soft_targets_cross_entropy_batchmean(student, teacher, 2.0).item()
    assert got == pytest.approx(entropy, abs=1e-14)
    # 3/4 ln 3/2 + 1/4 ln 1/2, and 3/4 ln 3 + 1/4 ln 1/3 = 1/2 ln 3; mean of two images and two classes, times 4.
    divergence = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5) + 0.5 * math.log(3)) / 4
    assert soft_targets_kl_mean(student, teacher, 2.0).item() == pytest.approx(divergence, abs=1e-14)
    # Squares 1/16 1/16 and 1/4 1/4, mean 5/32, half of it times 4.
    assert probabilities_mse_half_mean(student, teacher, 2.0).item() == pytest.approx(5 / 16, abs=1e-15)


@pytest.mark.parametrize("temperature", [1.0, 3.5, 16.0])
@pytest.mark.parametrize(("term", "reference"), TERMS)
def test_equal_torch(term: Term, reference: Callable[[Tensor, Tensor, float], Tensor], temperature: float) -> None:
    student, teacher = torch.randn(9, 5, dtype=torch.float64), torch.randn(9, 5, dtype=torch.float64)
    want = reference(student, teacher, temperature)
    assert torch.allclose(term(student, teacher, temperature), want, rtol=1e-12, atol=1e-13)
    single = term(student.float(), teacher.float(), temperature)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), want, rtol=1e-3)


@pytest.mark.parametrize(("term", "reference"), TERMS)
def test_leading_axes_and_a_temperature_a_member(
    term: Term, reference: Callable[[Tensor, Tensor, float], Tensor]
) -> None:
    student, teacher = torch.randn(2, 3, 6, 4, dtype=torch.float64), torch.randn(2, 3, 6, 4, dtype=torch.float64)
    temperature = torch.tensor([[1.0, 2.0, 8.0], [0.5, 3.0, 4.0]], dtype=torch.float64)
    together = term(student, teacher, temperature)
    assert together.shape == (2, 3)
    shared = term(student, teacher[0, 0], temperature)
    for i in range(2):
        for j in range(3):
            t = float(temperature[i, j])
            assert together[i, j].item() == pytest.approx(reference(student[i, j], teacher[i, j], t).item(), abs=1e-12)
            assert shared[i, j].item() == pytest.approx(reference(student[i, j], teacher[0, 0], t).item(), abs=1e-12)


@pytest.mark.parametrize("term", [term for term, _ in TERMS])
def test_the_teacher_gets_no_gradient_and_the_student_the_right_one(term: Term) -> None:
    student = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    term(student, teacher, 2.0).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().max() > 0
    assert torch.autograd.gradcheck(lambda s: term(s, teacher.detach(), 3.0), (student,))


def test_cross_entropy_has_the_gradient_of_the_divergence_and_another_value() -> None:
    student = torch.randn(3, 8, 5, dtype=torch.float64, requires_grad=True)
    teacher, temperature = torch.randn(3, 8, 5, dtype=torch.float64), torch.tensor([1.0, 4.0, 9.0]).double()
    entropy = soft_targets_cross_entropy_batchmean(student, teacher, temperature)
    divergence = soft_targets_kl_batchmean(student, teacher, temperature)
    of_entropy, of_divergence = (torch.autograd.grad(loss.sum(), student)[0] for loss in (entropy, divergence))
    assert torch.allclose(of_entropy, of_divergence, rtol=0, atol=1e-14)
    p = torch.softmax(teacher / temperature[:, None, None], -1)
    of_teacher = -(p * p.log()).sum(-1).mean(-1) * temperature**2
    assert torch.allclose(entropy - divergence, of_teacher, atol=1e-11)
    assert (of_teacher > 0.1).all()


@pytest.mark.parametrize("temperature", [1.0, 8.0])
def test_mean_squared_probabilities_pull_weakly(temperature: float) -> None:
    # Even student over all C classes: C^2 times weaker. Two classes compete, the others are out: 2 C times.
    classes, teacher = 10, torch.randn(1, 10, dtype=torch.float64)
    even = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True)
    weak = torch.autograd.grad(probabilities_mse_half_mean(even, teacher, temperature), even)[0]
    strong = torch.autograd.grad(soft_targets_cross_entropy_batchmean(even, teacher, temperature), even)[0]
    assert torch.allclose(weak * classes**2, strong, rtol=1e-12)

    out = torch.full((1, classes), -1e4, dtype=torch.float64)
    out[:, :2] = 0
    pair = out.clone().requires_grad_()
    taught = out + torch.tensor([1.0] + [0.0] * 9, dtype=torch.float64)
    weak = torch.autograd.grad(probabilities_mse_half_mean(pair, taught, temperature), pair)[0]
    strong = torch.autograd.grad(soft_targets_cross_entropy_batchmean(pair, taught, temperature), pair)[0]
    assert torch.allclose(weak * 2 * classes, strong, rtol=1e-12)
    assert strong[0, 0].abs() > 0.1


def test_binary_cross_entropy_golden_value() -> None:
    # sigmoid(ln 3) = 3/4. Right at 3/4: ln 4/3; even: ln 2; ignored: nothing; wrong at 3/4: ln 4. Mean of three.
    logits = torch.tensor([[math.log(3), 0.0], [5.0, -math.log(3)]], dtype=torch.float64)
    targets = torch.tensor([[1, 0], [255, 1]], dtype=torch.uint8)
    want = (math.log(4 / 3) + math.log(2) + math.log(4)) / 3
    assert binary_cross_entropy_mean(logits, targets).item() == pytest.approx(want, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_binary_cross_entropy_equals_torch_for_each_member(dtype: torch.dtype) -> None:
    logits = 30 * torch.randn(3, 8, 5, dtype=dtype)
    targets = torch.randint(0, 3, (3, 8, 5))
    targets[targets == 2] = 255
    for given in (targets, targets[0]):
        got = binary_cross_entropy_mean(logits, given)
        assert got.dtype == dtype
        for i in range(3):
            own = given[i] if given.dim() == 3 else given
            kept = own != 255
            want = F.binary_cross_entropy_with_logits(logits[i][kept], own[kept].to(dtype))
            assert got[i].item() == pytest.approx(want.item(), rel=1e-5 if dtype == torch.float32 else 1e-13)


def test_binary_cross_entropy_gives_what_is_ignored_no_gradient() -> None:
    logits = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 2, (2, 3, 4))
    targets[0, 1, 2] = 255
    targets[1] = 255
    loss = binary_cross_entropy_mean(logits, targets)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss[1].item() == 0
    assert ((gradient == 0) == (targets == 255)).all()
    assert torch.autograd.gradcheck(lambda z: binary_cross_entropy_mean(z, targets), (logits,))
