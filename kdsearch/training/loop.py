"""The one training loop: epochs, evaluation, schedules, checkpoints, refill. How a step is made is the stepper's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from kdsearch.errors import RunInterrupted
from kdsearch.training import randomness
from kdsearch.training.members import Evaluation
from kdsearch.training.members import Member
from kdsearch.training.members import Progress
from kdsearch.training.members import Source
from kdsearch.training.steppers import Stepper
from kdsearch.training.steppers import Views

Evaluate = Callable[[Stepper, list[int]], Sequence[Evaluation | tuple[float, float]]]
"""What the present weights in each of these slots reach, objective and score; NaN where outputs are not finite."""


def serve(stepper: Stepper, evaluate: Evaluate, source: Source) -> None:
    """Train what ``source`` gives, as many at once as the stepper has slots, until it gives nothing and all have ended.

    A run ends with its last epoch, when its schedule is exhausted, when a loss, a weight or an output is not finite
    (diverged), or when its ``report`` raises :class:`~kdsearch.errors.RunInterrupted` at an evaluation: then a
    checkpoint of that epoch is left. A checkpoint that is found is continued, bitwise on the same machine.

    A run that ends frees its slot at the epoch's boundary, and the next one begins there at its own epoch 0, or where
    its checkpoint left it. All must agree in clips and batch; everything else may differ.
    """
    slots: list[Member | None] = [None] * stepper.width
    while True:
        _fill(stepper, slots, source)
        members = {slot: member for slot, member in enumerate(slots) if member is not None}
        if not members:
            return
        begin = time.perf_counter()
        losses = _epoch(stepper, slots)
        _evaluations(stepper, evaluate, members, losses)
        share = (time.perf_counter() - begin) / len(members)
        for slot, member in members.items():
            member.progress.seconds += share
            _boundary(stepper, slot, member, len(members))
        _leave(slots, source)


def _fill(stepper: Stepper, slots: list[Member | None], source: Source) -> None:
    """Give free slots what the source has at the moment; one whose checkpoint is at its end leaves at once.

    It is asked once, so that others who take from the same queue get their share; again only where all slots are free.
    """
    while free := [slot for slot, member in enumerate(slots) if member is None]:
        claimed = source.claim(len(free))
        for slot, member in zip(free, claimed, strict=False):
            stepper.enter(slot, member.entrant)
            _restore(stepper, slot, member)
            slots[slot] = member
        _leave(slots, source)
        if not claimed or any(member is not None for member in slots):
            return


def _leave(slots: list[Member | None], source: Source) -> None:
    over = {slot: member for slot, member in enumerate(slots) if member is not None and member.over}
    for slot in over:
        slots[slot] = None
    if over:
        source.ended(list(over.values()))


def _epoch(stepper: Stepper, slots: Sequence[Member | None]) -> list[float]:
    """One pass over the clips, each member in its own order; mean losses a clip. One look at the device, at the end."""
    live = [member for member in slots if member is not None]
    clips, batch = live[0].recipe.clips, live[0].recipe.batch
    # A free slot is given the first member's clips, so that orders stack; a stepper does not compute it.
    orders = [randomness.order(m.recipe.seed, m.progress.epoch + 1, len(clips)) for m in (m or live[0] for m in slots)]
    batches = list(torch.split(clips[torch.from_numpy(np.stack(orders)).to(clips.device)], batch, 1))
    if len(batches) > 1 and batches[-1].shape[1] == 1:
        # Batch norm has no statistics of one clip: the left-over one joins the batch before it.
        batches[-2:] = [torch.cat(batches[-2:], 1)]
    rates, live_slots = [m.schedule.learning_rate if m else 0.0 for m in slots], [m is not None for m in slots]
    stepper.begin(rates, live_slots, _views([m or live[0] for m in slots], clips.device))
    losses = [stepper.step(part) * part.shape[1] for part in batches]
    stepper.end()
    total: list[float] = (torch.stack(losses).sum(0) / len(clips)).tolist()
    return total


def _views(members: Sequence[Member], device: torch.device) -> Views:
    return Views.of([m.recipe.views for m in members], [m.progress.epoch + 1 for m in members], device)


def _evaluations(stepper: Stepper, evaluate: Evaluate, members: dict[int, Member], losses: list[float]) -> None:
    """Count the epoch, evaluate the members that are due, write their curves' next rows, step their schedules."""
    for slot, member in members.items():
        member.progress.epoch += 1
        member.progress.diverged = not math.isfinite(losses[slot])
    due = [slot for slot, member in members.items() if member.due and not member.progress.diverged]
    if due:
        for slot, found in zip(due, evaluate(stepper, due), strict=True):
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


def _boundary(stepper: Stepper, slot: int, member: Member, crowd: int) -> None:
    """Begin a new stage, write the checkpoint if it is time, tell of the evaluation: who hears it may end the run."""
    if member.progress.epoch in member.recipe.restarts and member.progress.stage_weights:
        stepper.restart(slot, member.progress.stage_weights)
        if member.progress.epoch == max(member.recipe.restarts):
            member.progress.stage_weights = {}
    if member.checkpoint.due(crowd):
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
    state = member.checkpoint.load()
    if state is not None:
        stepper.load(slot, state["stepper"])
        member.schedule.load(state["schedule"])
        member.progress = Progress(**state["progress"])
