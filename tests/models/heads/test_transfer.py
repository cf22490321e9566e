"""Heads of sources: sizes by hand, the mean over stages, columns, and every parameter learns, alone and stacked."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kdsearch.models.heads.transfer import TransferModule, TransferNetwork, columns
from kdsearch.models.registry import CLASSIFIERS
from kdsearch.training.population.forward import check
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.randomness import build_seeded

SOURCES = {"imagenet": 7, "places365": 4}
BODIES = [("resnet20", 4), ("vgg16_bn", 16), ("resnet18", 4), ("hara_resnet18", 4)]


def network(name: str, width: int, module: bool) -> TransferNetwork:
    return build_seeded(0, lambda: TransferNetwork(CLASSIFIERS[name].build(3, width), SOURCES, module, hidden=8))


def inputs(name: str, *first: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(*first, 3, 8, 32, 32) if name == "hara_resnet18" else torch.randn(*first, 3, 32, 32)


@pytest.mark.parametrize(("dims", "taps"), [(2, 9), (3, 27)])
def test_modules_size_by_hand(dims: int, taps: int) -> None:
    # A stage of C channels: C C/2, norm of C/2, taps (C/2)^2, norm of C/2, C/2 1000, norm of 1000; then 1000 n + n.
    # In 2-D that is 45,392 + 111,312 + 310,736 + 979,920 + 365,365.
    def stage(c: int) -> int:
        return c * c // 2 + c + taps * (c // 2) ** 2 + c + 500 * c + 2_000

    want = stage(64) + stage(128) + stage(256) + stage(512) + 1_000 * 365 + 365
    module = TransferModule((64, 128, 256, 512), 365, dims=dims)
    assert sum(p.numel() for p in module.parameters()) == want
    assert dims == 3 or want == 1_812_725


def test_the_module_reads_the_mean_of_the_stages() -> None:
    module = TransferModule((4, 6), 3, hidden=5).eval()
    stages = [torch.randn(2, 4, 8, 8), torch.randn(2, 6, 4, 4)]
    shapes = [bottleneck(stage).shape for bottleneck, stage in zip(module.bottlenecks, stages, strict=True)]
    assert shapes == [(2, 5, 4, 4), (2, 5, 2, 2)]
    first, second = (b(s).mean((2, 3)) for b, s in zip(module.bottlenecks, stages, strict=True))
    assert torch.allclose(module(stages), module.classify((first + second) / 2), atol=1e-6)


def test_columns_are_those_of_the_heads_in_their_order() -> None:
    made = network("resnet20", 4, module=False).eval()
    x = inputs("resnet20", 5)
    output, places = made(x), columns({"imagenet": 7, "places365": 4})
    assert places == {"imagenet": slice(0, 7), "places365": slice(7, 11)}
    for name, place in places.items():
        assert torch.allclose(output.auxiliary[:, place], made.heads[name](made.body.embed(x)), atol=1e-6)
    assert torch.equal(output.logits, made.body(x).logits)


@pytest.mark.parametrize("module", [False, True])
@pytest.mark.parametrize(("name", "width"), BODIES)
def test_every_parameter_gets_a_gradient(name: str, width: int, module: bool) -> None:
    made = network(name, width, module)
    output = made(inputs(name, 6))
    assert output.logits.shape == (6, 3)
    assert output.auxiliary.shape == (6, 11)
    loss = nn.functional.cross_entropy(output.logits, torch.arange(6) % 3)
    (loss + nn.functional.cross_entropy(output.auxiliary, torch.arange(6))).backward()
    for label, parameter in made.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().sum() > 0, label


@pytest.mark.parametrize("module", [False, True])
@pytest.mark.parametrize(("name", "width"), BODIES)
def test_both_forms_train_it_alike(name: str, width: int, module: bool) -> None:
    made = network(name, width, module)
    rows = StackedParameters(made, 2)
    with torch.no_grad():
        rows.weights[1] += 0.01 * torch.randn_like(rows.weights[1])
    assert check(made, rows.views(), rows.buffers, inputs(name, 2, 4)) is None


def test_a_seed_means_its_weights() -> None:
    one, two = (network("resnet20", 4, module=True).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_no_source_is_refused() -> None:
    with pytest.raises(ValueError, match="one head a source or more"):
        TransferNetwork(CLASSIFIERS["resnet20"].build(3, 4), {}, module=True)
