"""An Optuna study in memory whose trials are followed through a growing list of configurations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdsearch.search.optuna_space import distributions
from kdsearch.search.policies.base import Configuration, Pick
from kdsearch.space import Range
from kdsearch.tasks.base import Scalar

from .landings import Answer

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import Trial


@dataclass(frozen=True)
class Run:
    """A trial that has not been told, its configuration's position and the seed index that it was proposed with."""

    trial: Trial
    position: int
    seed: int


class Memory:
    """One trial a proposal: told once, it never changes, as Optuna demands. What others proposed is unknown to it."""

    def __init__(self, space: Mapping[str, Range], sampler: BaseSampler, pruner: BasePruner | None = None) -> None:
        import optuna

        self.space = space
        self._dims = distributions(space)
        with _quiet():
            self.study: Study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self._answer = Answer(space)
        self._proposed: list[Trial] = []  # of the last answer: not yet found among the configurations
        self._runs: dict[int, Run] = {}
        self._positions: dict[int, int] = {}

    def running(self, tried: Sequence[Configuration]) -> list[Run]:
        """All trials that were not told, those of the last answer included as soon as ``settings`` show them."""
        places = self._answer.landed(tried, new=True)
        for trial, (position, seed) in zip(self._proposed, places, strict=False):
            self._runs[trial.number] = Run(trial, position, seed)
            self._positions[trial.number] = position
        if places:
            self._proposed.clear()
        return list(self._runs.values())

    def sent(self, tried: Sequence[Configuration], picks: Sequence[Pick]) -> None:
        """The answer in which the last proposals went out, and the configurations that it was chosen from.

        All its picks are expected among the configurations before the next answer.
        """
        self._answer.sent(tried, picks)

    def recall(self, tried: Sequence[Mapping[str, Scalar]], values: Mapping[int, float]) -> None:
        """Start from finished work: a trial a configuration, COMPLETE with its position's value or else RUNNING."""
        from optuna.trial import TrialState, create_trial

        self.study.add_trials(
            create_trial(
                state=TrialState.COMPLETE if position in values else TrialState.RUNNING,
                params={name: params[name] for name in self.space},
                distributions=self._dims,
                value=values.get(position),
            )
            for position, params in enumerate(tried)
        )

    def propose(self) -> dict[str, Scalar]:
        """The sampler's next proposal, which stays RUNNING until it is told."""
        with _quiet():
            trial = self.study.ask(self._dims)
        self._proposed.append(trial)
        return {name: trial.params[name] for name in self.space}

    def tell(self, run: Run, value: float | None) -> None:
        """End this trial with ``value``, or as failed."""
        from optuna.trial import TrialState

        del self._runs[run.trial.number]
        if value is None:
            self.study.tell(run.trial, state=TrialState.FAIL)
        else:
            self.study.tell(run.trial, value)

    def report(self, run: Run, values: Mapping[int, float]) -> bool:
        """Report values by step; whether the pruner would end the trial now."""
        with _quiet():
            for step, value in values.items():
                run.trial.report(value, step)
            return run.trial.should_prune()

    def best(self) -> tuple[int, float] | None:
        """Position and value of Optuna's best trial; ``None`` while nothing has been told."""
        try:
            best = self.study.best_trial
        except ValueError:
            return None
        return self._positions[best.number], float(best.values[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's log lines and its warnings of experimental features."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
