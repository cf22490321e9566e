from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from kdsearch.errors import RunInterrupted
from kdsearch.models.heads.hashing import HashingOutput
from kdsearch.training import randomness
from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.loop import _epoch, _orders, train_all, train_one
from kdsearch.training.members import Member, Progress, Recipe
from kdsearch.training.schedules import Plateau
from kdsearch.training.steppers import Views


class Recorder:
    """A stepper of one slot that learns nothing and remembers what it was asked."""

    width = 1

    def __init__(self, losses: dict[int, float] | None = None) -> None:
        self.batches: list[list[int]] = []
        self.rates: list[float] = []
        self.losses = losses or {}
        self.restarted: list[tuple[int, int]] = []

    def enter(self, slot: int, initial_state: Any) -> None:
        assert not self.batches

    def end(self) -> None:
        pass

    def restart(self, slot: int, weights: dict[str, Tensor]) -> None:
        self.restarted.append((len(self.rates), int(weights["steps"])))

    def begin(self, learning_rates: Sequence[float], views: Views | None = None) -> None:
        self.rates += learning_rates

    def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        assert sizes == [clips.shape[1]]
        self.batches += clips.tolist()
        return torch.tensor([self.losses.get(len(self.batches), 1.0)])

    def outputs(self, slots: list[int], clips: Tensor) -> HashingOutput:
        raise NotImplementedError

    def weights(self, slot: int) -> dict[str, Tensor]:
        return {"steps": torch.tensor(len(self.batches))}

    def state(self, slot: int) -> dict[str, Any]:
        return {"batches": self.batches, "rates": self.rates}

    def load(self, slot: int, state: dict[str, Any]) -> None:
        self.batches, self.rates = state["batches"], state["rates"]


def recipe(count: int = 10, **changes: Any) -> Recipe:
    options = {"seed": 0, "clips": torch.arange(100, 100 + count), "batch": 4, "epochs": 6, "evaluate_every": 2}
    return Recipe(**(options | changes))


def run(
    stepper: Recorder,
    curve: list[float],
    workspace: Path,
    given: Recipe | None = None,
    plateau: Plateau | None = None,
    stop_at: int | None = None,
) -> tuple[Progress, list[tuple[int, float]]]:
    told: list[tuple[int, float]] = []
    values = iter(curve)

    def report(epoch: int, objective: float) -> None:
        told.append((epoch, objective))
        if epoch == stop_at:
            raise RunInterrupted

    def evaluate(_: Any, slots: list[int], validation: list[Any]) -> list[tuple[float, float]]:
        value = next(values)
        return [(value, 1 - value)]

    member = Member(given or recipe(), plateau or Plateau(1.0, 99), Checkpoint(workspace, "key"), report)
    train_one(stepper, evaluate, member)
    assert member.interrupted == (stop_at is not None and told[-1][0] == stop_at)
    return member.progress, told


