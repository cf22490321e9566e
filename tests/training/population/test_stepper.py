"""What members put out for many clips: in parts that fit into memory, whole and in order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.training.population import stepper as population
from kdsearch.training.population.forward import looped, vmapped
from kdsearch.training.population.optimizers import make_row_optimizer
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.population.stepper import InitialState, MemberTerms, PopulationStepper, Slots


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, clips: Tensor) -> HashingOutput:
        codes = self.layer(clips)
        return HashingOutput(codes, codes + 1)


@pytest.mark.parametrize("form", [looped, vmapped])
@pytest.mark.parametrize(("values", "parts"), [(1, 7), (12, 4), (13, 4), (1000, 1)])
def test_outputs_of_many_clips_are_those_of_each_member_alone(
    monkeypatch: pytest.MonkeyPatch, form: Any, values: int, parts: int
) -> None:
    torch.manual_seed(0)
    alone = [Line() for _ in range(3)]
    skeleton, inputs = Line(), torch.arange(33.0).view(11, 3)
    rows = StackedParameters(skeleton, 3)
    for slot, module in enumerate(alone):
        rows.put(slot, module.state_dict())
    nothing: Any = None
    forward, calls = form(skeleton), []

    def counted(*given: Any, **options: Any) -> Any:
        calls.append(given)
        return forward(*given, **options)

    stepper = PopulationStepper(skeleton, counted, rows, nothing, inputs, nothing)
    monkeypatch.setattr(population, "_CHUNK_VALUES", values)  # a clip of two members has six
    clips = torch.tensor([10, 0, 3, 3, 7, 1, 9])
    found = stepper.outputs([2, 0], clips)
    assert len(calls) == parts
    assert found.codes.shape == found.logits.shape == (2, 7, 2)
    for own, slot in zip(found.codes, (2, 0), strict=True):
        assert torch.allclose(own, alone[slot].layer(inputs[clips]), atol=1e-5)
    assert torch.equal(found.logits, found.codes + 1)


class Distances(MemberTerms):
    """Squared distance of the codes to 1."""

    def put(self, slot: int, terms: Any) -> None:
        pass

    def reads(self, terms: Any) -> frozenset[str]:
        return frozenset({"codes"})

    def __call__(self, outputs: Any, samples: Tensor, slots: Slots | None = None) -> Tensor:
        return (outputs.codes - 1).square().mean((1, 2))


def stepper_of(members: int, name: str) -> PopulationStepper:
    skeleton = Line()
    rows = StackedParameters(skeleton, members)
    optimizer = make_row_optimizer(name, members, rows.weights.shape[1], torch.float32, "cpu")
    inputs = torch.arange(33.0).view(11, 3)
    return PopulationStepper(skeleton, looped(skeleton), rows, optimizer, inputs, Distances())


def begun(seed: int) -> InitialState:
    torch.manual_seed(seed)
    return InitialState(Line().state_dict(), {"weight_decay": 0.01}, None)


def steps(stepper: PopulationStepper, numbers: range) -> None:
    stepper.begin([1e-3] * stepper.width)
    for number in numbers:
        stepper.step(torch.tensor([[number, number + 1]]).expand(stepper.width, -1))


OPTIMIZERS = pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "sgd-nesterov"])


@OPTIMIZERS
def test_a_run_goes_on_in_any_slot_where_its_checkpoint_ends(name: str) -> None:
    """As unbroken: weights, and what its optimizer remembers."""
    first, second = stepper_of(2, name), stepper_of(3, name)
    for slot in range(2):
        first.enter(slot, begun(slot))
    steps(first, range(4))
    for slot in range(3):
        second.enter(slot, begun(9))
    second.load(2, first.state(1))
    steps(first, range(4, 7))
    steps(second, range(4, 7))
    for key, value in first.weights(1).items():
        assert torch.allclose(second.weights(2)[key], value, atol=1e-6), key


@OPTIMIZERS
def test_a_run_in_a_slot_that_another_has_left_begins_as_in_a_new_one(name: str) -> None:
    used, new = stepper_of(2, name), stepper_of(2, name)
    for slot in range(2):
        used.enter(slot, begun(slot))
        new.enter(slot, begun(7))
    steps(used, range(4))
    used.enter(1, begun(7))
    steps(used, range(4, 7))
    steps(new, range(4, 7))
    for key, value in new.weights(1).items():
        assert torch.allclose(used.weights(1)[key], value, atol=1e-6), key
