from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from kdsearch.training import randomness
from kdsearch.training.averaging import finish, renew_statistics
from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.feeds import as_feed
from kdsearch.training.loop import train_one
from kdsearch.training.members import Member, Progress, Recipe
from kdsearch.training.schedules import StepDecay
from kdsearch.training.steppers import PlainStepper


class Given(NamedTuple):
    logits: Tensor


class Net(nn.Module):
    """Six numbers to three, with a batch norm between."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, inputs: Tensor) -> Given:
        return Given(self.body(inputs))


INPUTS = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 3
CLIPS = torch.arange(25)
BATCH = 8


def stepper() -> PlainStepper:
    torch.manual_seed(1)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.3)
    return PlainStepper(
        net, optimizer, INPUTS, lambda out, samples: nn.functional.cross_entropy(out[0], LABELS[samples])
    )


def test_statistics_are_renewed_in_a_network_that_was_just_evaluated() -> None:
    one, other = stepper(), stepper()
    one.model.eval()
    other.model.train()
    for own in (one, other):
        renew_statistics(own, CLIPS, BATCH)
    norms = [own.model.body[1] for own in (one, other)]
    assert norms[0].num_batches_tracked == norms[1].num_batches_tracked == 3
    assert torch.equal(norms[0].running_mean, norms[1].running_mean)
    assert (one.model.training, other.model.training) == (False, True)


def member(place: Path, report: Any = lambda epoch, objective: None, **changes: Any) -> Member:
    options = {"seed": 0, "clips": CLIPS, "batch": BATCH, "epochs": 10, "evaluate_every": 2, "average_after": 5}
    recipe = Recipe(**(options | {"choose": "epoch", "keep_weights": True, "keep_queries": True} | changes))
    return Member(recipe, StepDecay(0.3, milestones=()), Checkpoint(place, "key"), report)


def evaluate(own: Any, slots: list[int], validation: list[Any]) -> list[Any]:
    """Accuracy on clips that do not train, and of each."""
    right = own.outputs(slots, torch.arange(25, 40)).logits[0].argmax(1) == LABELS[25:]
    return [(float(right.double().mean()), float(right.double().mean()), right.float())]


def test_the_weights_are_the_mean_of_those_at_the_later_evaluations(tmp_path: Path) -> None:
    own, seen = stepper(), dict[int, dict[str, Tensor]]()
    one = member(tmp_path, lambda epoch, _: seen.update({epoch: own.weights(0)}))
    train_one(own, evaluate, one)
    last = copy.deepcopy(one.progress.curve)
    finish(own, evaluate, one)
    averaged = AveragedModel(Net())  # torch's own, of the same three snapshots
    for epoch in (6, 8, 10):
        net = Net()
        net.load_state_dict(seen[epoch])
        averaged.update_parameters(net)
    order = torch.from_numpy(randomness.order(0, 11, 25))  # as of an epoch after the last
    update_bn([INPUTS[part] for part in torch.split(CLIPS[order], [8, 8, 9])], averaged)
    for name, value in averaged.module.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(one.progress.best_weights[name], value, rtol=1e-5, atol=1e-6)
    assert seen.keys() == {2, 4, 6, 8, 10}
    assert one.progress.averaged == 3
    own.model.load_state_dict(one.progress.best_weights)
    reached = evaluate(own, [0], [None])[0]
    assert one.progress.curve["objective"] == [*last["objective"][:-1], reached[0]]
    assert one.progress.curve["epoch"] == last["epoch"]
    assert one.progress.best_queries is not None
    assert one.progress.best_queries.tolist() == reached[2].tolist()
    assert own.model.training
    assert own.model.body[1].momentum == 0.1  # type: ignore[union-attr, index]


def test_statistics_by_hand_and_only_of_norms_that_follow_batches() -> None:
    own = stepper()
    own.model.body[1].running_mean.fill_(9.0)  # type: ignore[union-attr, index, operator]
    first = own.model.body[0](INPUTS[:20])  # type: ignore[index, operator]
    renew_statistics(own, torch.arange(20), 10)
    halves = torch.stack([first[:10], first[10:]])
    torch.testing.assert_close(own.model.body[1].running_mean, halves.mean(1).mean(0))  # type: ignore[union-attr, index]
    torch.testing.assert_close(own.model.body[1].running_var, halves.var(1).mean(0))  # type: ignore[union-attr, index]

    class Held(Net):
        def train(self, mode: bool = True) -> Held:
            super().train(mode)
            self.body[1].eval()
            return self

    held = PlainStepper(Held(), torch.optim.SGD(Held().parameters(), 0.1), INPUTS, lambda out, samples: out[0].sum())
    renew_statistics(held, CLIPS, BATCH)
    assert held.model.body[1].running_mean.tolist() == [0.0] * 5  # type: ignore[union-attr, index]


def test_a_recipe_that_averages_nothing_stays_as_it_is(tmp_path: Path) -> None:
    own, one = stepper(), member(tmp_path, average_after=None)
    train_one(own, evaluate, one)
    before = copy.deepcopy(vars(one.progress))
    finish(own, evaluate, one)
    assert repr(vars(one.progress)) == repr(before)


def test_averaged_weights_that_reach_nothing_finite_mean_that_the_run_diverged(tmp_path: Path) -> None:
    own, one = stepper(), member(tmp_path)
    train_one(own, evaluate, one)
    before = copy.deepcopy(one.progress.curve)
    finish(own, lambda *_: [(float("nan"), 0.5)], one)
    assert one.progress.diverged
    assert one.progress.curve == before, "no row that is not finite"


def test_statistics_do_not_depend_on_how_a_list_is_sorted(tmp_path: Path) -> None:
    clips = torch.arange(24)
    far = INPUTS.clone()
    far[:8], far[8:16] = far[:8] + 20, far[8:16] - 20  # three classes, far apart, in blocks of a batch
    own = stepper()
    own.feed = as_feed(far)
    one = member(tmp_path, clips=clips, average_after=0)
    train_one(own, evaluate, one)
    finish(own, evaluate, one)
    hidden = own.model.body[0](far[:24])  # type: ignore[index, operator]
    sorted_variance = torch.stack([part.var(0) for part in hidden.split(8)]).mean(0)
    assert bool((own.model.body[1].running_var > 3 * sorted_variance).all())  # type: ignore[union-attr, index, operator]


@pytest.mark.parametrize(("micro_batch", "sizes"), [(None, [8, 8, 9]), (64, [8, 8, 9]), (4, [4, 4, 4, 4, 4, 5])])
def test_statistics_are_of_batches_as_large_as_in_training(micro_batch: int | None, sizes: list[int]) -> None:
    own, seen = stepper(), list[int]()
    own.micro_batch = micro_batch
    own.model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    renew_statistics(own, CLIPS, BATCH)
    assert seen == sizes


@pytest.mark.parametrize("state", [{"epoch": 3}, {"epoch": 3, "curve": {"epoch": [2.0]}}])
def test_progress_of_a_checkpoint_from_before_averaging_is_read(state: dict[str, Any]) -> None:
    assert (Progress(**state).averaged, Progress(**state).weight_sum) == (0, {})
