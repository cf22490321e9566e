"""What the search believes of each configuration, from the ledger alone: for planner, status, report and mirror."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.records import StudyRecord
from kdsearch.search.budget import shares
from kdsearch.search.evidence import settings_of
from kdsearch.search.fixed import FixedSeeds
from kdsearch.search.policy import Search
from kdsearch.search.policy import Setting
from kdsearch.search.pooled import Pooled
from kdsearch.search.threads import one_thread
from kdsearch.space import Conditional
from kdsearch.space import Dimension
from kdsearch.space import stored_space

OUT = 0.002
"""A configuration is shown as out where the posterior gives it a smaller chance to be better than the leader."""

OUT_SEEDS = 2
"""And only with so many seeds of its own: one run is not a result."""


@dataclass(frozen=True)
class Standing:
    """One configuration: seeds ``n``, posterior ``estimate`` and ``sd`` of its true objective, and its chance.

    ``better``: probability that it is truly better than the leader. ``out``: so improbable that it is shown as out;
    it stays in the model, and may return. ``drops``: whether the search leaves settings at all.
    """

    configuration: ConfigurationRecord
    objectives: tuple[float, ...]
    estimate: float
    sd: float
    better: float
    drops: bool = True

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
        return self.drops and self.n >= OUT_SEEDS and self.better < OUT


def policy_of(study: StudyRecord, *, without: bool = False) -> Search:
    """The policy that a stored study is searched with; ``without``: that of its settings without a teacher.

    Raises ``ValueError`` where the study has nothing to search without a teacher: then ``without_space`` is empty.
    """
    space = without_space(study.settings) if without else stored_space(study.settings)
    if without and not space:
        raise ValueError("this study has nothing to search without a teacher")
    search = study.settings["search"]
    seed = int(study.identity["seed"]) + int(without)
    if search["policy"] == "fixed":
        return FixedSeeds(space, seed, int(search["seeds"]))
    # A teacher a seed is trained for every seed that occurs: then settings share them.
    common = study.settings["teachers"] == "per-seed"
    main, few = budgets(study.settings)
    runs = (few if without else main).get("runs")
    return Pooled(space, seed, runs, common_seeds=common, folds=max(1, int(study.settings.get("folds") or 0)))


def budgets(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The budget of the search and that of the one without a teacher, which is 0 where there is no such search."""
    share = float(settings.get("without") or 0) if without_space(settings) else 0.0
    return shares(settings["budget"], share)


def without_space(settings: Mapping[str, Any]) -> dict[str, Dimension]:
    """What is left to search where every teacher weight is 0; empty where nothing is, or no weight can be set to 0.

    Left out are the weights, what is idle without a teacher, and dimensions whose condition then does not hold; a
    condition that holds wherever the weights are 0 is dropped.
    """
    weights = frozenset(settings.get("teacher_parameters") or ())
    if not weights:
        return {}
    space = stored_space(settings)
    idle = {*weights, *(settings.get("idle_without_teacher") or ())}
    left: dict[str, Dimension] = {}
    for name, dimension in space.items():
        if name not in idle and (kept := _at_zero(dimension, space, weights, left)) is not None:
            left[name] = kept
    return left


def _at_zero(
    dimension: Dimension, space: Mapping[str, Dimension], weights: frozenset[str], left: Mapping[str, Dimension]
) -> Dimension | None:
    """The dimension where every weight is 0, with what is left of its condition; ``None`` where it is idle."""
    while isinstance(dimension, Conditional) and dimension.on in weights:
        if 0 not in dimension.values:
            return None
        weight = space[dimension.on]  # which may depend on something itself
        inner = dimension.dimension
        dimension = Conditional(inner, weight.on, weight.values) if isinstance(weight, Conditional) else inner
    return None if isinstance(dimension, Conditional) and dimension.on not in left else dimension


def standings(
    study: StudyRecord,
    configurations: Mapping[int, ConfigurationRecord],
    runs: Iterable[SearchRun],
    policy: Search | None = None,
) -> list[Standing]:
    """All searched configurations with a result: those with two seeds or more by estimate, then the others.

    One seed is not a result: whatever it promises, it leads nobody.
    """
    records, settings = settings_of(configurations, runs)
    return ranked(records, settings, policy or policy_of(study))


def ranked(records: list[ConfigurationRecord], settings: list[Setting], policy: Search) -> list[Standing]:
    """See ``standings``: policies rank settings with one seed last."""
    one_thread()
    beliefs = policy.beliefs(settings)
    return [
        Standing(
            records[belief.setting],
            tuple(settings[belief.setting].objectives.values()),
            belief.estimate,
            belief.sd,
            belief.better,
            policy.drops,
        )
        for belief in beliefs
    ]
