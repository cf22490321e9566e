"""What sets a run's learning rate and may end it: plateaus of the objective, steps, or a cosine over the epochs.

A schedule is one plain object a run, also where many runs train as one population: what a member's schedule does is
what it does when the run is alone.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from typing_extensions import override

PlateauInput = Literal["current", "best_before"]

_LEAST_CHANGE = 1e-8
"""torch's ``eps``: a smaller change of the learning rate is not made."""


@dataclass
class Schedule:
    """What the loop needs of a schedule: the rate of the steps to come, and whether the run is over.

    All fields are plain values: they are what a checkpoint holds.
    """

    learning_rate: float
    exhausted: bool = field(default=False, kw_only=True)

    def step(self, objective: float) -> None:
        """Take notice of one evaluation."""

    def epoch_ended(self, epoch: int) -> None:
        """Take notice of the end of an epoch, counted from 1, after its evaluation if it had one."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return asdict(self)

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`; raises ``KeyError`` where it lacks a part, which would pass for a beginning."""
        missing = set(asdict(self)) - set(state)
        if missing:
            raise KeyError(f"schedule: {', '.join(sorted(missing))}")
        for name, value in state.items():
            setattr(self, name, value)


@dataclass
class Plateau(Schedule):
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

    patience: int
    factor: float = 0.1
    threshold: float = 1e-4
    reductions: int = 2
    plateau_input: PlateauInput = "current"
    best: float = -math.inf
    bad: int = 0
    reduced: int = 0
    running_best: float = -math.inf

    @override
    def step(self, objective: float) -> None:
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


@dataclass
class StepDecay(Schedule):
    """The learning rate times ``factor`` after each of ``milestones``, in epochs; never exhausted.

    The same rates as torch's ``MultiStepLR``; here each follows from the epoch alone.
    """

    milestones: tuple[int, ...]
    factor: float = 0.1
    first: float = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.learning_rate

    @override
    def epoch_ended(self, epoch: int) -> None:
        passed = sum(epoch >= milestone for milestone in self.milestones)
        self.learning_rate = self.first * self.factor**passed


@dataclass
class Cosine(Schedule):
    """Half a cosine from ``learning_rate`` to 0 over ``epochs``; never exhausted.

    With ``t`` epochs done (Loshchilov & Hutter 2017, without restarts): ``peak * (1 + cos(pi * t / epochs)) / 2``, and
    0 from ``epochs`` on. The same as torch's ``CosineAnnealingLR``.
    """

    epochs: int
    peak: float = field(init=False)

    def __post_init__(self) -> None:
        self.peak = self.learning_rate

    @override
    def epoch_ended(self, epoch: int) -> None:
        self.learning_rate = self.peak * (1 + math.cos(math.pi * min(1.0, epoch / self.epochs))) / 2
