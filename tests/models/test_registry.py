"""Every classifier by name: its interface, a gradient for each parameter, seeds, and members stacked."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from kdsearch.models.classifiers.cifar import Classifier
from kdsearch.models.registry import CLASSIFIERS
from kdsearch.training.activation_checkpointing import apply_activation_checkpointing
from kdsearch.training.population.forward import check
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.randomness import build_seeded

SMALL = {"studentnet": 4, "vgg16_bn": 16}
STAGES = {"resnet20": 3, "resnet32": 3, "vgg16_bn": 5, "imagenet_vgg16_bn": 5}
IMAGES = [name for name, entry in CLASSIFIERS.items() if entry.kind == "images"]


def build(name: str) -> Classifier:
    return build_seeded(0, lambda: CLASSIFIERS[name].build(5, SMALL.get(name, 4)))


def inputs(name: str, *first: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(*first, 3, 32, 32) if name in IMAGES else torch.randn(*first, 3, 4, 16, 16)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_interface_and_gradient_of_every_parameter(name: str) -> None:
    network, x = build(name), inputs(name, 6)
    assert network.dims == x.dim() - 2
    logits = network(x).logits
    assert logits.shape == (6, 5)
    nn.functional.cross_entropy(logits, torch.arange(6) % 5).backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().sum() > 0, label
    network.eval()
    stages = network.stages(x)
    assert len(stages) == STAGES.get(name, 4)
    assert tuple(stage.shape[1] for stage in stages) == network.stage_channels
    assert all(stage.dim() == x.dim() for stage in stages)
    embedding = network.embed(x)
    assert embedding.shape == (6, network.features)
    assert torch.equal(network.pool(stages[-1]), embedding)
    assert isinstance(network.classify, nn.Linear)
    assert torch.equal(network.classify(embedding), network(x).logits)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_seed_means_its_weights(name: str) -> None:
    torch.manual_seed(5)
    one = build(name).state_dict()
    torch.manual_seed(6)
    two = build(name).state_dict()
    assert list(one) == list(two)
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_both_forms_train_it_alike(name: str) -> None:
    network = build(name)
    rows = StackedParameters(network, 2)
    with torch.no_grad():
        rows.weights[1] += 0.01 * torch.randn_like(rows.weights[1])
    assert check(network, rows.views(), rows.buffers, inputs(name, 2, 4)) is None


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "studentnet"])
def test_blocks_can_be_computed_again(name: str) -> None:
    network, again, x = build(name), build(name), inputs(name, 4)
    apply_activation_checkpointing(again.blocks())  # type: ignore[operator]
    for one in (network, again):
        one(x).logits.square().sum().backward()
    for (label, want), got in zip(network.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(want.grad, got.grad), label
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), again.buffers(), strict=True))


def test_the_default_width_is_the_papers() -> None:
    sizes = {"studentnet": 115_658, "resnet20": 269_722, "vgg16_bn": 14_728_266}
    for name, size in sizes.items():
        assert sum(p.numel() for p in CLASSIFIERS[name].build(10).parameters()) == size


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"classifier CifarResNet20 takes no weights, got somewhere\.pth"):
        CLASSIFIERS["resnet20"].build(10, weights="somewhere.pth")
    with pytest.raises(ValueError, match=r"at least 1, got 0, 64"):
        CLASSIFIERS["studentnet"].build(0)


def test_the_names_load_no_torch() -> None:
    code = "import sys, kdsearch.models.registry\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
