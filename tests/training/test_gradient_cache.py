"""A batch by parts has the gradient of the whole: triplets compare clips of different parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kdsearch.distillation.triplet import triplet_mean
from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.models.layers.dropout import StreamDropout, set_keys
from kdsearch.training.gradient_cache import backward_by_parts, parts_of
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.steppers import PlainStepper

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1])


class Net(nn.Module):
    def __init__(self, norm: nn.Module, *extra: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 8), norm, nn.Tanh(), *extra)
        self.hash, self.classify = nn.Linear(8, 6), nn.Linear(8, 3)

    def forward(self, clips: Tensor) -> HashingOutput:
        embedding = self.body(clips)
        return HashingOutput(torch.tanh(self.hash(embedding)), self.classify(embedding))


def net(norm: nn.Module, *extra: nn.Module) -> Net:
    torch.manual_seed(1)
    return Net(norm, *extra).double()


def inputs() -> Tensor:
    return torch.arange(11 * 5, dtype=torch.float64).view(11, 5).sin()


def loss(outputs: HashingOutput, clips: Tensor) -> Tensor:
    triplets = triplet_mean(outputs.codes, LABELS[clips], 2.0)
    return triplets + nn.functional.cross_entropy(outputs.logits, LABELS[clips])


def trained(model: Net, micro: int | None, steps: int = 4) -> tuple[dict[str, Tensor], list[float]]:
    optimizer = make_optimizer("adam", model.parameters(), 1e-2)
    stepper = PlainStepper(model, optimizer, inputs(), loss, micro_batch=micro)
    stepper.begin([0.05])
    generator = torch.Generator().manual_seed(3)
    losses = [float(stepper.step(torch.randperm(11, generator=generator)[None])) for _ in range(steps)]
    return stepper.weights(0), losses


@pytest.mark.parametrize("micro", [2, 3, 4, 10])
def test_parts_train_as_the_whole_batch_does(micro: int) -> None:
    wanted, losses = trained(net(nn.LayerNorm(8)), None)
    found, by_parts = trained(net(nn.LayerNorm(8)), micro)
    assert by_parts == pytest.approx(losses, rel=1e-12)
    assert losses[-1] < losses[0]
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12)


def test_with_batch_norm_it_is_the_gradient_of_that_forward_and_statistics_move_once() -> None:
    whole, by_parts = net(nn.BatchNorm1d(8)), net(nn.BatchNorm1d(8))
    clips = torch.arange(11)
    parts = parts_of(clips, 4)
    columns = zip(*(whole(inputs()[part]) for part in parts), strict=True)
    wanted = loss(HashingOutput(*(torch.cat(column) for column in columns)), clips)
    wanted.backward()
    found = backward_by_parts(by_parts, lambda part: by_parts(inputs()[part]), parts, lambda out: loss(out, clips))
    assert float(found) == pytest.approx(float(wanted.detach()), rel=1e-14)
    for (name, one), (_, other) in zip(whole.named_parameters(), by_parts.named_parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-12, atol=1e-14, msg=name)
    for (name, one), (_, other) in zip(whole.named_buffers(), by_parts.named_buffers(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-14, msg=name)


def test_dropout_draws_the_same_mask_in_both_forwards() -> None:
    model = net(nn.LayerNorm(8), StreamDropout(0.5))
    set_keys(model, 7)
    seen: list[Tensor] = []
    model.body[3].register_forward_hook(lambda module, given, out: seen.append(out.detach() == 0))
    backward_by_parts(
        model, lambda part: model(inputs()[part]), parts_of(torch.arange(8), 4), lambda out: loss(out, torch.arange(8))
    )
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])
    assert int(model.body[3].count) == 2


def test_a_single_clip_joins_the_part_before_it() -> None:
    assert [part.tolist() for part in parts_of(torch.arange(9), 4)] == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]
    assert [len(part) for part in parts_of(torch.arange(8), 3)] == [3, 3, 2]
    assert [len(part) for part in parts_of(torch.arange(3), 4)] == [3]


def test_a_loss_that_reads_nothing_moves_nothing() -> None:
    model = net(nn.LayerNorm(8))
    value = backward_by_parts(
        model, lambda part: model(inputs()[part]), parts_of(torch.arange(8), 4), lambda out: out.codes.new_zeros(())
    )
    assert float(value) == 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_bfloat16_gives_float32_outputs_near_those_of_float32() -> None:
    torch.manual_seed(0)
    model = Net(nn.LayerNorm(8))
    data = inputs().float()
    optimizer = make_optimizer("sgd", model.parameters(), 0.0)
    exact = PlainStepper(model, optimizer, data, loss)
    rounded = PlainStepper(model, optimizer, data, loss, precision="bfloat16")
    wanted, found = exact.outputs([0], torch.arange(11)), rounded.outputs([0], torch.arange(11))
    for one, other in zip(wanted, found, strict=True):
        assert other.dtype == torch.float32
        assert 0 < float((one - other).abs().max()) < 0.05
    before = exact.weights(0)
    rounded.begin([0.1])
    assert rounded.step(torch.arange(11)[None]).dtype == torch.float32
    assert all(value.dtype == torch.float32 for value in rounded.weights(0).values())
    assert any(not torch.equal(value, before[name]) for name, value in rounded.weights(0).items())
