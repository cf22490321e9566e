from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kdsearch.distillation.mutual import mutual_kl_batchmean


def loop(logits: Tensor, temperature: float) -> Tensor:
    """Sum over the other peers of torch's divergence, each peer's prediction a fixed target for the others."""
    found = []
    for i, own in enumerate(logits):
        total = logits.new_zeros(())
        for j, other in enumerate(logits):
            if i != j:
                target = F.softmax(other.detach() / temperature, -1)
                total = total + F.kl_div(F.log_softmax(own / temperature, -1), target, reduction="batchmean")
        found.append(total * temperature**2)
    return torch.stack(found)


def test_golden_value_of_two_peers() -> None:
    # At T = 2: p_0 = 3/4 1/4, p_1 even. KL(p_1 | p_0) = 1/2 ln 2/3 + 1/2 ln 2 = 1/2 ln 4/3; the other way
    # 3/4 ln 3/2 + 1/4 ln 1/2. The second image is the same for both peers: half of it. Times 4.
    one = torch.tensor([[2 * math.log(3), 0.0], [1.0, 7.0]], dtype=torch.float64)
    two = torch.tensor([[0.0, 0.0], [1.0, 7.0]], dtype=torch.float64)
    want = [math.log(4 / 3), 2 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))]
    got = mutual_kl_batchmean(torch.stack((one, two)), 2.0)
    assert got.tolist() == pytest.approx(want, abs=1e-14)
    assert torch.equal(mutual_kl_batchmean(torch.stack((one, two)), 2.0, summed_over_peers=True), got)


def test_golden_value_of_three_peers() -> None:
    # p_0 = 3/4 1/4, the other two even: they differ from peer 0 alone, hence the mean halves, the sum does not.
    logits = torch.tensor([[[math.log(3), 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]], dtype=torch.float64)
    of_first, of_others = 0.5 * math.log(4 / 3), 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    want = [of_first, of_others / 2, of_others / 2]
    assert mutual_kl_batchmean(logits).tolist() == pytest.approx(want, abs=1e-15)
    summed = mutual_kl_batchmean(logits, summed_over_peers=True).tolist()
    assert summed == pytest.approx([2 * of_first, of_others, of_others], abs=1e-15)


@pytest.mark.parametrize("peers", [2, 3, 5])
def test_equals_a_loop_with_its_gradient_for_each_member(peers: int) -> None:
    logits = torch.randn(2, 3, peers, 6, 4, dtype=torch.float64, requires_grad=True)
    temperature = torch.tensor([[1.0, 2.0, 8.0], [0.5, 3.0, 4.0]], dtype=torch.float64)
    weights = torch.rand(2, 3, peers, dtype=torch.float64)
    summed = mutual_kl_batchmean(logits, temperature, summed_over_peers=True)
    want = torch.stack(
        [torch.stack([loop(logits[i, j], float(temperature[i, j])) for j in range(3)]) for i in range(2)]
    )
    assert torch.allclose(summed, want, rtol=1e-12, atol=1e-13)
    assert torch.allclose(mutual_kl_batchmean(logits, temperature), want / (peers - 1), rtol=1e-12, atol=1e-13)
    gradient, expected = (torch.autograd.grad((value * weights).sum(), logits)[0] for value in (summed, want))
    assert torch.allclose(gradient, expected, rtol=0, atol=1e-13)


def test_a_peer_learns_from_its_own_loss_alone() -> None:
    logits = torch.randn(3, 5, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(mutual_kl_batchmean(logits)[1], logits)
    assert gradient[1].abs().max() > 0
    assert gradient[0].abs().max() == gradient[2].abs().max() == 0


def test_equal_peers_have_nothing_to_learn() -> None:
    logits = torch.randn(5, 4).expand(3, 5, 4)
    assert mutual_kl_batchmean(logits).tolist() == [0, 0, 0]


def test_single_precision_is_close_to_double() -> None:
    logits = torch.randn(3, 9, 10, dtype=torch.float64)
    single = mutual_kl_batchmean(logits.float(), 4.0)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), mutual_kl_batchmean(logits, 4.0), rtol=1e-3)


def test_a_single_peer_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 2 peers on axis -3 of the logits, got 1"):
        mutual_kl_batchmean(torch.randn(4, 1, 5, 3))
