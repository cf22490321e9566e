from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kdsearch.distillation.transfer import TRANSFER_LOSSES, transfer_loss


def original(name: str, pred: Tensor, target: Tensor, temperature: float) -> Tensor:
    """``model_fit`` of the released code, written with torch's own losses; focal is the 3D code's, T = 1 there."""
    soft = F.softmax(target / temperature, 1)
    if name == "ce":
        log_q = F.log_softmax(pred / temperature, 1)
        return temperature * temperature * torch.mean(torch.sum(-soft * log_q, 1))
    if name == "kd":
        log_q = F.log_softmax(pred / temperature, 1)
        return temperature * temperature * F.kl_div(log_q, soft, reduction="mean")
    pred = F.softmax(pred, 1)
    return torch.mean(torch.sum(-(soft * (1 - pred) ** 2 * torch.log(pred + 1e-20)), dim=1))


def test_golden_values() -> None:
    # T = 2: source 3/4 1/4 from odds 9 : 1, auxiliary head even at every temperature.
    source = torch.tensor([[2 * math.log(3), 0.0]], dtype=torch.float64)
    logits = torch.zeros_like(source)
    want = {
        "ce": 4 * math.log(2),
        "kd": 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2,
        "focal": math.log(2) / 4,  # (3/4 + 1/4) (1/2)^2 ln 2
    }
    assert set(want) == set(TRANSFER_LOSSES)
    for name in TRANSFER_LOSSES:
        assert transfer_loss(name, logits, source, 2.0).item() == pytest.approx(want[name], abs=1e-14)


@pytest.mark.filterwarnings("ignore:reduction. 'mean'")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", TRANSFER_LOSSES)
def test_equals_the_original_for_each_member(name: str, dtype: torch.dtype) -> None:
    logits, source = torch.randn(3, 6, 11, dtype=dtype), torch.randn(3, 6, 11, dtype=dtype)
    temperature = torch.tensor([1.0, 3.0, 7.5], dtype=dtype)
    together, shared = (transfer_loss(name, logits, given, temperature) for given in (source, source[0]))
    assert together.dtype == dtype
    tolerance = 1e-3 if dtype == torch.float32 else 1e-12
    for i, t in enumerate(temperature.tolist()):
        assert together[i].item() == pytest.approx(original(name, logits[i], source[i], t).item(), rel=tolerance)
        assert shared[i].item() == pytest.approx(original(name, logits[i], source[0], t).item(), rel=tolerance)
        assert transfer_loss(name, logits[i], source[i], t).item() == pytest.approx(together[i].item(), rel=tolerance)


@pytest.mark.parametrize("classes", [365, 1000])
def test_kd_pulls_less_by_the_number_of_classes(classes: int) -> None:
    logits = torch.randn(4, classes, dtype=torch.float64, requires_grad=True)
    source = torch.randn(4, classes, dtype=torch.float64)
    entropy, divergence = (
        torch.autograd.grad(transfer_loss(name, logits, source, 3.0), logits)[0] for name in ("ce", "kd")
    )
    assert torch.allclose(divergence * classes, entropy, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", TRANSFER_LOSSES)
def test_the_source_gets_no_gradient(name: str) -> None:
    logits, source = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    transfer_loss(name, logits, source, 2.0).backward()
    assert source.grad is None
    assert logits.grad is not None
    assert logits.grad.abs().max() > 0


def test_another_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="'bce': choose one of ce, kd, focal"):
        transfer_loss("bce", torch.zeros(1, 2), torch.zeros(1, 2), 1.0)
