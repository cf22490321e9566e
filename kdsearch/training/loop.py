"""The one training loop: epochs, evaluation, schedules, checkpoints, refill. How a step is made is the stepper's."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdsearch.errors import RunInterrupted
from kdsearch.training import randomness
from kdsearch.training.members import Evaluate, Evaluation, Member, Progress, alike
from kdsearch.training.steppers import Stepper, Views

Claim = Callable[[int], Sequence[Member]]
"""Gives at most so many runs for free slots; none where there is nothing to train at the moment."""
End = Callable[[Sequence[Member]], None]
"""Takes all runs that ended at one boundary: last epoch, schedule, divergence or interruption."""


def train_one(stepper: Stepper, evaluate: Evaluate, member: Member) -> None:
    """Train one run, see :func:`train_all`."""
    waiting = [member]
    train_all(stepper, evaluate, lambda free: [waiting.pop()] if waiting else [])


def train_all(stepper: Stepper, evaluate: Evaluate, claim: Claim, end: End = lambda members: None) -> None:
    """Train what ``claim`` gives, as many at once as the stepper has slots, until it gives none and all have ended.

    A run ends with its last epoch, when its schedule is exhausted, when a loss, a weight or an output is not finite
    (diverged), or when its ``report`` raises :class:`~kdsearch.errors.RunInterrupted` at an evaluation: then a
    checkpoint of that epoch is left. A checkpoint that is found is continued, bitwise on the same machine.

    A run that ends frees its slot at the epoch's boundary, and the next one begins there at its own epoch 0, or where
    its checkpoint left it. All must agree in batch; everything else may differ, the clips of their folds too.
    """
    slots: list[Member | None] = [None] * stepper.width
    while True:
        _fill(stepper, slots, claim, end)
        members = {slot: member for slot, member in enumerate(slots) if member is not None}
        if not members:
            return
        begin = time.perf_counter()
        losses = _epoch(stepper, members)
        _evaluations(stepper, evaluate, members, losses)
        share = (time.perf_counter() - begin) / len(members)
        for slot, member in members.items():
            member.progress.seconds += share
            _boundary(stepper, slot, member, len(members))
        _leave(slots, end)


def _fill(stepper: Stepper, slots: list[Member | None], claim: Claim, end: End) -> None:
    """Claim runs for free slots; one whose checkpoint is at its end leaves at once.

    This happens once, so that others who take from the same queue get their share; again only where all slots are free.
    """
    while free := [slot for slot, member in enumerate(slots) if member is None]:
        claimed = claim(len(free))
        for slot, member in zip(free, claimed, strict=False):
            stepper.enter(slot, member.initial_state)
            _restore(stepper, slot, member)
            slots[slot] = member
        _leave(slots, end)
        if not claimed or any(member is not None for member in slots):
            return


def _leave(slots: list[Member | None], end: End) -> None:
    over = {slot: member for slot, member in enumerate(slots) if member is not None and member.over}
    for slot in over:
        slots[slot] = None
    if over:
        end(list(over.values()))


def _epoch(stepper: Stepper, members: Mapping[int, Member]) -> dict[int, float]:
    """One pass of each member over its clips, in its own order; mean losses a clip. One look at the device, at its end.

    Full batches have one size, the last one may be another in each fold, and a smaller fold may have one batch less.
    """
    sizes = {slot: batch_sizes(len(member.recipe.clips), member.recipe.batch) for slot, member in members.items()}
    table = _orders(members, stepper.width)
    # A free slot is given another one's rate and views, which are not looked at.
    rows = [members.get(slot, next(iter(members.values()))) for slot in range(stepper.width)]
    stepper.begin([row.schedule.learning_rate for row in rows], _views(rows, table.device))
    batch, taken = rows[0].recipe.batch, [[0] * stepper.width for _ in range(max(map(len, sizes.values())))]
    for slot, own in sizes.items():
        for step, size in enumerate(own):
            taken[step][slot] = size
    weights = torch.tensor(taken, device=table.device)
    losses = [
        stepper.step(table[:, step * batch : step * batch + max(row)], row) * weights[step]
        for step, row in enumerate(taken)
    ]
    stepper.end()
    means = (torch.stack(losses).sum(0) / weights.sum(0)).tolist()
    return {slot: means[slot] for slot in members}


def batch_sizes(clips: int, batch: int) -> list[int]:
    """Sizes of an epoch's batches; a left-over clip joins the one before: batch norm has no statistics of one clip."""
    sizes = [min(batch, clips - first) for first in range(0, clips, batch)]
    if len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [batch + 1]
    return sizes


