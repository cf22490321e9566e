"""What members put out for many clips: in parts that fit into memory, whole and in order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.training.population import stepper as population
from kdsearch.training.population.forward import looped, vmapped
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.population.stepper import PopulationStepper


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
