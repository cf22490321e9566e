from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from kdsearch.models.layers.recurrent import GRU, LSTM

MEMBERS = 3
PAIRS = [(LSTM, nn.LSTM), (GRU, nn.GRU)]


def tensors(outputs: tuple[Tensor, Tensor | tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Output and end states in one list."""
    output, end = outputs
    return [output, *(end if isinstance(end, tuple) else (end,))]


def loss(values: list[Tensor]) -> Tensor:
    return torch.stack([value.sin().square().sum() for value in values]).sum()


def stacked(modules: list[nn.Module]) -> dict[str, Tensor]:
    states = [module.state_dict() for module in modules]
    return {name: torch.stack([state[name] for state in states]).requires_grad_() for name in states[0]}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_members_equal_torchs_modules_alone(
    ours: type[nn.Module], theirs: type[nn.Module], layers: int, bidirectional: bool, bias: bool
) -> None:
    options = {"bias": bias, "bidirectional": bidirectional}
    skeleton = ours(4, 3, layers, **options).double()
    alone = [theirs(4, 3, layers, batch_first=True, **options).double() for _ in range(MEMBERS)]
    views = stacked(alone)
    x = torch.randn(MEMBERS, 2, 5, 4, dtype=torch.float64).requires_grad_()
    want = [tensors(module(part)) for module, part in zip(alone, x, strict=True)]
    got = tensors(vmap(lambda p, v: functional_call(skeleton, p, (v,)), randomness="error")(views, x))
    torch.testing.assert_close(got, [torch.stack(column) for column in zip(*want, strict=True)], rtol=0, atol=1e-12)
    total = torch.stack([loss(values) for values in want]).sum()
    named = [dict(module.named_parameters()) for module in alone]
    expected = torch.autograd.grad(total, [x, *(one[name] for name in views for one in named)])
    gradients = torch.autograd.grad(loss(got), [x, *views.values()])
    torch.testing.assert_close(gradients[0], expected[0], rtol=0, atol=1e-12)
    for i, gradient in enumerate(gradients[1:]):
        part = torch.stack(expected[1 + i * MEMBERS : 1 + (i + 1) * MEMBERS])
        torch.testing.assert_close(gradient, part, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_names_initialisation_and_results_are_torchs(ours: type[nn.Module], theirs: type[nn.Module]) -> None:
    torch.manual_seed(0)
    mine = ours(4, 3, 2, bidirectional=True)
    torch.manual_seed(0)
    torchs = theirs(4, 3, 2, bidirectional=True, batch_first=True)
    assert list(mine.state_dict()) == list(torchs.state_dict())
    assert all(torch.equal(value, torchs.state_dict()[name]) for name, value in mine.state_dict().items())
    x = torch.randn(2, 5, 4)
    assert all(torch.equal(a, b) for a, b in zip(tensors(mine(x)), tensors(torchs(x)), strict=True))


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_start_of_ones_own(ours: type[nn.Module], theirs: type[nn.Module]) -> None:
    skeleton, alone = ours(4, 3).double(), theirs(4, 3, batch_first=True).double()
    views = {name: value.detach() for name, value in stacked([alone, alone]).items()}
    x, h = torch.randn(2, 6, 5, 4, dtype=torch.float64), torch.randn(2, 1, 6, 3, dtype=torch.float64)
    start = (h, h.cos()) if ours is LSTM else h
    got = tensors(vmap(lambda p, v, s: functional_call(skeleton, p, (v, s)))(views, x, start))
    for k in range(2):
        own = (h[k], h[k].cos()) if ours is LSTM else h[k]
        torch.testing.assert_close([value[k] for value in got], tensors(alone(x[k], own)), rtol=0, atol=1e-12)
        torch.testing.assert_close(
            tensors(functional_call(skeleton, dict(alone.named_parameters()), (x[k], own))), tensors(alone(x[k], own))
        )


@pytest.mark.parametrize("ours", [LSTM, GRU])
def test_functional_calls_leave_the_module_as_it_was(ours: type[nn.Module]) -> None:
    module = ours(4, 3)
    x = torch.randn(2, 5, 4)
    before = tensors(module(x))
    functional_call(module, {name: torch.zeros_like(value) for name, value in module.named_parameters()}, (x,))
    assert all(torch.equal(a, b) for a, b in zip(tensors(module(x)), before, strict=True))


@pytest.mark.parametrize("ours", [LSTM, GRU])
def test_another_shape_is_refused(ours: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"expected input \[B, T, 4\], got \[5, 4\]"):
        ours(4, 3)(torch.randn(5, 4))
