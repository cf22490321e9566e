"""Weights of torchvision's networks in ours, and layers that keep theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kdsearch.models.classifiers.pretrained import Pretrained, freeze, trainable
from kdsearch.models.registry import CLASSIFIERS
from kdsearch.torchvision_compat import import_torchvision
from kdsearch.training.optimizers import make_optimizer


def torchvision_models() -> Any:
    import_torchvision()
    from torchvision import models

    return models


def build(name: str, classes: int, width: int, weights: Path | None = None) -> Pretrained:
    network = CLASSIFIERS[name].build(classes, width, None if weights is None else str(weights))
    assert isinstance(network, Pretrained)
    return network


@pytest.mark.parametrize("name", [name for name, entry in CLASSIFIERS.items() if entry.known_weights])
def test_known_names_are_torchvisions(name: str) -> None:
    models = torchvision_models()
    theirs = models.get_model_weights(name.removeprefix("imagenet_")).__members__
    assert set(CLASSIFIERS[name].known_weights) == set(theirs)


def test_imagenets_vgg16_is_torchvisions() -> None:
    with torch.device("meta"):
        theirs = torchvision_models().vgg16_bn(weights=None, init_weights=False)
        ours = build("imagenet_vgg16_bn", 1000, 64)
    want, got = theirs.state_dict(), ours.layout().state_dict()
    assert {key: value.shape for key, value in got.items()} == {key: value.shape for key, value in want.items()}
    assert sum(value.numel() for value in ours.parameters()) == 138_365_992
    # The same layers in torchvision's order, small, at two sizes of image.
    small = build("imagenet_vgg16_bn", 7, 4).eval()
    layers: list[nn.Module] = []
    for block in small.layers:  # type: ignore[union-attr]
        for part in block.children():
            layers += [part.convolution, part.norm, nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    small_layers: Any = small
    behind = [small_layers.first, nn.ReLU(), small_layers.second, nn.ReLU(), small.classify]
    plain = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), *behind)
    for side in (64, 224):
        x = torch.randn(2, 3, side, side)
        torch.testing.assert_close(small(x).logits, plain(x), rtol=1e-5, atol=1e-6)


def test_a_vgg_for_small_images_takes_imagenets_convolutions(tmp_path: Path) -> None:
    source = build("imagenet_vgg16_bn", 9, 4)
    torch.save(source.layout().state_dict(), tmp_path / "w.pth")
    torch.manual_seed(0)
    drawn = build("vgg16_bn", 9, 4)
    torch.manual_seed(0)
    target = build("vgg16_bn", 9, 4, tmp_path / "w.pth")
    assert not target.head_from_weights
    assert torch.equal(target.classify.weight, drawn.classify.weight)  # type: ignore[arg-type]
    body = {key: value for key, value in source.state_dict().items() if key.startswith("layers")}
    assert len(body) == 13 * 7
    assert all(torch.equal(target.state_dict()[key], value) for key, value in body.items())
    assert build("imagenet_vgg16_bn", 9, 4, tmp_path / "w.pth").head_from_weights


@pytest.mark.parametrize("name", ["resnet18", "vgg16_bn", "imagenet_vgg16_bn", "hara_resnet18", "r3d_18"])
def test_held_layers_keep_their_values_and_all_others_learn(name: str) -> None:
    entry, network = CLASSIFIERS[name], build(name, 3, 4)
    freeze(network.parts_before(entry.stages))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.randn(2, 3, 4, 32, 32) if entry.kind == "clips" else torch.randn(2, 3, 64, 64)
    network(x).logits.square().sum().backward()
    optimizer = make_optimizer("sgd", network.parameters(), 0.1)
    optimizer.param_groups[0]["lr"] = 0.1
    optimizer.step()
    moved = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    statistics = {key for key in before if key.split(".")[-1] in _STATISTICS}
    assert moved == set(trainable(network)) | statistics
    freeze(network.parts_before(entry.stages + 1))
    assert set(trainable(network)) == {"classify.weight", "classify.bias"}


_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
