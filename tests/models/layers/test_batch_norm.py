from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from kdsearch.models.layers import batch_norm

MEMBERS = 3
CHANNELS = 4
# Norms with a scale and no shift came after torch 2.11.
BIAS = [{"bias": False}] if "bias" in inspect.signature(nn.BatchNorm1d).parameters else []
EXTENTS = {"BatchNorm1d": (5,), "BatchNorm2d": (3, 2), "BatchNorm3d": (2, 3, 2)}


def modules(name: str, count: int = MEMBERS, **options: object) -> tuple[nn.Module, list[nn.Module]]:
    """A skeleton of ours and torch's own modules with weights and statistics of their own, all in float64."""
    generator = torch.Generator().manual_seed(7)
    theirs = [getattr(nn, name)(CHANNELS, **options).double() for _ in range(count)]
    for module in theirs:
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator, dtype=value.dtype) + 0.5)
    return getattr(batch_norm, name)(CHANNELS, **options).double(), theirs


def rows(theirs: list[nn.Module]) -> tuple[Tensor, dict[str, Tensor]]:
    """All parameters as one leaf ``[M, P]``, and views of it by name: as a population keeps them."""
    named = [dict(module.named_parameters()) for module in theirs]
    leaf = torch.stack([torch.cat([torch.empty(0).double(), *(p.detach() for p in one.values())]) for one in named])
    leaf.requires_grad_()
    return leaf, dict(zip(named[0], leaf.split([p.numel() for p in named[0].values()], 1), strict=True))


def statistics(theirs: list[nn.Module]) -> dict[str, Tensor]:
    """Buffers stacked; those with channels lie as columns of wider tensors, so that they are not contiguous."""
    stacked = {}
    for name, _ in theirs[0].named_buffers():
        values = torch.stack([module.state_dict()[name] for module in theirs])
        wide = values.repeat(1, 2) if values.dim() == 2 else values.clone()
        stacked[name] = wide[:, :CHANNELS] if values.dim() == 2 else wide
    return stacked


def forward(skeleton: nn.Module) -> Callable[..., Tensor]:
    return vmap(lambda p, b, x: functional_call(skeleton, (p, b), (x,)), randomness="error")


def weighted(y: Tensor) -> Tensor:
    return (y * torch.arange(y[0].numel(), dtype=y.dtype).cos().view_as(y[0])).sum()


@pytest.mark.parametrize("name", EXTENTS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"track_running_stats": False}, {"momentum": 0.3, "eps": 0.01}, *BIAS]
)
def test_members_equal_torchs_modules_alone(name: str, training: bool, options: dict[str, object]) -> None:
    skeleton, theirs = modules(name, **options)
    for module in (skeleton, *theirs):
        module.train(training)
    leaf, views = rows(theirs)
    buffers = statistics(theirs)
    x = torch.randn(MEMBERS, 6, CHANNELS, *EXTENTS[name], dtype=torch.float64).requires_grad_()
    for _ in range(2):
        y = forward(skeleton)(views, buffers, x)
        alone = torch.stack([module(part) for module, part in zip(theirs, x, strict=True)])
        torch.testing.assert_close(y, alone, rtol=0, atol=1e-12)
    want = torch.autograd.grad(weighted(alone), [x, *(p for module in theirs for p in module.parameters())])
    got = torch.autograd.grad(weighted(y), [x, leaf], allow_unused=True)
    torch.testing.assert_close(got[0], want[0], rtol=0, atol=1e-12)
    if views:
        torch.testing.assert_close(got[1], torch.cat(want[1:]).view(MEMBERS, -1), rtol=0, atol=1e-12)
    for k, module in enumerate(theirs):
        for label, value in module.named_buffers():
            torch.testing.assert_close(buffers[label][k], value, rtol=0, atol=1e-12)


