from __future__ import annotations

import torch
from torch import nn

from kdsearch.models.classifiers.vgg import Vgg16Bn


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_size_by_hand() -> None:
    # Pairs of inputs and outputs of the 13 convolutions; each has 9 i o weights, o biases, and a norm of 2 o.
    pairs = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)]
    pairs += [(512, 512)] * 5
    assert len(pairs) == 13
    assert size(Vgg16Bn()) == sum(9 * i * o + 3 * o for i, o in pairs) + 5_130 == 14_728_266
    quarter = [(3 if i == 3 else i // 4, o // 4) for i, o in pairs]
    assert size(Vgg16Bn(width=16)) == sum(9 * i * o + 3 * o for i, o in quarter) + 1_290


def test_equals_the_same_layers_in_a_row() -> None:
    torch.manual_seed(0)
    network = Vgg16Bn(classes=7, width=4).eval()
    layers: list[nn.Module] = []
    for block in network.layers:
        for part in block.children():
            layers += [part.convolution, part.norm, nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    plain = nn.Sequential(*layers, nn.Flatten(), network.classify)
    x = torch.randn(3, 3, 32, 32)
    assert torch.allclose(network(x).logits, plain(x), atol=1e-6)


def test_larger_images_are_averaged() -> None:
    network = Vgg16Bn(classes=7, width=4).eval()
    x = torch.randn(2, 3, 96, 96)
    last = network.stages(x)[-1]
    assert last.shape == (2, 32, 3, 3)
    assert torch.allclose(network.embed(x), last.mean((2, 3)), atol=1e-6)