def test_every_clip_once_an_epoch_and_evaluations_on_time(tmp_path: Path) -> None:
    stepper = Recorder()
    progress, told = run(stepper, [0.1, 0.3, 0.2, 0.25], tmp_path, recipe(epochs=7))
    assert [len(batch) for batch in stepper.batches[:3]] == [4, 4, 2]
    epochs = [[clip for batch in stepper.batches[i : i + 3] for clip in batch] for i in range(0, 21, 3)]
    assert all(sorted(epoch) == list(range(100, 110)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert told == [(2, 0.1), (4, 0.3), (6, 0.2), (7, 0.25)]  # the last epoch too
    assert progress.curve["score"] == [0.9, 0.7, 0.8, 0.75]
    assert progress.best_row("objective") == 1
    assert progress.best_row("score") == 0


def test_an_epoch_takes_the_clips_in_the_order_of_its_number(tmp_path: Path) -> None:
    """What a seed means: change it, and stored runs are of other seeds than their numbers say."""
    stepper = Recorder()
    given = recipe(epochs=3, seed=11)
    run(stepper, [0.1, 0.2], tmp_path, given)
    epochs = [[clip for batch in stepper.batches[i : i + 3] for clip in batch] for i in range(0, 9, 3)]
    for number, epoch in enumerate(epochs, 1):
        assert epoch == [100 + clip for clip in randomness.order(11, number, 10)]


def test_a_lone_last_clip_joins_the_batch_before_it(tmp_path: Path) -> None:
    stepper = Recorder()
    run(stepper, [0.1], tmp_path, recipe(count=9, epochs=1))
    assert [len(batch) for batch in stepper.batches] == [4, 5]


def test_loss_is_the_mean_over_clips(tmp_path: Path) -> None:
    progress, _ = run(Recorder({1: 2.0, 2: 3.0, 3: 6.0}), [0.1], tmp_path, recipe(epochs=1))
    assert progress.curve["loss"] == [pytest.approx((4 * 2 + 4 * 3 + 2 * 6) / 10)]


def test_plateaus_reduce_the_rate_and_then_end_the_run(tmp_path: Path) -> None:
    stepper = Recorder()
    given = recipe(epochs=100, evaluate_every=1)
    progress, told = run(stepper, [0.5] * 100, tmp_path, given, Plateau(1.0, 1, reductions=1))
    assert len(told) == progress.epoch == 5
    assert [round(rate, 3) for rate in progress.curve["learning_rate"]] == [1, 1, 1, 0.1, 0.1]


def test_a_stage_begins_at_the_best_epoch_so_far(tmp_path: Path) -> None:
    stepper = Recorder()
    # Three batches an epoch: the best are epoch 2 (6 batches), and still that one after epoch 4.
    run(stepper, [0.3, 0.2, 0.4], tmp_path, recipe(restarts=(2, 4)))
    assert stepper.restarted == [(2, 6), (4, 6)]
    # The score, 1 - objective here, is best at epoch 4: whoever reports by it still trains by the objective.
    by_score = Recorder()
    run(by_score, [0.3, 0.2, 0.4], tmp_path / "score", recipe(restarts=(2, 4), choose="score", keep_weights=True))
    assert by_score.restarted == stepper.restarted
    none = Recorder()
    run(none, [0.3, 0.2, 0.4], tmp_path / "none", recipe(keep_weights=True))
    assert none.restarted == []


def test_the_chosen_epochs_weights_are_kept(tmp_path: Path) -> None:
    curve = [0.1, 0.3, 0.2]
    kept, _ = run(Recorder(), curve, tmp_path, recipe(keep_weights=True))
    assert kept.best_weights["steps"].item() == 3 * 4
    optimistic, _ = run(Recorder(), curve, tmp_path, recipe(keep_weights=True, choose="score"))
    assert optimistic.best_weights["steps"].item() == 3 * 2
    assert run(Recorder(), curve, tmp_path)[0].best_weights == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, bad: float) -> None:
    stepper = Recorder({8: bad})
    progress, told = run(stepper, [0.1, 0.2, 0.3], tmp_path)
    assert progress.diverged
    assert progress.epoch == 3
    assert told == [(2, 0.1)]


def test_an_objective_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    progress, told = run(Recorder(), [0.1, math.nan, 0.3], tmp_path)
    assert progress.diverged
    assert told == [(2, 0.1)]
    assert progress.curve["objective"] == [0.1]


def test_an_interrupted_run_continues_where_it_was(tmp_path: Path) -> None:
    whole = Recorder()
    want, _ = run(whole, [0.1, 0.3, 0.2], tmp_path / "whole", recipe(keep_weights=True))
    run(Recorder(), [0.1, 0.3, 0.2], tmp_path / "cut", recipe(keep_weights=True), stop_at=4)
    again = Recorder()
    got, told = run(again, [0.2], tmp_path / "cut", recipe(keep_weights=True))
    assert told == [(6, 0.2)]
    assert again.batches == whole.batches
    assert got.curve == want.curve
    assert got.best_weights == want.best_weights


@pytest.mark.parametrize("stop_at", [2, 3, 4, 5])
def test_an_interrupted_run_keeps_its_schedule(tmp_path: Path, stop_at: int) -> None:
    """Where the rate was reduced, how many evaluations were bad since, and how often it may still fall."""
    curve = [0.5, 0.4, 0.3, 0.6, 0.2, 0.1]
    given = recipe(epochs=20, evaluate_every=1)
    whole = Recorder()
    want, _ = run(whole, curve, tmp_path / "whole", given, Plateau(1.0, 1, reductions=1))
    assert want.epoch == 6, "reduced once, it ends where it would be reduced again"
    assert sorted({round(rate, 3) for rate in whole.rates}) == [0.1, 1.0]
    run(Recorder(), curve, tmp_path / "cut", given, Plateau(1.0, 1, reductions=1), stop_at=stop_at)
    again = Recorder()
    got, _ = run(again, curve[stop_at:], tmp_path / "cut", given, Plateau(1.0, 1, reductions=1))
    assert again.rates == whole.rates
    assert got.curve == want.curve


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    run(Recorder(), [0.1, 0.2, 0.3], tmp_path, stop_at=6)
    progress, told = run(Recorder(), [], tmp_path)
    assert told == []
    assert progress.curve["objective"] == [0.1, 0.2, 0.3]


def test_short_runs_write_no_checkpoint(tmp_path: Path) -> None:
    run(Recorder(), [0.1, 0.2, 0.3], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop_at", [None, 4])
def test_who_gave_a_run_is_told_that_it_has_ended(tmp_path: Path, stop_at: int | None) -> None:
    """Nothing would be stored of it otherwise; a run whose checkpoint is at its end is told of too."""

    def report(epoch: int, objective: float) -> None:
        if epoch == stop_at:
            raise RunInterrupted

    def evaluate(_: Any, slots: list[int], validation: list[Any]) -> list[tuple[float, float]]:
        return [(0.5, 0.5)]

    def trained() -> tuple[Member, list[list[Member]]]:
        member = Member(recipe(), Plateau(1.0, 99), Checkpoint(tmp_path, "key", every=0.0), report)
        waiting, told = [member], list[list[Member]]()
        train_all(
            Recorder(),
            evaluate,
            lambda free: [waiting.pop()] if waiting else [],
            lambda ended: told.append(list(ended)),
        )
        return member, told

    for _ in range(2):
        member, told = trained()
        assert told == [[member]]
        assert (member.interrupted, member.progress.epoch) == (stop_at is not None, stop_at or 6)
        stop_at = None
    member, told = trained()
    assert told == [[member]], "it had ended before"


def test_orders_stand_in_the_slots_of_their_members() -> None:
    """Also where slots are free, and where members of several folds have other clips, and more of them."""

    def member(seed: int, clips: torch.Tensor) -> Any:
        return SimpleNamespace(recipe=SimpleNamespace(seed=seed, clips=clips), progress=SimpleNamespace(epoch=2))

    def own(seed: int, clips: torch.Tensor) -> list[int]:
        return [int(clips[place]) for place in randomness.order(seed, 3, len(clips))]

    few, many = torch.arange(10, 14), torch.arange(20, 26)
    full = _orders({0: member(1, few), 1: member(2, few)}, 2)
    assert full.tolist() == [own(1, few), own(2, few)]
    free = _orders({3: member(1, few), 1: member(2, few)}, 4)
    assert free.tolist() == [[0] * 4, own(2, few), [0] * 4, own(1, few)]
    mixed = _orders({0: member(1, few), 1: member(2, many)}, 3)
    assert mixed.tolist() == [[*own(1, few), 0, 0], own(2, many), [0] * 6]


def test_members_of_smaller_folds_rest_in_the_last_batches_and_free_slots_always(tmp_path: Path) -> None:
    asked: list[list[int]] = []

    class Two(Recorder):
        width = 3

        def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
            assert sizes is not None
            asked.append(list(sizes))
            return torch.tensor([1.0, 2.0, 4.0]) * len(asked)

    given = {slot: recipe(count) for slot, count in ((0, 13), (2, 9))}
    members = {
        slot: Member(own, Plateau(1.0, 99), Checkpoint(tmp_path, "key"), lambda epoch, objective: None)
        for slot, own in given.items()
    }
    losses = _epoch(Two(), members)  # type: ignore[arg-type]
    assert asked == [[4, 0, 4], [4, 0, 5], [5, 0, 0]]
    assert losses == {0: pytest.approx((4 + 4 * 2 + 5 * 3) / 13), 2: pytest.approx(4 * (4 + 5 * 2) / 9)}


@pytest.mark.parametrize("keep", [True, False])
def test_what_each_query_reached_is_that_of_the_chosen_epoch(tmp_path: Path, keep: bool) -> None:
    values = iter([0.1, 0.3, 0.2])

    def evaluate(_: Any, slots: list[int], validation: list[Any]) -> list[Any]:
        value = next(values)
        return [(value, value, torch.tensor([value, 2 * value], dtype=torch.float64))]

    one = Member(recipe(keep_queries=keep), Plateau(1.0, 99), Checkpoint(tmp_path, "key"), lambda *told: None)
    train_one(Recorder(), evaluate, one)  # type: ignore[arg-type]
    found = one.progress.best_queries
    assert (None if found is None else found.tolist()) == (pytest.approx([0.3, 0.6]) if keep else None)
