"""The one training loop: epochs, evaluation, plateau, checkpoints, result. How a step is made is the stepper's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import torch
from torch import Tensor

from kdsearch.errors import RunInterrupted
from kdsearch.training import randomness
from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.schedules import Plateau
from kdsearch.training.steppers import Stepper

Evaluate = Callable[[Stepper], tuple[float, float]]
"""Objective and score of the stepper's present weights; NaN where its outputs are not finite."""

_COLUMNS = ("epoch", "objective", "score", "loss", "learning_rate")


@dataclass(frozen=True)
class Recipe:
    """How long and on what: ``clips`` are the indices ``[n]`` that give gradients, ``batch`` and ``epochs`` counts.

    ``evaluate_every`` counts epochs; the last epoch is evaluated too. ``keep_weights``: hold a copy of the weights of
    the chosen epoch. ``choose`` names the curve whose best epoch is chosen for score and weights: ``objective``, or
    ``score`` for the original's optimistic rule. What is reported and what the plateau sees is the objective always.
    """

    seed: int
    clips: Tensor
    batch: int
    epochs: int
    evaluate_every: int
    keep_weights: bool = False
    choose: str = "objective"


@dataclass
class Progress:
    """What has happened so far: the part of a run's state that belongs to the loop."""

    epoch: int = 0
    seconds: float = 0.0
    diverged: bool = False
    best: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    curve: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})

    def best_row(self, column: str) -> int:
        """Index of the first evaluation with the highest value of ``column``."""
        values = self.curve[column]
        return values.index(max(values))


def train_loop(
    stepper: Stepper,
    evaluate: Evaluate,
    plateau: Plateau,
    recipe: Recipe,
    checkpoint: Checkpoint,
    report: Callable[[int, float], None],
) -> Progress:
    """Train until the last epoch, a plateau that ends the run, or divergence.

    Continues the checkpoint where there is one, bitwise on the same machine. ``report`` hears every evaluation; when it
    raises :class:`~kdsearch.errors.RunInterrupted` a checkpoint of that epoch is left and the exception passes through.
    A loss, a weight or an output that is not finite ends the run as diverged.
    """
    started = time.perf_counter()
    progress = _restore(checkpoint, stepper, plateau)
    before = progress.seconds
    while progress.epoch < recipe.epochs and not plateau.exhausted and not progress.diverged:
        loss = _epoch(stepper, recipe, progress.epoch + 1, plateau.learning_rate)
        progress.epoch += 1
        progress.diverged = not math.isfinite(loss)
        evaluated = progress.epoch % recipe.evaluate_every == 0 or progress.epoch == recipe.epochs
        if evaluated and not progress.diverged:
            _evaluation(stepper, evaluate, plateau, recipe, progress, loss)
        progress.seconds = before + time.perf_counter() - started
        if checkpoint.due():
            checkpoint.save(_snapshot(stepper, plateau, progress))
        if evaluated and not progress.diverged:
            try:
                report(progress.epoch, progress.curve["objective"][-1])
            except RunInterrupted:
                checkpoint.save(_snapshot(stepper, plateau, progress))
                raise
    return progress


def _epoch(stepper: Stepper, recipe: Recipe, epoch: int, learning_rate: float) -> float:
    """One pass over the clips in the epoch's own order; the mean loss a clip. One look at the device, at the end."""
    permutation = torch.from_numpy(randomness.order(recipe.seed, epoch, len(recipe.clips)))
    clips = recipe.clips[permutation.to(recipe.clips.device)]
    batches = list(torch.split(clips, recipe.batch))
    if len(batches) > 1 and len(batches[-1]) == 1:
        # Batch norm has no statistics of one clip: the left-over one joins the batch before it.
        batches[-2:] = [torch.cat(batches[-2:])]
    losses = [stepper.step(batch, learning_rate) * len(batch) for batch in batches]
    return float(torch.stack(losses).sum()) / len(clips)


def _evaluation(
    stepper: Stepper, evaluate: Evaluate, plateau: Plateau, recipe: Recipe, progress: Progress, loss: float
) -> None:
    """Evaluate, write the curve's next row, keep the weights if they are the chosen ones, step the plateau."""
    objective, score = evaluate(stepper)
    if not math.isfinite(objective):
        progress.diverged = True
        return
    row = (float(progress.epoch), objective, score, loss, plateau.learning_rate)
    for name, value in zip(_COLUMNS, row, strict=True):
        progress.curve[name].append(value)
    chosen = progress.curve[recipe.choose][-1]
    if chosen > progress.best:
        progress.best = chosen
        if recipe.keep_weights:
            progress.best_weights = stepper.weights()
    plateau.step(objective)


def _snapshot(stepper: Stepper, plateau: Plateau, progress: Progress) -> dict[str, Any]:
    return {"stepper": stepper.state(), "plateau": plateau.state(), "progress": vars(progress)}


def _restore(checkpoint: Checkpoint, stepper: Stepper, plateau: Plateau) -> Progress:
    state = checkpoint.load()
    if state is None:
        return Progress()
    stepper.load(state["stepper"])
    plateau.load(state["plateau"])
    return Progress(**state["progress"])
