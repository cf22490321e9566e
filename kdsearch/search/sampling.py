"""New configurations from an Optuna sampler, fed with means over seeds through a study in memory."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from kdsearch.space import Dimension
from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class Evidence:
    """What is known of one configuration: its shrunken mean, or ``None`` while no seed has ended."""

    params: Mapping[str, Scalar]
    mean: float | None


def propose(
    space: Mapping[str, Dimension], evidence: Sequence[Evidence], *, seed: int, attempt: int = 0
) -> dict[str, Scalar]:
    """One new configuration from Optuna's TPE.

    The sampler's seed is a function of the study's seed and of how many configurations there are, so that the ledger
    alone decides what is proposed. ``attempt`` counts proposals from the same evidence. Configurations without a mean
    stand as running trials, which repel the sampler.
    """
    import numpy as np
    import optuna
    from optuna.trial import TrialState

    from kdsearch.ledger.distributions import distributions

    stream = np.random.SeedSequence(seed, spawn_key=(len(evidence), attempt))
    sampler = optuna.samplers.TPESampler(
        seed=int(stream.generate_state(1)[0]), n_startup_trials=10, multivariate=True, constant_liar=True
    )
    dims = distributions(space)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        memory = optuna.create_study(direction="maximize", sampler=sampler)
        memory.add_trials(
            optuna.trial.create_trial(
                state=TrialState.RUNNING if row.mean is None else TrialState.COMPLETE,
                params={name: row.params[name] for name in space},
                distributions=dims,
                value=row.mean,
            )
            for row in evidence
            if all(dimension.contains(row.params[name]) for name, dimension in space.items())
        )
        return dict(memory.ask(dims).params)
    finally:
        optuna.logging.set_verbosity(verbosity)