def test_a_matrix_of_rows_is_normalised_as_well() -> None:
    skeleton, theirs = modules("BatchNorm1d")
    x = torch.randn(MEMBERS, 6, CHANNELS, dtype=torch.float64)
    y = forward(skeleton)(rows(theirs)[1], statistics(theirs), x)
    torch.testing.assert_close(y, torch.stack([m(v) for m, v in zip(theirs, x, strict=True)]), rtol=0, atol=1e-12)


def test_one_batch_for_all_members() -> None:
    skeleton, theirs = modules("BatchNorm1d")
    x = torch.randn(6, CHANNELS, 5, dtype=torch.float64)
    buffers = statistics(theirs)
    call = vmap(lambda p, b: functional_call(skeleton, (p, b), (x,)))
    torch.testing.assert_close(call(rows(theirs)[1], buffers), torch.stack([m(x) for m in theirs]), rtol=0, atol=1e-12)
    torch.testing.assert_close(buffers["running_mean"], torch.stack([m.running_mean for m in theirs]))


def test_members_within_members() -> None:
    skeleton, theirs = modules("BatchNorm2d", count=6)
    leaf, views = rows(theirs)
    nested = {name: value.view(2, 3, CHANNELS) for name, value in views.items()}
    buffers = {name: value.unflatten(0, (2, 3)) for name, value in statistics(theirs).items()}
    x = torch.randn(2, 3, 6, CHANNELS, 3, 2, dtype=torch.float64)
    y = vmap(forward(skeleton))(nested, buffers, x).flatten(0, 1)
    alone = torch.stack([m(v) for m, v in zip(theirs, x.flatten(0, 1), strict=True)])
    torch.testing.assert_close(y, alone, rtol=0, atol=1e-12)
    want = torch.autograd.grad(weighted(alone), [p for module in theirs for p in module.parameters()])
    torch.testing.assert_close(torch.autograd.grad(weighted(y), leaf)[0], torch.cat(want).view(6, -1))
    torch.testing.assert_close(buffers["running_var"].flatten(0, 1), torch.stack([m.running_var for m in theirs]))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_outside_vmap_nothing_differs_from_torch(momentum: float | None) -> None:
    ours, theirs = batch_norm.BatchNorm1d(CHANNELS, momentum=momentum), nn.BatchNorm1d(CHANNELS, momentum=momentum)
    theirs.load_state_dict(ours.state_dict())
    assert isinstance(ours, nn.BatchNorm1d)
    x = torch.randn(6, CHANNELS, 5)
    for _ in range(2):
        assert torch.equal(ours(x), theirs(x))
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_bfloat16_activations_keep_float32_statistics() -> None:
    skeleton = batch_norm.BatchNorm2d(CHANNELS)
    views = {name: value.detach().repeat(2, 1).requires_grad_() for name, value in skeleton.named_parameters()}
    buffers = {name: value.expand(2, *value.shape).clone() for name, value in skeleton.named_buffers()}
    x = torch.randn(2, 8, CHANNELS, 3, 3)
    y = forward(skeleton)(views, buffers, x.bfloat16().requires_grad_())
    y.float().square().sum().backward()
    assert y.dtype is torch.bfloat16
    assert views["weight"].grad is not None
    assert views["weight"].grad.dtype is torch.float32
    torch.testing.assert_close(buffers["running_mean"], 0.1 * x.bfloat16().float().mean((1, 3, 4)))


def test_what_cannot_be_folded_is_refused() -> None:
    x = torch.randn(2, 6, CHANNELS, 5)
    with pytest.raises(ValueError, match="give a momentum"):
        vmap(batch_norm.BatchNorm1d(CHANNELS, momentum=None))(x)
    with pytest.raises(ValueError, match="running statistics are not stacked"):
        vmap(batch_norm.BatchNorm1d(CHANNELS))(x)
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        vmap(batch_norm.BatchNorm1d(CHANNELS))(x[..., None])
    shared = batch_norm.BatchNorm1d(CHANNELS).eval()
    torch.testing.assert_close(vmap(shared)(x), torch.stack([shared(part) for part in x]))
