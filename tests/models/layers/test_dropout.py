"""Dropout of streams: it is dropout, and a member's masks are those of the same run alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from kdsearch.models.layers.dropout import StreamDropout, set_keys

ONES = torch.ones(200, 500)


def layer(p: float, key: int = 11) -> StreamDropout:
    made = StreamDropout(p)
    set_keys(made, key)
    return made


class Network(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), StreamDropout(p), nn.ReLU(), nn.Linear(8, 8), StreamDropout(p))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x)
        return result


def network(key: int, p: float) -> Network:
    made = Network(p).double()
    for number, parameter in enumerate(made.parameters()):
        generator = torch.Generator().manual_seed(number + key)
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    set_keys(made, key)
    return made


MEMBERS = ((5, 0.3), (-7, 0.5), (5, 0.0), (123456789, 0.8))


class Population:
    """Members stacked, as the trainer stacks them."""

    def __init__(self, members: tuple[tuple[int, float], ...]) -> None:
        self.skeleton = Network(0.5)
        parameters, buffers = stack_module_state([network(*member) for member in members])
        self.parameters: dict[str, Any] = parameters
        self.buffers: dict[str, Any] = buffers

    def forward(self, x: Tensor) -> Tensor:
        def one(parameters: Any, buffers: Any, x: Tensor) -> Tensor:
            result: Tensor = functional_call(self.skeleton, (parameters, buffers), (x,))
            return result

        return vmap(one, randomness="error")(self.parameters, self.buffers, x)

    def refill(self, slot: int, key: int, p: float) -> None:
        fresh = network(key, p)
        with torch.no_grad():
            for stacked, alone in ((self.parameters, fresh.named_parameters()), (self.buffers, fresh.named_buffers())):
                for name, value in alone:
                    stacked[name][slot].copy_(value)


def batches(count: int, members: int = len(MEMBERS)) -> Tensor:
    return torch.randn(count, members, 10, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_share_p_is_dropped_independently_and_the_mean_is_kept(p: float) -> None:
    out = layer(p)(ONES)
    kept = out != 0
    assert torch.equal(out[kept], torch.full_like(out[kept], 1 / (1 - p)))
    assert stats.binomtest(int(kept.sum()), kept.numel(), 1 - p).pvalue > 0.01
    rows, columns = kept.sum(1), kept.sum(0)
    assert float(rows.double().var()) == pytest.approx(500 * p * (1 - p), rel=0.3)
    assert float(columns.double().var()) == pytest.approx(200 * p * (1 - p), rel=0.3)
    assert float(out.mean()) == pytest.approx(1, abs=4 * (p / (1 - p) / out.numel()) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_ends_of_p(dtype: torch.dtype) -> None:
    x = ONES.to(dtype, copy=True).requires_grad_()
    assert torch.equal(layer(0)(x), x)
    out = layer(1)(x)
    out.sum().backward()
    assert x.grad is not None
    assert not out.any()
    assert not x.grad.any()
    with pytest.raises(ValueError, match=r"got 1\.5"):
        StreamDropout(1.5)


def test_the_gradient_is_the_mask_times_the_scale() -> None:
    x = torch.randn(30, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = layer(0.4)(torch.ones(30, 7))
    out = layer(0.4)(x)
    out.sum().backward()
    assert torch.equal(out, x * mask)
    assert x.grad is not None
    assert torch.equal(x.grad, mask)


def test_evaluation_is_the_identity_and_counts_nothing() -> None:
    dropout = layer(0.5).eval()
    assert dropout(ONES) is ONES
    assert int(dropout.count) == 0
    dropout.train()(ONES)
    assert int(dropout.count) == 1


def test_masks_of_steps_layers_and_keys_are_unrelated() -> None:
    # Keys 11 and 12 are neighbours: layer 1 of the one must not be layer 0 of the other.
    dropout = layer(0.5)
    pair = nn.ModuleList([StreamDropout(0.5), StreamDropout(0.5)])
    set_keys(pair, 11)
    masks = [dropout(ONES), dropout(ONES), pair[1](ONES), layer(0.5, key=12)(ONES)]
    for number, one in enumerate(masks):
        for other in masks[:number]:
            assert float((one == other).double().mean()) == pytest.approx(0.5, abs=0.01)
    assert torch.equal(pair[0](ONES), masks[0])


def test_the_mask_is_the_same_in_every_dtype_and_a_shorter_batch_is_its_beginning() -> None:
    want = layer(0.3)(ONES) != 0
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        out = layer(0.3)(ONES.to(dtype))
        assert out.dtype == dtype
        assert torch.equal(out != 0, want)
    assert torch.equal(layer(0.3)(ONES[:17]) != 0, want[:17])


def test_setting_keys_starts_the_stream_again() -> None:
    dropout = layer(0.5)
    first = dropout(ONES)
    assert not torch.equal(dropout(ONES), first)
    set_keys(dropout, 11)
    assert torch.equal(dropout(ONES), first)


def test_a_checkpoint_continues_the_stream() -> None:
    dropout = layer(0.5)
    dropout(ONES)
    resumed = StreamDropout(0.1)
    resumed.load_state_dict(dropout.state_dict())
    assert torch.equal(resumed(ONES), dropout(ONES))


def test_a_member_is_the_run_alone() -> None:
    population, alone = Population(MEMBERS), [network(*member) for member in MEMBERS]
    for x in batches(3):
        out = population.forward(x)
        singles = torch.stack([module(one) for module, one in zip(alone, x, strict=True)])
        assert torch.equal(out != 0, singles != 0)
        torch.testing.assert_close(out, singles, rtol=0, atol=1e-12)
    out.square().sum().backward()  # type: ignore[no-untyped-call]
    singles.square().sum().backward()  # type: ignore[no-untyped-call]
    for name, stacked in population.parameters.items():
        gradients = torch.stack([module.get_parameter(name).grad for module in alone])  # type: ignore[misc]
        torch.testing.assert_close(stacked.grad, gradients, rtol=0, atol=1e-12)
    assert population.buffers["body.1.count"].tolist() == [3] * len(MEMBERS)


def test_neither_slot_nor_width_matters() -> None:
    (x,) = batches(1)
    want = Population(MEMBERS).forward(x) != 0
    assert torch.equal(Population(MEMBERS[::-1]).forward(x.flip(0)).flip(0) != 0, want)
    assert torch.equal(Population(MEMBERS[1:2]).forward(x[1:2]) != 0, want[1:2])


def test_a_refilled_slot_is_the_fresh_run_and_its_neighbours_go_on() -> None:
    population, neighbour, fresh = Population(MEMBERS), network(*MEMBERS[0]), network(99, 0.6)
    before, after = batches(2)
    population.forward(before)
    neighbour(before[0])
    population.refill(2, 99, 0.6)
    out = population.forward(after)
    assert torch.equal(out[2] != 0, fresh(after[2]) != 0)
    assert torch.equal(out[0] != 0, neighbour(after[0]) != 0)


def test_the_loop_form_over_views_of_the_stack_is_the_same() -> None:
    population, looped = Population(MEMBERS), Population(MEMBERS)
    for x in batches(2):
        want = population.forward(x)
        outs = []
        for member in range(len(MEMBERS)):
            parameters = {name: value.unbind(0)[member] for name, value in looped.parameters.items()}
            buffers = {name: value.unbind(0)[member] for name, value in looped.buffers.items()}
            outs.append(functional_call(looped.skeleton, (parameters, buffers), (x[member],)))
        assert torch.equal(torch.stack(outs) != 0, want != 0)
    assert all(torch.equal(value, looped.buffers[name]) for name, value in population.buffers.items())


def test_no_generator_is_moved() -> None:
    before = torch.get_rng_state()
    layer(0.5)(ONES)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_both_devices_drop_the_same_elements() -> None:
    here, there = layer(0.3), layer(0.3).cuda()
    for _ in range(3):
        assert torch.equal(there(ONES.cuda()).cpu(), here(ONES))
