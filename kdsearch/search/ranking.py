"""What the search believes of each configuration, from the ledger alone: for planner, status, report and mirror."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kdsearch.ledger.records import ConfigurationRecord, SearchRun, StudyRecord
from kdsearch.search.gp.threads import one_thread
from kdsearch.search.observations import observed
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import Configuration, Search
from kdsearch.search.policies.fixed import FixedSeeds
from kdsearch.search.searches import shares_of, without_space
from kdsearch.space import Dimension
from kdsearch.study.budget import Fixed

OUT = 0.002
"""A configuration is shown as out where the posterior gives it a smaller chance to be better than the leader."""

OUT_SEEDS = 2
"""And only with so many seeds of its own: one run is not a result."""


@dataclass(frozen=True)
class Standing:
    """One configuration: seeds ``n``, posterior ``estimate`` and ``sd`` of its true objective, and its chance.

    ``better``: probability that it is truly better than the leader. ``out``: so improbable that it is shown as out;
    it stays in the model, and may return. ``prunes``: whether the search leaves configurations at all.
    """

    configuration: ConfigurationRecord
    objectives: tuple[float, ...]
    estimate: float
    sd: float
    better: float
    prunes: bool = True

    @property
    def id(self) -> int:
        """Id of the configuration."""
        return self.configuration.id

    @property
    def n(self) -> int:
        """How many of its search runs have ended."""
        return len(self.objectives)

    @property
    def out(self) -> bool:
        """Whether it is shown as out."""
        return self.prunes and self.n >= OUT_SEEDS and self.better < OUT


def policy_of(study: StudyRecord, *, without: bool = False, sampler: Any = None) -> Search:
    """The policy that a stored study is searched with; ``without``: that of its configurations without a teacher.

    ``sampler``: of Optuna, which no ledger holds: it proposes the configurations, and ranks none.
    Raises ``ValueError`` where the study has no such search.
    """
    budgets = shares_of(study.settings)
    if without and "without" not in budgets:
        raise ValueError("this study has nothing to search without a teacher")
    space = without_space(study.settings) if without else study.settings.space
    search = study.settings.search
    seed = int(study.identity["seed"]) + int(without)
    if isinstance(search, Fixed):
        return FixedSeeds(space, seed, search.seeds) if sampler is None else _sampled(space, seed, search, sampler)
    # A teacher a seed is trained for every seed that occurs: then configurations share them.
    common = study.settings.teachers == "per-seed"
    runs = budgets["without" if without else "searched"].runs
    return AdaptivePolicy(space, seed, runs, common_seeds=common, folds=cycle(study, without))


def _sampled(space: Mapping[str, Dimension], seed: int, search: Fixed, sampler: Any) -> Search:
    from kdsearch.search.policies.optuna_sampler import OptunaSampler

    return OptunaSampler(space, seed, search.seeds, sampler)


def cycle(study: StudyRecord, without: bool) -> int:
    """How many draws the seeds of the search take in turn, each of which does the same to all configurations."""
    vary, teachers = study.identity.get("vary"), study.settings.teachers
    streams = frozenset(("split", "teacher") if vary is None else vary)
    shared = study.version > 1 and (teachers == "several" or isinstance(teachers, int))
    return study.draws.cycle(streams if shared and not without else streams - {"teacher"})


def standings(
    study: StudyRecord,
    configurations: Mapping[int, ConfigurationRecord],
    runs: Iterable[SearchRun],
    policy: Search | None = None,
) -> list[Standing]:
    """All searched configurations with a result: those with two seeds or more by estimate, then the others.

    One seed is not a result: whatever it promises, it leads nobody.
    """
    records, tried = observed(configurations, runs, sign=study.sign)
    return ranked(study, records, tried, policy or policy_of(study))


def ranked(
    study: StudyRecord, records: list[ConfigurationRecord], tried: list[Configuration], policy: Search
) -> list[Standing]:
    """The standings that this policy gives, in units of the metric: configurations with one seed come last."""
    one_thread()
    summaries = policy.summaries(tried)
    return [
        Standing(
            records[summary.position],
            tuple(study.sign * value for value in tried[summary.position].objectives.values()),
            study.sign * summary.estimate,
            summary.sd,
            summary.better,
            policy.prunes,
        )
        for summary in summaries
    ]
