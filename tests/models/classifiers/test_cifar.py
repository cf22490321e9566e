"""Image networks: sizes by hand, shapes, and every parameter learns, alone and stacked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from kdsearch.models.classifiers.cifar import CifarResNet, StudentNet
from kdsearch.training.population.forward import check
from kdsearch.training.population.stacked import StackedParameters

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "student": lambda: StudentNet(width=4),
    "resnet": lambda: CifarResNet(8, width=4),
}


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_students_size_by_hand() -> None:
    # First convolution 3*64*9+64, three of 64*64*9+64, four norms of 128, linear 256*10+10.
    assert size(StudentNet()) == 1_792 + 3 * 36_928 + 512 + 2_570 == 115_658


@pytest.mark.parametrize(("depth", "blocks"), [(20, 3), (32, 5)])
def test_the_resnets_size_by_hand(depth: int, blocks: int) -> None:
    first = 432 + 32
    one = 2 * blocks * (2_304 + 32)
    two = 4_608 + (2 * blocks - 1) * 9_216 + 2 * blocks * 64
    three = 18_432 + (2 * blocks - 1) * 36_864 + 2 * blocks * 128
    assert size(CifarResNet(depth)) == first + one + two + three + 650
    assert depth != 20 or size(CifarResNet(depth)) == 269_722


def test_a_depth_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"6 n \+ 2 layers .*got 21"):
        CifarResNet(21)


def test_the_shortcut_is_the_strided_input_between_zero_channels() -> None:
    network = CifarResNet(8, width=4).eval()
    block = network.layer2[0]
    nn.init.zeros_(block.bn2.weight)  # the residual is 0
    x = torch.rand(2, 4, 8, 8)
    y = block(x)
    assert y.shape == (2, 8, 4, 4)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, [0, 1, 6, 7]].any()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    logits = network(torch.randn(6, 3, 32, 32)).logits
    assert logits.shape == (6, 10)
    nn.functional.cross_entropy(logits, torch.arange(6)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_both_forms_train_it_alike(name: str) -> None:
    torch.manual_seed(0)
    rows = StackedParameters(NETWORKS[name](), 2)
    with torch.no_grad():
        rows.weights[1] += 0.01 * torch.randn_like(rows.weights[1])
    assert check(NETWORKS[name](), rows.views(), rows.buffers, torch.randn(2, 4, 3, 32, 32)) is None
