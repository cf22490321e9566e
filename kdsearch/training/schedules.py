"""The learning rate follows the objective: reduced on plateaus, and the run ends when that has stopped helping."""

from __future__ import annotations

import math
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any
from typing import Literal

PlateauInput = Literal["current", "best_before"]

_LEAST_CHANGE = 1e-8
"""torch's ``eps``: a smaller change of the learning rate is not made."""


@dataclass
class Plateau:
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

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return asdict(self)

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        for name, value in state.items():
            setattr(self, name, value)
