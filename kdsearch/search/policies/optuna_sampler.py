"""Configurations that a sampler of Optuna proposes, told the mean of each over the same number of seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from kdsearch.errors import KdsearchError
from kdsearch.search.optuna_space import distributions, errors_alone, suggest
from kdsearch.search.policies.base import Configuration, New
from kdsearch.search.policies.fixed import FixedSeeds
from kdsearch.space import Dimension, active
from kdsearch.tasks.base import Scalar

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

_REPEATS = 64
"""So many proposals in a row that are there already: the sampler has nothing new to propose at the moment."""


class OptunaSampler(FixedSeeds):
    """Every configuration gets ``seeds`` seeds; new ones come from ``sampler``, a function that makes one for a seed.

    The Optuna study is made anew from the configurations at each call, so that they alone say what is known: those
    that have had all their seeds as complete trials with the mean of those with a value, or as pruned ones where none
    has any, the others as running ones. What samplers keep in the
    attributes of trials and studies (generations, positions in a sequence, points of a grid) is kept with the
    configurations. A function of a seed gets one that follows from ``seed`` and from how many configurations there are:
    whoever asks, and whenever, it proposes the same.
    """

    exhausted = "its sampler proposes nothing that was not tried already"

    def __init__(
        self, space: Mapping[str, Dimension], seed: int, seeds: int, sampler: Callable[..., BaseSampler]
    ) -> None:
        super().__init__(space, seed, seeds)
        self.space = dict(space)
        self._sampler = sampler

    @override
    def propose(self, tried: Sequence[Configuration], wanted: int) -> list[New]:
        proposed: list[New] = []
        try:
            with errors_alone():
                history = _History(self.space, self._at(len(tried)), tried, self.seeds)
                while len(proposed) < wanted and (new := history.ask()) is not None:
                    proposed.append(new)
        except KdsearchError:
            raise
        except Exception as error:  # of the sampler, which may be anybody's
            made_by = getattr(self._sampler, "func", self._sampler)
            name = getattr(made_by, "__name__", made_by)
            raise KdsearchError(
                f"the sampler {name} of the study file cannot propose a configuration: {type(error).__name__}: {error}"
            ) from error
        return proposed

    def _at(self, count: int) -> BaseSampler:
        import optuna

        def made(*key: int) -> BaseSampler:
            return self._sampler(seed=int(np.random.SeedSequence(key).generate_state(1)[0]))

        sampler = made(self.seed, count)
        # The seed of these says what their grid or sequence is, which goes on.
        going_on = (optuna.samplers.GridSampler, optuna.samplers.QMCSampler)
        return made(self.seed) if isinstance(sampler, going_on) else sampler


class _History:
    """An Optuna study in memory, with a trial of each configuration, and of each time that one was proposed again.

    A configuration's proposal has ``trial``: the attributes of its trial; ``study``: those of the study that changed
    when it was proposed; ``again``: what was proposed before it and was there already, each with its attributes.
    """

    def __init__(
        self, space: Mapping[str, Dimension], sampler: BaseSampler, tried: Sequence[Configuration], seeds: int
    ) -> None:
        from optuna import create_study
        from optuna.storages import InMemoryStorage

        self.space, self.known, self.seeds = space, distributions(space), seeds
        self.storage = InMemoryStorage()
        self.study = create_study(direction="maximize", sampler=sampler, storage=self.storage)
        self.rows = list(tried)
        self.places = {self._key(row.params): place for place, row in enumerate(tried)}
        for row in tried:
            for place, attributes in row.proposal.get("again", ()):
                if place < len(tried):  # somebody may have deleted configurations
                    self._add(self.rows[place], attributes)
            self._add(row, row.proposal.get("trial", {}))
            for name, value in row.proposal.get("study", {}).items():
                self.storage.set_study_system_attr(self.study._study_id, name, value)

    def ask(self) -> New | None:
        """The next configuration that is not there yet; ``None`` where the sampler proposes none."""
        from optuna.trial import TrialState

        before = self.storage.get_study_system_attrs(self.study._study_id)
        again: list[tuple[int, dict[str, Any]]] = []
        for _ in range(_REPEATS):
            trial = self.study.ask()
            params = suggest(self.space, trial)
            attributes = dict(self.storage.get_trial(trial._trial_id).system_attrs)
            place = self.places.setdefault(self._key(params), len(self.rows))
            if place == len(self.rows):
                self.rows.append(Configuration(params))
                after = self.storage.get_study_system_attrs(self.study._study_id)
                changed = {name: value for name, value in after.items() if before.get(name) != value}
                return New(params, proposal=_some(trial=attributes, study=changed, again=again))
            again.append((place, attributes))
            if (row := self.rows[place]).objectives:  # not by tell, in which some samplers end the study
                self.storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [_mean(row)])
        return None

    def _key(self, params: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
        return tuple(params[name] for name in active(self.space, params))

    def _add(self, row: Configuration, attributes: Mapping[str, Any]) -> None:
        from optuna.trial import TrialState, create_trial

        named = active(self.space, row.params)
        over = not row.pending and len(row.objectives) + len(row.failed) >= self.seeds
        complete = over and bool(row.objectives)
        trial = create_trial(
            state=TrialState.COMPLETE if complete else TrialState.PRUNED if over else TrialState.RUNNING,
            value=_mean(row) if complete else None,
            params={name: row.params[name] for name in named},
            distributions={name: self.known[name] for name in named},
            system_attrs=dict(attributes),
        )
        self.storage.create_new_trial(self.study._study_id, trial)


def _mean(row: Configuration) -> float:
    return sum(row.objectives.values()) / len(row.objectives)


def _some(**parts: Any) -> dict[str, Any]:
    """Those that are not empty: most samplers keep nothing."""
    return {name: part for name, part in parts.items() if part}
