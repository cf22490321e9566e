"""Blocks that are computed again give the gradients and the buffers of the usual forward."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from kdsearch.models.encoders.resnet3d_hara import HaraResNet18
from kdsearch.models.layers.dropout import StreamDropout, set_keys
from kdsearch.training.activation_checkpointing import apply_activation_checkpointing


class Counting(nn.Module):
    """A block with everything that a second forward could upset; it counts its forwards."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), StreamDropout(0.4), nn.Tanh())
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        out: Tensor = self.layers(x)
        return out


def network() -> nn.Sequential:
    torch.manual_seed(0)
    built = nn.Sequential(Counting(), Counting(), nn.Linear(6, 2)).double()
    set_keys(built, 5)
    return built


def train(model: nn.Module, steps: int = 3) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for step in range(steps):
        x = torch.arange(48, dtype=torch.float64).view(8, 6).add(step).sin()
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()


def test_training_is_the_same_to_rounding_and_batch_norm_counts_once() -> None:
    usual, again = network(), network()
    apply_activation_checkpointing([again[0], again[1]])
    train(usual)
    train(again)
    assert again[0].calls == 2 * usual[0].calls, "computed again, not kept"
    state = usual.state_dict()
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=1e-14)
    assert int(again[0].layers[1].num_batches_tracked) == 3
    assert int(again[0].layers[2].count) == 3


def test_without_a_gradient_nothing_runs_twice() -> None:
    model = network()
    apply_activation_checkpointing([model[0], model[1]])
    with torch.no_grad():
        model(torch.ones(4, 6, dtype=torch.float64))
    model.eval()
    model(torch.ones(4, 6, dtype=torch.float64)).sum().backward()
    assert model[0].calls == 2


def test_weights_keep_their_names() -> None:
    model = network()
    names = list(model.state_dict())
    apply_activation_checkpointing([model[0]])
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("depth", [8])
def test_haras_network_gives_the_same_gradients_from_less_that_is_kept(depth: int) -> None:
    torch.manual_seed(0)
    usual = HaraResNet18(width=4).double()
    again = copy.deepcopy(usual)
    apply_activation_checkpointing(again.blocks())
    clips = torch.randint(0, 255, (3, 3, depth, 32, 32), dtype=torch.uint8)
    kept = []
    for model in (usual, again):
        sizes: list[int] = []

        def pack(value: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(value.numel())
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            out = model(clips)
        kept.append(sum(sizes))
        out.square().sum().backward()
    assert kept[1] < 0.6 * kept[0], "what the forward keeps for the backward"
    for (name, wanted), (_, found) in zip(usual.named_parameters(), again.named_parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-10, atol=1e-12, msg=name)
    for (name, wanted), (_, found) in zip(usual.named_buffers(), again.named_buffers(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-13, msg=name)
