from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kdsearch.training.optimizers import OPTIMIZERS, make_optimizer
from kdsearch.training.population.optimizers import RowOptimizer, make_row_optimizer

P = 23  # no multiple of a vector register: the last elements take the processor's other path
ADAM = [
    {"weight_decay": 0.0},
    {"weight_decay": 0.1, "beta1": 0.8},
    {"weight_decay": 0.01, "beta2": 0.9, "eps": 1e-3},
    {"beta1": 0.0, "beta2": 0.99, "eps": 1e-6},
]
NUMBERS: dict[str, list[dict[str, float]]] = {
    "adam": ADAM,
    "adamw": ADAM,
    "sgd-nesterov": [{}, {"weight_decay": 0.1, "momentum": 0.5}, {"nesterov": False}, {"momentum": 0.99}],
    "sgd": [
        {"weight_decay": 0.0},
        {"weight_decay": 0.1, "momentum": 0.5, "nesterov": True},
        {"weight_decay": 0.01, "momentum": 0.0},
        {"momentum": 0.99, "nesterov": True},
    ],
}
RATES = torch.tensor([0.03, 0.003, 0.01, 0.001], dtype=torch.float64)
M = len(RATES)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gradient_at(weights: Tensor, step: int, members: Tensor) -> Tensor:
    """Towards a target, with noise of the step; row i is the same whichever rows stand beside it."""
    noise = torch.stack([normal(1000 * step + int(m), P) for m in members])
    return (weights.detach().double() - 1 + noise).to(weights.dtype)


def torchs(name: str, numbers: dict[str, float], parts: list[nn.Parameter]) -> torch.optim.Optimizer:
    given: dict[str, Any] = {"lr": 0.0, "weight_decay": numbers.get("weight_decay", 0.0), "foreach": False}
    if name.startswith("sgd"):
        momentum, nesterov = numbers.get("momentum", 0.9), bool(numbers.get("nesterov", name == "sgd-nesterov"))
        return torch.optim.SGD(parts, momentum=momentum, nesterov=nesterov, **given)
    betas, eps = (numbers.get("beta1", 0.9), numbers.get("beta2", 0.999)), numbers.get("eps", 1e-8)
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    return kind(parts, betas=betas, eps=eps, **given)


def alone(name: str, member: int, start: Tensor, steps: int) -> Tensor:
    """One member by torch's optimizer and clipping, its row cut into two parameters."""
    parts = [nn.Parameter(part.clone()) for part in start.split([9, P - 9])]
    optimizer = torchs(name, NUMBERS[name][member], parts)
    for step in range(steps):
        row = torch.cat([part.detach() for part in parts])
        gradient = gradient_at(row[None], step, torch.tensor([member]))[0]
        for part, piece in zip(parts, gradient.split([9, P - 9]), strict=True):
            part.grad = piece.clone()
        optimizer.param_groups[0]["lr"] = float(RATES[member]) * (1 + step % 3)
        optimizer.step()
    return torch.cat([part.detach() for part in parts])


def rows(name: str, dtype: torch.dtype = torch.float64, members: tuple[int, ...] = (0, 1, 2, 3)) -> RowOptimizer:
    optimizer = make_row_optimizer(name, len(members), P, dtype, "cpu")
    for slot, member in enumerate(members):
        optimizer.put(slot, NUMBERS[name][member])
    return optimizer


