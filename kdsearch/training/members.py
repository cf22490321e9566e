"""Runs that train in the slots of one stepper: what one is, and what has happened to it so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.schedules import Schedule
from kdsearch.training.steppers import Stepper


class Evaluation(NamedTuple):
    """The metric on validation and on test; ``queries`` ``[Q]``: on test, one by one, where it is a mean of such."""

    objective: float
    score: float
    queries: Tensor | None = None


Evaluate = Callable[[Stepper, list[int], list[Any]], Sequence[Evaluation | tuple[float, float]]]
"""What the present weights in each of these slots reach, objective and score; NaN where outputs are not finite.

Called with what validates each of them, their members' ``validation``.
"""

T = TypeVar("T")


def alike(values: Sequence[T]) -> list[tuple[T, list[int]]]:
    """Each object once, with its indices in ``values``."""
    groups: dict[int, tuple[T, list[int]]] = {}
    for index, value in enumerate(values):
        groups.setdefault(id(value), (value, []))[1].append(index)
    return list(groups.values())


_COLUMNS = ("epoch", "objective", "score", "loss", "learning_rate")


@dataclass(frozen=True)
class Recipe:
    """How long and on what: ``clips`` are the indices ``[n]`` that give gradients, ``batch`` and ``epochs`` counts.

    ``evaluate_every`` counts epochs; the last epoch is evaluated too. ``keep_weights``: hold a copy of the weights of
    the chosen epoch. ``choose`` names the curve whose best epoch is chosen for score and weights: ``objective``, or
    ``score`` for the original's optimistic rule, or ``epoch``: the last. What the schedule sees is the objective
    always. ``keep_queries``: hold what each test query reached at that epoch.
    ``views``: the key by which the run's views of clips are drawn, see ``randomness.views_key``. ``restarts``: epochs
    after which the run goes on from its best weights so far, by the objective always, with an optimizer that remembers
    nothing. ``average_after``: the weights of each epoch after this one that is evaluated count in
    the mean that ``averaging.finish`` takes.
    """

    seed: int
    clips: Tensor
    batch: int
    epochs: int
    evaluate_every: int
    keep_weights: bool = False
    choose: str = "objective"
    views: int = 0
    restarts: tuple[int, ...] = ()
    keep_queries: bool = False
    average_after: int | None = None


@dataclass
class Progress:
    """What has happened so far: the part of a run's state that belongs to the loop.

    ``seconds``: the run's own; where several trained at once, its share of the time that passed. ``stage_weights``:
    where the next of the recipe's ``restarts`` goes on from. ``weight_sum``: of the weights of so many epochs as
    ``averaged`` says.
    """

    epoch: int = 0
    seconds: float = 0.0
    diverged: bool = False
    best: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    best_queries: Tensor | None = None
    stage_best: float = -math.inf
    stage_weights: dict[str, Tensor] = field(default_factory=dict)
    weight_sum: dict[str, Tensor] = field(default_factory=dict)
    averaged: int = 0
    curve: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})

    @classmethod
    def from_state(cls, state: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Progress:
        """Continue from what a checkpoint holds, ``vars`` of one; ``weights``: of the run's network, by name.

        Raises ``KeyError`` where a part is lacking, which would pass for a beginning or be missed only later.
        """
        missing = {field.name for field in fields(cls)} - set(state)
        missing |= {f"curve.{name}" for name in _COLUMNS if name not in state.get("curve", ())}
        held = {"best_weights": set(weights), "stage_weights": set(weights)}
        held["weight_sum"] = {name for name, value in weights.items() if value.is_floating_point()}
        for part, names in held.items():
            if kept := state.get(part):
                missing |= {f"{part}.{name}" for name in names - set(kept)}
        if missing:
            raise KeyError(f"progress: {', '.join(sorted(missing))}")
        if len({len(column) for column in state["curve"].values()}) != 1:
            raise ValueError("progress: the columns of its curve differ in length")
        return cls(**state)

    def best_row(self, column: str) -> int:
        """Index of the first evaluation with the highest value of ``column``."""
        values = self.curve[column]
        return values.index(max(values))

    def add_weights(self, weights: Mapping[str, Tensor]) -> None:
        """One more epoch's weights for their mean; counters among the buffers are left out."""
        self.averaged += 1
        for name, value in weights.items():
            if value.is_floating_point():
                self.weight_sum[name] = self.weight_sum.get(name, torch.zeros_like(value)) + value

    def append(self, *row: float) -> None:
        """The curve's next row: epoch, objective, score, loss, learning rate."""
        for name, value in zip(_COLUMNS, row, strict=True):
            self.curve[name].append(value)


@dataclass
class Member:
    """One run as the loop trains it: its recipe, its schedule, its checkpoint and what it reports evaluations to.

    It exists beside the job of a task because the loop knows neither tasks nor their parameters.
    ``validation`` is what its task's ``Evaluate`` knows its fold by, one object for all runs of a fold.
    ``report(epoch, objective)`` raises ``RunInterrupted`` to end it early. ``initial_state`` is what its task's stepper
    needs to make room for it. ``interrupted``: it was ended early and left a checkpoint.
    """

    recipe: Recipe
    schedule: Schedule
    checkpoint: Checkpoint
    report: Callable[[int, float], None]
    initial_state: Any = None
    validation: Any = None
    progress: Progress = field(default_factory=Progress)
    interrupted: bool = False

    @property
    def over(self) -> bool:
        """Whether there is nothing left to train."""
        done = self.progress.epoch >= self.recipe.epochs or self.schedule.exhausted
        return done or self.progress.diverged or self.interrupted

    @property
    def due(self) -> bool:
        """Whether the epoch that has just ended is to be evaluated."""
        epoch = self.progress.epoch
        return epoch % self.recipe.evaluate_every == 0 or epoch == self.recipe.epochs
