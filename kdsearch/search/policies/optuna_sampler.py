"""Configurations that a sampler of Optuna proposes, told the mean of each over the same number of seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from kdsearch.search.optuna_space import distributions, suggest
from kdsearch.search.policies.base import Configuration
from kdsearch.search.policies.fixed import FixedSeeds
from kdsearch.space import Dimension, active
from kdsearch.tasks.base import Scalar

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler


class OptunaSampler(FixedSeeds):
    """Every configuration gets ``seeds`` seeds; new ones come from ``sampler``, a function of a seed, or a sampler.

    The Optuna study is made anew from the configurations at each call, so that they alone say what is known: those
    with results as complete trials with their mean so far, the others as running ones. A function of a seed gets one
    that follows from ``seed`` and from how many configurations there are: whoever asks, and whenever, it proposes the
    same. What a sampler keeps in the attributes of trials is not there.
    """

    def __init__(
        self, space: Mapping[str, Dimension], seed: int, seeds: int, sampler: Callable[..., BaseSampler] | BaseSampler
    ) -> None:
        super().__init__(space, seed, seeds)
        self.space = dict(space)
        self._sampler = sampler

    @override
    def propose(self, tried: Sequence[Configuration], wanted: int) -> list[Mapping[str, Scalar]]:
        study = _quiet_study(self._at(len(tried)))
        known = distributions(self.space)
        for row in tried:
            study.add_trial(_trial(row, {name: known[name] for name in active(self.space, row.params)}))
        return [suggest(self.space, study.ask()) for _ in range(wanted)]

    def _at(self, count: int) -> Any:
        import optuna

        if isinstance(self._sampler, optuna.samplers.BaseSampler):
            return self._sampler
        return self._sampler(seed=int(np.random.SeedSequence([self.seed, count]).generate_state(1)[0]))


def _quiet_study(sampler: BaseSampler) -> Study:
    """An Optuna study in memory; it is made for each decision, and a launch need not say so."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _trial(row: Configuration, known: Mapping[str, Any]) -> Any:
    from optuna.trial import TrialState, create_trial

    params = {name: row.params[name] for name in known}
    if not row.objectives:
        return create_trial(state=TrialState.RUNNING, params=params, distributions=dict(known))
    mean = sum(row.objectives.values()) / len(row.objectives)
    return create_trial(value=mean, params=params, distributions=dict(known))
