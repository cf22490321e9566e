"""What sets a run's learning rate and may end it: plateaus of the objective, steps, or a cosine over the epochs.

A schedule is one plain object a run, also where many runs train as one population: what a member's schedule does is
what it does when the run is alone.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

PlateauInput = Literal["current", "best_before"]

_LEAST_CHANGE = 1e-8
"""torch's ``eps``: a smaller change of the learning rate is not made."""


class Schedule(Protocol):
    """What the loop needs of a schedule: the rate of the steps to come, and whether the run is over."""

    learning_rate: float
    exhausted: bool

    def step(self, objective: float) -> None:
        """Take notice of one evaluation."""

    def epoch_ended(self, epoch: int) -> None:
        """Take notice of the end of an epoch, counted from 1, after its evaluation if it had one."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""


@dataclass
class _Saved:
    """State of a schedule: its fields, all of them plain values."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return asdict(self)

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        for name, value in state.items():
            setattr(self, name, value)


@dataclass
class Plateau(_Saved):
    """``ReduceLROnPlateau`` in mode max, and the rule that ends a run.

    ``step(objective)`` is called after each evaluation. When more than ``patience`` evaluations in a row were no better
    than the best so far (better: by the share ``threshold``, torch's default rule ``rel``), the learning rate is
    multiplied by ``factor``. The same learning rates as ``torch.optim.lr_scheduler.ReduceLROnPlateau``, which differs
    between versions in details that a checkpoint would carry on; five lines are cheaper than that dependence.

    Stopping: the rate is reduced at most ``reductions`` times; where it would be reduced once more, ``exhausted`` turns
    true instead and the run is over. ``patience``, counted in evaluations, thus sets how long a run lasts.

    ``plateau_input="best_before"`` is the original's rule: it steps with the best objective *before* the new
    evaluation, so that the plateau is seen one evaluation late.
    """

    learning_rate: float
    patience: int
    factor: float = 0.1
    threshold: float = 1e-4
    reductions: int = 2
    plateau_input: PlateauInput = "current"
    best: float = -math.inf
    bad: int = 0
    reduced: int = 0
    exhausted: bool = False
    running_best: float = -math.inf

    def step(self, objective: float) -> None:
        """Take notice of one evaluation."""
        seen = objective if self.plateau_input == "current" else self.running_best
        self.running_best = max(self.running_best, objective)
        if seen == -math.inf:  # best_before, first evaluation: there is nothing before it
            return
        if seen > self.best * (1 + self.threshold):
            self.best, self.bad = seen, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            self.bad = 0
            self.exhausted = self.reduced >= self.reductions
            if not self.exhausted:
                self.reduced += 1
                reduced = self.learning_rate * self.factor
                if self.learning_rate - reduced > _LEAST_CHANGE:
                    self.learning_rate = reduced

    def epoch_ended(self, epoch: int) -> None:
        """Nothing: only evaluations count."""


@dataclass
class StepDecay(_Saved):
    """The learning rate times ``factor`` after ``every`` epochs, or after each of ``milestones``; never exhausted.

    Of the two exactly one is given, ``ValueError`` otherwise. The same rates as ``StepLR`` and ``MultiStepLR`` of
    ``torch.optim.lr_scheduler``; here each follows from the epoch alone.
    """

    learning_rate: float
    every: int | None = None
    milestones: tuple[int, ...] | None = None
    factor: float = 0.1
    exhausted: bool = False
    first: float = field(init=False)

    def __post_init__(self) -> None:
        if (self.every is None) == (self.milestones is None):
            raise ValueError(f"StepDecay takes every or milestones, not {self.every!r} and {self.milestones!r}")
        if self.every is not None and self.every < 1:
            raise ValueError(f"StepDecay takes every as epochs, 1 or more, not {self.every}")
        self.first = self.learning_rate

    def step(self, objective: float) -> None:
        """Nothing: only epochs count."""

    def epoch_ended(self, epoch: int) -> None:
        """Set the rate of the next epoch."""
        if self.every is not None:
            passed = epoch // self.every
        else:
            passed = sum(epoch >= milestone for milestone in self.milestones or ())
        self.learning_rate = self.first * self.factor**passed


@dataclass
class Cosine(_Saved):
    """Half a cosine from ``learning_rate`` to ``least`` over ``epochs``, after a linear rise; never exhausted.

    With ``t`` epochs done (Loshchilov & Hutter 2017, without restarts):
    ``least + (peak - least) * (1 + cos(pi * (t - warmup) / (epochs - warmup))) / 2``, and ``least`` from ``epochs`` on.
    The first ``warmup`` epochs have the rates ``peak * (t + 1) / (warmup + 1)``. The same as torch's ``LinearLR`` and
    ``CosineAnnealingLR`` one after the other. Raises ``ValueError`` unless ``0 <= warmup < epochs``.
    """

    learning_rate: float
    epochs: int
    least: float = 0.0
    warmup: int = 0
    exhausted: bool = False
    peak: float = field(init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.epochs:
            raise ValueError(f"Cosine needs a warmup of fewer than its {self.epochs} epochs, not of {self.warmup}")
        self.peak = self.learning_rate
        self.epoch_ended(0)

    def step(self, objective: float) -> None:
        """Nothing: only epochs count."""

    def epoch_ended(self, epoch: int) -> None:
        """Set the rate of the next epoch."""
        if epoch < self.warmup:
            self.learning_rate = self.peak * (epoch + 1) / (self.warmup + 1)
            return
        part = min(1.0, (epoch - self.warmup) / (self.epochs - self.warmup))
        self.learning_rate = self.least + (self.peak - self.least) * (1 + math.cos(math.pi * part)) / 2