def advance(
    optimizer: RowOptimizer, weights: Tensor, first: int, last: int, members: tuple[int, ...] = (0, 1, 2, 3)
) -> None:
    which = torch.tensor(members)
    for step in range(first, last):
        gradient = gradient_at(weights, step, which)
        optimizer.step(weights, gradient, RATES[which] * (1 + step % 3))


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Also the sign of 0; of NaN only that it is one: bfloat16 keeps no payload on the way through float32."""
    nan = a.isnan()
    left, right = (x.masked_fill(nan, 0).contiguous().view(torch.uint8) for x in (a, b))
    return a.dtype == b.dtype and torch.equal(nan, b.isnan()) and torch.equal(left, right)


def everything(optimizer: RowOptimizer, slot: int, weights: Tensor) -> dict[str, Tensor]:
    return {"weights": weights[slot].detach().clone(), **optimizer.state(slot)}


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    assert [name for name in a if not same_bits(a[name].reshape(-1), b[name].reshape(-1))] == []


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_row_equals_torchs_optimizer_alone(name: str, dtype: torch.dtype, tolerance: float) -> None:
    start = normal(7, M, P).to(dtype)
    weights = start.clone().requires_grad_()
    advance(rows(name, dtype), weights, 0, 50)
    expected = torch.stack([alone(name, member, start[member], 50) for member in range(M)])
    assert (expected - start).abs().amax(1).min() > 0.05
    error = (weights.detach() - expected).abs().amax(1) / expected.abs().amax(1)
    assert error.max() <= tolerance


GOLDEN = [
    # g = 0.5 + 0.1 * 1 = 0.6 = velocity; w = 1 - 0.1 * 0.6
    ("sgd", {"weight_decay": 0.1, "momentum": 0.9}, 1, 0.94),
    # 0.6 + 0.9 * 0.6 = 1.14
    ("sgd", {"weight_decay": 0.1, "momentum": 0.9, "nesterov": True}, 1, 0.886),
    ("sgd-nesterov", {"weight_decay": 0.1}, 1, 0.886),
    # g = 0.5 + 0.094 = 0.594; velocity = 0.54 + 0.594 = 1.134; w = 0.94 - 0.1134
    ("sgd", {"weight_decay": 0.1, "momentum": 0.9}, 2, 0.8266),
    # After one step m / c1 = g and v / c2 = g^2: w = 1 - 0.1 * 0.6 / (0.6 + 0.6)
    ("adam", {"weight_decay": 0.1, "eps": 0.6}, 1, 0.95),
    # w = 1 * (1 - 0.1 * 0.1) - 0.1 * 0.5 / (0.5 + 0.5)
    ("adamw", {"weight_decay": 0.1, "eps": 0.5}, 1, 0.94),
    # The gradient is the same again: so are m / c1 and v / c2. w = 0.95 - 0.1 * 0.5 / (0.5 + 0.5)
    ("adam", {"eps": 0.5}, 2, 0.9),
]


@pytest.mark.parametrize(("name", "numbers", "steps", "expected"), GOLDEN)
def test_steps_by_hand(name: str, numbers: dict[str, float], steps: int, expected: float) -> None:
    optimizer = make_row_optimizer(name, 1, 1, torch.float64, "cpu")
    optimizer.put(0, numbers)
    weights = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(steps):
        optimizer.step(weights, torch.full_like(weights, 0.5), torch.tensor([0.1], dtype=torch.float64))
    assert weights.item() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_defaults_are_those_of_a_run_alone(name: str) -> None:
    alone, weights = nn.Parameter(normal(1, P)), normal(1, 1, P)
    theirs, ours = make_optimizer(name, [alone], 0.0), make_row_optimizer(name, 1, P, torch.float64, "cpu")
    theirs.param_groups[0]["lr"] = 0.01
    for step in range(5):
        alone.grad = normal(step, P)
        theirs.step()
        ours.step(weights, normal(step, 1, P), torch.tensor([0.01], dtype=torch.float64))
    assert torch.allclose(weights[0], alone.detach(), rtol=1e-14)


HOSTILE = (float("nan"), float("inf"), -float("inf"), -0.0, 0.0, -1e-40)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resting_row_keeps_every_bit_and_changes_no_other(name: str, dtype: torch.dtype, hostile: float) -> None:
    optimizer, weights = rows(name, dtype), normal(7, M, P).to(dtype)
    advance(optimizer, weights, 0, 3)
    weights[1, 3], weights[3, 5] = -0.0, -0.0
    weights[1, 8] = hostile
    for memory in (memory for memory in optimizer.memory.values() if memory.ndim == 2):
        memory[1, 2] = abs(hostile)
    if name == "sgd":
        optimizer.memory["velocity"][1, 4] = hostile
    gradient, rates = normal(8, M, P).to(dtype), RATES.clone()
    gradient[1, 2:6], rates[1] = hostile, hostile
    given = gradient.clone()
    before = [everything(optimizer, slot, weights) for slot in range(M)]

    whole, all_weights = rows(name, dtype), weights.clone()
    for slot in range(M):
        whole.load(slot, optimizer.state(slot))
    whole.step(all_weights, gradient, rates)
    optimizer.step(weights, gradient, rates, torch.tensor([True, False, True, False]))

    for slot in (1, 3):
        assert_same(everything(optimizer, slot, weights), before[slot])
    for slot in (0, 2):
        assert not torch.equal(weights[slot], before[slot]["weights"])
        assert_same(everything(optimizer, slot, weights), everything(whole, slot, all_weights))
    assert same_bits(gradient, given)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_row_that_never_trained_can_rest(name: str) -> None:
    optimizer, weights = rows(name), normal(7, M, P)
    fresh = everything(rows(name), 0, weights)
    for step in range(3):
        optimizer.step(weights, normal(step, M, P), RATES, torch.tensor([False, True, True, True]))
    assert_same(everything(optimizer, 0, weights), fresh)
    assert weights.isfinite().all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_row_that_is_no_number_leaves_the_others_as_they_are(name: str) -> None:
    ours, theirs = rows(name), rows(name)
    healthy = normal(7, M, P)
    diverged = healthy.clone()
    diverged[2, 5] = float("nan")
    advance(ours, healthy, 0, 10)
    advance(theirs, diverged, 0, 10)
    for slot in (0, 1, 3):
        assert_same(everything(ours, slot, healthy), everything(theirs, slot, diverged))
    assert diverged[2].isnan().any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_slot_filled_anew_is_a_new_optimizer_and_its_neighbours_do_not_notice(name: str) -> None:
    optimizer, weights, start = rows(name), normal(7, M, P), normal(9, P)
    advance(optimizer, weights, 0, 5)
    undisturbed, their_weights = rows(name), weights.clone()
    for slot in range(M):
        undisturbed.load(slot, optimizer.state(slot))

    optimizer.reset(2)
    optimizer.put(2, NUMBERS[name][1])
    weights[2] = start
    advance(optimizer, weights, 0, 20, (0, 1, 1, 3))
    advance(undisturbed, their_weights, 0, 20)
    fresh, alone_weights = rows(name, members=(1,)), start[None].clone()
    advance(fresh, alone_weights, 0, 20, (1,))

    assert torch.allclose(weights[2], alone_weights[0], rtol=1e-15, atol=1e-15)
    for slot in (0, 1, 3):
        assert_same(everything(optimizer, slot, weights), everything(undisturbed, slot, their_weights))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_row_that_forgets_steps_as_a_new_one_with_its_own_numbers(name: str) -> None:
    optimizer, other, weights = rows(name), rows(name), normal(1, M, P)
    advance(optimizer, weights.clone(), 0, 3)
    optimizer.forget(2)
    ours, theirs = weights.clone(), weights.clone()
    gradient = normal(5, M, P)
    optimizer.step(ours, gradient, RATES)
    other.step(theirs, gradient, RATES)
    assert torch.equal(ours[2], theirs[2])
    assert not torch.equal(ours[1], theirs[1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_reset_gives_the_numbers_of_a_new_member_too(name: str) -> None:
    optimizer = rows(name)
    advance(optimizer, normal(7, M, P), 0, 3)
    optimizer.reset(1)
    assert_same(optimizer.state(1), make_row_optimizer(name, 1, P, torch.float64, "cpu").state(0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_continues_exactly_in_another_slot(name: str, dtype: torch.dtype) -> None:
    whole, weights = rows(name, dtype), normal(7, M, P).to(dtype)
    advance(whole, weights, 0, 7)
    file = io.BytesIO()
    torch.save(whole.state(1), file)
    file.seek(0)
    resumed, theirs = make_row_optimizer(name, M, P, dtype, "cpu"), weights[[0, 0, 0, 1]].clone()
    resumed.load(3, torch.load(file, weights_only=True))
    advance(whole, weights, 7, 20)
    advance(resumed, theirs, 7, 20, (0, 0, 0, 1))
    assert all(value.device.type == "cpu" for value in whole.state(1).values())
    left, right = everything(whole, 1, weights), everything(resumed, 3, theirs)
    assert all(torch.allclose(left[key].double(), right[key].double(), rtol=1e-15, atol=0) for key in left)


def test_a_state_is_a_copy() -> None:
    optimizer, weights = rows("adam"), normal(7, M, P)
    state = optimizer.state(0)
    advance(optimizer, weights, 0, 3)
    assert state["steps"] == 0
    assert not state["first_moment"].any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_tensors_stay_where_they_are(name: str) -> None:
    optimizer, weights = rows(name), normal(7, M, P)
    held = [*optimizer.hyperparameters.items(), *optimizer.memory.items()]
    places = [(name, tensor.data_ptr()) for name, tensor in held]
    advance(optimizer, weights, 0, 2)
    optimizer.load(0, optimizer.state(1))
    optimizer.reset(2)
    optimizer.put(2, {"weight_decay": 0.5})
    advance(optimizer, weights, 2, 4)
    after = [*optimizer.hyperparameters.items(), *optimizer.memory.items()]
    assert [(name, tensor.data_ptr()) for name, tensor in after] == places


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_of_few_bits_keep_their_memory_in_float32(name: str) -> None:
    weights, gradient = normal(7, M, P).bfloat16(), normal(8, M, P).bfloat16()
    wide = weights.float()
    small, large = rows(name, torch.bfloat16), rows(name, torch.float32)
    small.step(weights, gradient, RATES)
    large.step(wide, gradient.float(), RATES)
    for key, memory in small.memory.items():
        assert same_bits(memory, large.memory[key])
    # AdamW rounds twice: after the decay, and after the step.
    assert torch.allclose(weights.float(), wide, rtol=2**-7, atol=2**-9)


def test_puts_of_some_numbers_leave_the_others() -> None:
    optimizer = rows("adam")
    optimizer.put(1, {"eps": 0.5})
    assert {name: value[1].item() for name, value in optimizer.hyperparameters.items()} == {
        "weight_decay": 0.1,
        "beta1": 0.8,
        "beta2": 0.999,
        "eps": 0.5,
    }


def test_errors_say_what_is_known() -> None:
    with pytest.raises(ValueError, match="unknown optimizer 'lion'; choose one of adam, adamw, sgd"):
        make_row_optimizer("lion", 1, 1, torch.float32, "cpu")
    with pytest.raises(ValueError, match="RowSGD has no beta1; its hyperparameters are weight_decay, momentum"):
        rows("sgd").put(0, {"beta1": 0.9})
    with pytest.raises(ValueError, match="RowAdam continues a state of shapes"):
        rows("adam").load(0, rows("sgd").state(0))
    with pytest.raises(ValueError, match="RowSGD continues a state of shapes"):
        rows("sgd").load(0, make_row_optimizer("sgd", 1, P + 1, torch.float64, "cpu").state(0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_captured_step_follows_numbers_rates_and_rows_set_in_place(name: str) -> None:
    captured, here = make_row_optimizer(name, M, P, torch.float64, "cuda"), rows(name)
    weights, expected = normal(7, M, P).cuda(), normal(7, M, P)
    gradient, rates = torch.zeros_like(weights), torch.zeros_like(RATES).cuda()
    active = torch.ones(M, dtype=torch.bool, device="cuda")

    def step() -> None:
        captured.step(weights, gradient, rates, active)

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    weights.copy_(expected)
    for slot in range(M):
        captured.reset(slot)
        captured.put(slot, NUMBERS[name][slot])
    for index in range(20):
        rests = torch.arange(M) != index % 5
        moved = gradient_at(expected, index, torch.arange(M))
        gradient.copy_(moved)
        rates.copy_(RATES / (1 + index))
        active.copy_(rests)
        graph.replay()
        here.step(expected, moved, RATES / (1 + index), rests)
    assert torch.allclose(weights.cpu(), expected, rtol=1e-12)