def _orders(members: Mapping[int, Member], width: int) -> Tensor:
    """The members' clips ``[width, n]`` in the order of their next epoch, on the device; 0 where a row is longer."""
    slots, rows = list(members), []
    folds = alike([member.recipe.clips for member in members.values()])
    for clips, indices in folds:
        own = [members[slots[index]] for index in indices]
        orders = [randomness.order(member.recipe.seed, member.progress.epoch + 1, len(clips)) for member in own]
        rows.append(clips[torch.from_numpy(np.stack(orders)).to(clips.device)])
    if len(rows) == 1 and len(rows[0]) == width:
        return rows[0]
    table = rows[0].new_zeros(width, max(row.shape[1] for row in rows))
    for (_, indices), row in zip(folds, rows, strict=True):
        table[[slots[index] for index in indices], : row.shape[1]] = row
    return table


def _views(members: Sequence[Member], device: torch.device) -> Views:
    return Views.of([m.recipe.views for m in members], [m.progress.epoch + 1 for m in members], device)


def _evaluations(
    stepper: Stepper, evaluate: Evaluate, members: Mapping[int, Member], losses: Mapping[int, float]
) -> None:
    """Count the epoch, evaluate the members that are due, write their curves' next rows, step their schedules."""
    for slot, member in members.items():
        member.progress.epoch += 1
        member.progress.diverged = not math.isfinite(losses[slot])
    due = [slot for slot, member in members.items() if member.due and not member.progress.diverged]
    if due:
        reached = evaluate(stepper, due, [members[slot].validation for slot in due])
        for slot, found in zip(due, reached, strict=True):
            _take(stepper, slot, members[slot], Evaluation(*found), losses[slot])
    for member in members.values():
        member.schedule.epoch_ended(member.progress.epoch)


def _take(stepper: Stepper, slot: int, member: Member, found: Evaluation, loss: float) -> None:
    """One evaluation: the curve's next row, the weights if they are the chosen ones, the schedule."""
    progress, objective = member.progress, found.objective
    if not math.isfinite(objective):
        progress.diverged = True
        return
    progress.append(float(progress.epoch), objective, found.score, loss, member.schedule.learning_rate)
    chosen = progress.curve[member.recipe.choose][-1]
    if chosen > progress.best:
        progress.best = chosen
        if member.recipe.keep_weights:
            progress.best_weights = stepper.weights(slot)
        if member.recipe.keep_queries and found.queries is not None:
            progress.best_queries = found.queries.to("cpu", torch.float32)
    if progress.epoch <= max(member.recipe.restarts, default=0) and objective > progress.stage_best:
        progress.stage_best, progress.stage_weights = objective, stepper.weights(slot)
    member.schedule.step(objective)


def _boundary(stepper: Stepper, slot: int, member: Member, population: int) -> None:
    """A new stage, weights to average, the checkpoint, the report of the evaluation: who hears it may end the run."""
    if member.progress.epoch in member.recipe.restarts and member.progress.stage_weights:
        stepper.restart(slot, member.progress.stage_weights)
        if member.progress.epoch == max(member.recipe.restarts):
            member.progress.stage_weights = {}
    average_after = member.recipe.average_after
    if average_after is not None and member.due and member.progress.epoch > average_after:
        member.progress.add_weights(stepper.weights(slot))
    if member.checkpoint.due(population):
        member.checkpoint.save(_snapshot(stepper, slot, member))
    if member.due and not member.progress.diverged:
        try:
            member.report(member.progress.epoch, member.progress.curve["objective"][-1])
        except RunInterrupted:
            member.checkpoint.save(_snapshot(stepper, slot, member))
            member.interrupted = True


def _snapshot(stepper: Stepper, slot: int, member: Member) -> dict[str, Any]:
    return {"stepper": stepper.state(slot), "schedule": member.schedule.state(), "progress": vars(member.progress)}


def _restore(stepper: Stepper, slot: int, member: Member) -> None:
    """Go on from the checkpoint; from the beginning where there is none, or one that lacks a part."""
    state = member.checkpoint.load()
    if state is None:
        return
    fresh = _snapshot(stepper, slot, member)
    try:
        _load(stepper, slot, member, state)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        warnings.warn(f"{member.checkpoint.path} lacks a part ({reason}); this run starts over", stacklevel=2)
        _load(stepper, slot, member, fresh)


def _load(stepper: Stepper, slot: int, member: Member, state: dict[str, Any]) -> None:
    progress = Progress.from_state(state["progress"], stepper.weights(slot))
    stepper.load(slot, state["stepper"])
    member.schedule.load(state["schedule"])
    member.progress = progress
