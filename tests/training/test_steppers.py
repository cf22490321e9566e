from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.training import steppers
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.steppers import PlainStepper, forward_all


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, clips: Tensor) -> HashingOutput:
        codes = self.layer(clips)
        return HashingOutput(codes, codes)


def make(factor: float, *, skip: bool | None) -> PlainStepper:
    """``skip``: ``None`` where nothing is said of it."""
    torch.manual_seed(0)
    model = Line()
    optimizer = make_optimizer("adam", model.parameters(), 0.1)
    said = {} if skip is None else {"skip_zero_loss": skip}
    return PlainStepper(model, optimizer, torch.ones(4, 3), lambda out, _: factor * out.codes.square().sum(), **said)


def step(stepper: PlainStepper) -> Tensor:
    stepper.begin([0.1])
    return stepper.step(torch.arange(4).unsqueeze(0))


@pytest.mark.parametrize(
    ("factor", "skip", "moves"), [(0.0, True, False), (0.0, False, True), (0.0, None, True), (1.0, True, True)]
)
def test_a_step_is_skipped_only_at_a_loss_of_exactly_0_and_only_when_asked(
    factor: float, skip: bool | None, moves: bool
) -> None:
    stepper = make(factor, skip=skip)
    before = stepper.weights(0)
    loss = step(stepper)
    assert (float(loss) == 0) == (factor == 0)
    assert not loss.requires_grad
    assert torch.equal(before["layer.weight"], stepper.weights(0)["layer.weight"]) != moves


def test_a_loss_that_is_not_a_number_is_not_skipped() -> None:
    stepper = make(math.nan, skip=True)
    step(stepper)
    assert stepper.weights(0)["layer.weight"].isnan().all()


def test_no_step_looks_at_its_loss_unless_zeros_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Tensor) -> bool:
        raise AssertionError("a step looked at a value on the device")

    plain, skipping = make(1.0, skip=False), make(1.0, skip=True)
    for name in ("__bool__", "__float__", "item"):
        monkeypatch.setattr(Tensor, name, refuse)
    step(plain)
    with pytest.raises(AssertionError, match="looked at a value"):
        step(skipping)


def test_a_loss_of_no_term_moves_nothing() -> None:
    torch.manual_seed(0)
    model = Line()
    stepper = PlainStepper(
        model, make_optimizer("adam", model.parameters(), 0.1), torch.ones(4, 3), lambda out, _: torch.zeros(())
    )
    before = stepper.weights(0)
    assert float(step(stepper)) == 0
    assert torch.equal(before["layer.weight"], stepper.weights(0)["layer.weight"])


def test_a_restart_is_a_new_optimizer_on_the_given_weights() -> None:
    again, fresh = make(1.0, skip=False), make(1.0, skip=False)
    kept = again.weights(0)
    for _ in range(3):
        step(again)
    assert not torch.equal(again.weights(0)["layer.weight"], kept["layer.weight"])
    again.restart(0, kept)
    for _ in range(2):
        step(again)
        step(fresh)
    assert torch.equal(again.weights(0)["layer.weight"], fresh.weights(0)["layer.weight"])


@pytest.mark.parametrize("values", [1, 6, 7, 1000])
def test_many_clips_go_through_in_parts_and_come_out_whole_and_in_order(
    monkeypatch: pytest.MonkeyPatch, values: int
) -> None:
    model, inputs = Line(), torch.arange(33.0).view(11, 3)
    clips = torch.tensor([10, 0, 3, 3, 7, 1, 9])
    sizes: list[int] = []
    model.register_forward_hook(lambda module, given, outputs: sizes.append(len(given[0])))
    monkeypatch.setattr(steppers, "_CHUNK_VALUES", values)  # a clip has three
    found = forward_all(model, inputs, clips)
    assert sizes == {1: [1] * 7, 6: [2, 2, 2, 1], 7: [2, 2, 2, 1], 1000: [7]}[values]
    assert torch.allclose(found.codes, model.layer(inputs[clips]))
    assert found.logits.shape == (7, 2)
    assert model.training, "the mode is put back"
