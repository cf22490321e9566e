"""The order of pixels changes no value, and is left alone where it would cost."""

from __future__ import annotations

import pytest
import torch
from torch.func import vmap

from kdsearch.models.classifiers.cifar import StudentNet
from kdsearch.models.layers.memory_format import channels_last


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 6, 4, 5)])
def test_channels_lie_innermost_and_values_stay(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape)
    y = channels_last(x)
    assert torch.equal(x, y)
    assert y.stride(1) == 1
    assert channels_last(y) is y


def test_under_vmap_nothing_is_done() -> None:
    x = torch.rand(3, 2, 3, 4, 4)
    assert torch.equal(vmap(channels_last)(x), x)


def test_convolutions_pass_the_order_on() -> None:
    network, seen = StudentNet(width=4), []
    for layer in network.convolutions:
        layer.register_forward_hook(lambda module, inputs, output: seen.append(output.stride(1)))
    network(torch.rand(2, 3, 32, 32))
    assert seen == [1, 1, 1, 1]
