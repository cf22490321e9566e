from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from kdsearch.distillation.triplet import triplet_mean


def brute_force(codes: Tensor, labels: Tensor, margin: float, *, per_sample_repeat: bool = False) -> Tensor:
    """The definition as a Python loop: class, unordered pair with the lower index as anchor, negative."""
    total, count = codes.new_zeros(()), 0
    for label in labels.tolist() if per_sample_repeat else sorted(set(labels.tolist())):
        members = [i for i, other in enumerate(labels.tolist()) if other == label]
        others = [i for i, other in enumerate(labels.tolist()) if other != label]
        for (a, p), n in itertools.product(itertools.combinations(members, 2), others):
            gap = (codes[a] - codes[p]).square().sum() - (codes[a] - codes[n]).square().sum()
            total = total + (margin + gap).clamp(min=0)
            count += 1
    return total / max(count, 1)


def original_cube(codes: Tensor, labels: Tensor, margin: float) -> Tensor:
    """``triplet_loss.py`` of the original, as read: the outer loop runs over samples, so classes repeat."""
    triplets = []
    for sample_label in labels:
        mask = labels == sample_label
        positives, negatives = torch.where(mask)[0], torch.where(~mask)[0]
        if len(positives) < 2:
            continue
        pairs = list(itertools.combinations(positives.tolist(), 2))
        triplets += [(a, p, int(n)) for a, p in pairs for n in negatives]
    index = torch.tensor(triplets)
    near = (codes[index[:, 0]] - codes[index[:, 1]]).pow(2).sum(1)
    far = (codes[index[:, 0]] - codes[index[:, 2]]).pow(2).sum(1)
    return torch.relu(near - far + margin).mean()


def test_golden_value() -> None:
    # Codes on a line; labels a a a b. Pairs (0,1), (0,2), (1,2), negative 3; margin 2.
    # (0,1,3): 2 + 1 - 9 < 0; (0,2,3): 2 + 4 - 9 < 0; (1,2,3): 2 + 1 - 4 < 0 -> all 0 with codes 0 1 2 3.
    # With codes 0 1 2 1.5: (0,1): 2+1-2.25 = .75; (0,2): 2+4-2.25 = 3.75; (1,2): 2+1-.25 = 2.75; mean 7.25/3.
    labels = torch.tensor([0, 0, 0, 1])
    assert triplet_mean(torch.tensor([[0.0], [1.0], [2.0], [3.0]]), labels, 2.0).item() == 0
    assert triplet_mean(torch.tensor([[0.0], [1.0], [2.0], [1.5]]), labels, 2.0).item() == pytest.approx(7.25 / 3)


def test_golden_value_of_the_original_rule() -> None:
    # Labels a a a b b: class a has 3 pairs x 2 negatives, counted 3 times; class b 1 pair x 3 negatives, twice.
    # The anchor is the lower index: for b only (3,4,n), never (4,3,n).
    codes = torch.tensor([[0.0], [1.0], [2.0], [1.5], [5.0]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 1, 1])
    of_a = [0.75, 3.75, 2.75, 0, 0, 0]
    of_b = [2 + 12.25 - 2.25, 2 + 12.25 - 0.25, 2 + 12.25 - 0.25]
    once = (sum(of_a) + sum(of_b)) / 9
    repeated = (3 * sum(of_a) + 2 * sum(of_b)) / (3 * 6 + 2 * 3)
    assert triplet_mean(codes, labels, 2.0).item() == pytest.approx(once, abs=1e-14)
    assert triplet_mean(codes, labels, 2.0, per_sample_repeat=True).item() == pytest.approx(repeated, abs=1e-14)
    assert original_cube(codes, labels, 2.0).item() == pytest.approx(repeated, abs=1e-14)


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_equals_brute_force_with_its_gradient(seed: int, repeat: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(3, 14, 6, generator=generator, dtype=torch.float64).tanh_().requires_grad_()
    labels = torch.randint(0, 4, (3, 14), generator=generator)
    labels[2] = torch.arange(14)  # a member without any positive pair
    got = triplet_mean(codes, labels, 1.5, per_sample_repeat=repeat)
    want = torch.stack([brute_force(codes[m], labels[m], 1.5, per_sample_repeat=repeat) for m in range(3)])
    assert torch.allclose(got, want, rtol=0, atol=1e-13)
    gradient, expected = (torch.autograd.grad(value.sum(), codes)[0] for value in (got, want))
    assert torch.allclose(gradient, expected, rtol=0, atol=1e-14)


def test_one_batch_equals_one_member() -> None:
    codes, labels = torch.randn(20, 8), torch.randint(0, 3, (20,))
    assert triplet_mean(codes, labels, 4.0).shape == ()
    assert torch.equal(triplet_mean(codes, labels, 4.0), triplet_mean(codes[None], labels[None], 4.0)[0])


def test_gradcheck() -> None:
    codes = torch.randn(2, 8, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, 0, 1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 0, 0, 0, 0]])
    assert torch.autograd.gradcheck(lambda c: triplet_mean(c, labels, 3.0), (codes,))


def test_no_triplet_is_zero_with_zero_gradient() -> None:
    codes = torch.randn(5, 4, requires_grad=True)
    for labels in (torch.zeros(5, dtype=torch.int64), torch.arange(5)):
        loss = triplet_mean(codes, labels, 14.0)
        assert loss.item() == 0
        assert torch.equal(torch.autograd.grad(loss, codes)[0], torch.zeros_like(codes))


def test_not_a_number_is_not_hidden() -> None:
    codes = torch.randn(6, 4)
    codes[2, 1] = torch.nan
    assert triplet_mean(codes, torch.tensor([0, 0, 1, 1, 2, 2]), 14.0).isnan()


def test_single_precision_is_close_to_double() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(120, 48, generator=generator).tanh_()
    labels = torch.randint(0, 14, (120,), generator=generator)
    double = triplet_mean(codes.double(), labels, 14.0).item()
    assert triplet_mean(codes, labels, 14.0).item() == pytest.approx(double, rel=1e-6)
