from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from kdsearch.distillation.focal import focal_batchmean
from kdsearch.distillation.meta_auxiliary import collapse_entropy, masked_softmax, primary_after_step, virtual_step

SUBCLASSES = (2, 1, 3)


def original_masked_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """``mask_softmax`` of lorenmt/maxl with its 1e-8."""
    index = torch.zeros(3, 6, dtype=logits.dtype) + 1e-8
    index[0, :2] = index[1, 2] = index[2, 3:] = 1
    return torch.exp(logits) * index[labels] / torch.sum(torch.exp(logits) * index[labels], dim=-1, keepdim=True)


def test_masked_softmax_golden_value() -> None:
    logits = torch.tensor([math.log(3), 0.0, 9.0, math.log(2), 0.0, 0.0], dtype=torch.float64).expand(3, 6)
    got = masked_softmax(logits, torch.tensor([0, 1, 2]), SUBCLASSES)
    want = [[0.75, 0.25, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0.5, 0.25, 0.25]]
    assert torch.allclose(got, torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-15)
    assert ((got == 0) == (torch.tensor(want) == 0)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masked_softmax_is_near_the_original_for_each_member(dtype: torch.dtype) -> None:
    # Logits within -2..2: at most 1e-8 * 5 * exp(4) = 3e-6 leaks in the original.
    logits, labels = 2 * torch.randn(2, 4, 9, 6, dtype=dtype).tanh(), torch.randint(0, 3, (2, 4, 9))
    together, shared = (masked_softmax(logits, given, SUBCLASSES) for given in (labels, labels[0, 0]))
    assert together.dtype == dtype
    for i in range(2):
        for j in range(4):
            assert torch.allclose(together[i, j], original_masked_softmax(logits[i, j], labels[i, j]), atol=5e-6)
            assert torch.allclose(shared[i, j], original_masked_softmax(logits[i, j], labels[0, 0]), atol=5e-6)


def test_nothing_leaks_and_nothing_overflows() -> None:
    logits = torch.zeros(1, 6)
    logits[0, 5] = 20.0
    assert original_masked_softmax(logits, torch.tensor([0]))[0, 5] > 0.7
    assert masked_softmax(logits, torch.tensor([0]), SUBCLASSES)[0].tolist() == [0.5, 0.5, 0, 0, 0, 0]
    assert original_masked_softmax(logits * 50, torch.tensor([2])).isnan().any()
    assert masked_softmax(logits * 50, torch.tensor([2]), SUBCLASSES)[0].tolist() == [0, 0, 0, 0, 0, 1]


def test_masked_softmax_has_a_gradient_of_any_order() -> None:
    logits, labels = torch.randn(4, 6, dtype=torch.float64, requires_grad=True), torch.tensor([0, 1, 2, 0])
    assert torch.autograd.gradcheck(lambda z: masked_softmax(z, labels, SUBCLASSES), (logits,))
    assert torch.autograd.gradgradcheck(lambda z: masked_softmax(z, labels, SUBCLASSES), (logits,))


@pytest.mark.parametrize("subclasses", [(2, 2, 3), (3, 0, 3)])
def test_subclasses_that_do_not_fit_are_an_error(subclasses: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 1 sub-class a class and 6 in all"):
        masked_softmax(torch.zeros(1, 6), torch.tensor([0]), subclasses)


def test_collapse_entropy_golden_value() -> None:
    # Each image sure, but of different sub-classes: the mean 1/2 1/2 has -ln 2. All of one: 0. Mean 3/4 1/4 below.
    spread, collapsed = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    between = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    got = collapse_entropy(torch.stack((spread, collapsed, between)).double()).tolist()
    want = [-math.log(2), 0, 0.75 * math.log(0.75) + 0.25 * math.log(0.25)]
    assert got == pytest.approx(want, abs=1e-15)
    assert collapse_entropy(between).dtype == torch.float32
    assert collapse_entropy(between).item() == pytest.approx(want[2], rel=1e-6)


def test_collapse_entropy_of_a_class_without_images_has_a_gradient() -> None:
    logits = torch.randn(4, 6, requires_grad=True)
    entropy = collapse_entropy(masked_softmax(logits, torch.tensor([0, 0, 2, 2]), SUBCLASSES))
    (gradient,) = torch.autograd.grad(entropy, logits)
    assert gradient.isfinite().all()
    assert gradient[0, :2].abs().min() > 0
    assert gradient[0, 2:].abs().max() == 0


def test_virtual_step_golden_value() -> None:
    # Loss (2 w - y)^2 at w = 1, y = 1: slope 2 (2 - 1) 2 = 4, a step of 0.1 leads to 0.6. Primary (2 w - 1)^2 = 0.04.
    # By y: dw+/dy = 0.1 * 2 * 2 = 0.4, dJ/dy = 2 (1.2 - 1) 2 * 0.4 = 0.32.
    start, y = {"w": torch.tensor(1.0).double()}, torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    stepped = virtual_step(lambda p: (2 * p["w"] - y) ** 2, start, 0.1)
    assert stepped["w"].item() == pytest.approx(0.6, abs=1e-15)
    objective = primary_after_step(lambda p: (2 * p["w"] - 1) ** 2, lambda p: (2 * p["w"] - y) ** 2, start, 0.1)
    assert objective.item() == pytest.approx(0.04, abs=1e-15)
    assert torch.autograd.grad(objective, y)[0].item() == pytest.approx(0.32, abs=1e-14)
    assert not start["w"].requires_grad


def test_a_parameter_out_of_reach_stays() -> None:
    start = {"used": torch.ones(2, requires_grad=True), "other": torch.ones(3, requires_grad=True)}
    stepped = virtual_step(lambda p: p["used"].square().sum(), start, 0.25)
    assert stepped["used"].tolist() == [0.5, 0.5]
    assert stepped["other"].tolist() == [1, 1, 1]


class Net(nn.Module):
    """Two layers with BatchNorm between, a primary head of 3 classes and an auxiliary one of 6 sub-classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh())
        self.primary, self.auxiliary = nn.Linear(5, 3), nn.Linear(5, 6)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return self.primary(features), self.auxiliary(features)


class Setting:
    """MAXL's second phase on a tiny network, in double precision."""

    def __init__(self, seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = Net().double()
            self.images, self.labels = torch.randn(8, 4).double(), torch.randint(0, 3, (8,))
            self.generator = torch.randn(4, 6).double()
        self.parameters = dict(self.net.named_parameters())

    def outputs(self, parameters: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        buffers = {name: buffer.clone() for name, buffer in self.net.named_buffers()}
        found: tuple[Tensor, Tensor] = functional_call(self.net, (parameters, buffers), (self.images,))
        return found

    def objective(self, generator: Tensor, *, first_order: bool = False) -> Tensor:
        auxiliary_labels = masked_softmax(self.images @ generator, self.labels, SUBCLASSES)

        def primary(parameters: dict[str, Tensor]) -> Tensor:
            return focal_batchmean(self.outputs(parameters)[0], self.labels)

        def total(parameters: dict[str, Tensor]) -> Tensor:
            logits, auxiliary = self.outputs(parameters)
            return focal_batchmean(logits, self.labels) + focal_batchmean(auxiliary, auxiliary_labels)

        if first_order:
            stepped = {name: value.detach() for name, value in virtual_step(total, self.parameters, 0.5).items()}
            after = primary(stepped)
        else:
            after = primary_after_step(primary, total, self.parameters, 0.5)
        return after + 0.2 * collapse_entropy(auxiliary_labels)


def finite_differences(function: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-5) -> Tensor:
    gradient = torch.zeros_like(at)
    for place in range(at.numel()):
        shift = torch.zeros_like(at)
        shift.view(-1)[place] = step
        gradient.view(-1)[place] = (function(at + shift) - function(at - shift)).detach() / (2 * step)
    return gradient


@pytest.mark.parametrize("seed", range(3))
def test_the_generators_gradient_is_exact(seed: int) -> None:
    setting = Setting(seed)
    want = finite_differences(setting.objective, setting.generator)

    def error(first_order: bool) -> float:
        generator = setting.generator.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(setting.objective(generator, first_order=first_order), generator)
        return float((gradient - want).norm() / want.norm())

    assert error(first_order=False) < 1e-6
    # With the step detached only the entropy's gradient is left: this test would see it.
    assert error(first_order=True) > 1e-2


def test_the_virtual_step_leaves_the_network_alone() -> None:
    setting = Setting(0)
    before = {name: value.clone() for name, value in setting.net.state_dict().items()}
    generator = setting.generator.clone().requires_grad_()
    torch.autograd.grad(setting.objective(generator), generator)
    assert all(torch.equal(value, before[name]) for name, value in setting.net.state_dict().items())
    assert all(value.grad is None for value in setting.net.parameters())
    # The trap that the docstring names: without buffers of the caller's the real statistics move.
    functional_call(setting.net, setting.parameters, (setting.images,))
    assert not torch.equal(setting.net.state_dict()["body.1.running_mean"], before["body.1.running_mean"])


def test_members_equal_a_loop() -> None:
    members, rates = 3, torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)
    images, labels = torch.randn(members, 8, 4).double(), torch.randint(0, 3, (members, 8))
    weights = {"primary": torch.randn(members, 4, 3).double(), "auxiliary": torch.randn(members, 3, 6).double()}
    generator = torch.randn(members, 4, 6, dtype=torch.float64, requires_grad=True)

    def objective(which: int | slice, rate: float | Tensor) -> Tensor:
        x, y = images[which], labels[which]
        wanted = masked_softmax(x @ generator[which], y, SUBCLASSES)

        def primary(parameters: dict[str, Tensor]) -> Tensor:
            return focal_batchmean((x @ parameters["primary"]).tanh(), y)

        def total(parameters: dict[str, Tensor]) -> Tensor:
            auxiliary = (x @ parameters["primary"]).tanh() @ parameters["auxiliary"]
            return primary(parameters) + focal_batchmean(auxiliary, wanted)

        return primary_after_step(primary, total, {name: value[which] for name, value in weights.items()}, rate)

    together = objective(slice(None), rates)
    alone = torch.stack([objective(i, float(rates[i])) for i in range(members)])
    assert torch.allclose(together, alone, rtol=1e-12)
    got, want = (torch.autograd.grad(value.sum(), generator)[0] for value in (together, alone))
    assert torch.allclose(got, want, rtol=1e-10, atol=1e-15)
    assert want.abs().max() > 1e-4
