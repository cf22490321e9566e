"""The two searches of a study: the one for its winner, and a small one for the best configuration without teacher."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ConfigurationRecord, SearchRun, searched
from kdsearch.ledger.settings import Limits, StudySettings
from kdsearch.search.budget import Use, runs_left, shares, time_is_over, uses
from kdsearch.search.observations import observed
from kdsearch.search.policies.base import Configuration
from kdsearch.space import Conditional, Dimension
from kdsearch.tasks.base import Scalar

SearchKind = Literal["searched", "without"]
TITLES: Mapping[SearchKind, str] = {"searched": "search", "without": "search without teacher"}
"""As stored events are named."""

SAID: Mapping[SearchKind, str] = {"searched": "search", "without": "search without distillation"}
"""As they are called in sentences."""
_LETTERS: Mapping[SearchKind, str] = {"searched": "c", "without": "w"}


@dataclass(frozen=True)
class Part:
    """One of the searches as far as it is: the ``budget`` that is its own, its runs, and its configurations in order.

    ``beside``: runs of the other search, which trains on the same machines by the same clock; ``None`` where there is
    no other. ``time_over``: whether the hours of the whole study are over, however both have shared them.
    """

    kind: SearchKind
    budget: Limits
    runs: list[SearchRun]
    records: list[ConfigurationRecord]
    tried: list[Configuration]
    beside: list[SearchRun] | None = None
    time_over: bool = False

    @cached_property
    def left(self) -> int | None:
        """How many more runs it may order; ``None`` where no number limits them."""
        return 0 if self.time_over else runs_left(self.budget, self.runs, self.beside or ())

    @cached_property
    def uses(self) -> list[Use]:
        """How far each limit of its budget is used."""
        return uses(self.budget, self.runs, self.beside or ())

    def used(self, further: float) -> float:
        """The fraction of its budget that is used with so many further runs: of the limit that is reached first."""
        return max(((use.used + further * use.each) / use.size for use in self.uses), default=0.0)

    def room(self, wanted: int) -> int:
        """How many of so many further runs it may order now.

        Of two searches neither orders more than its time is expected to hold, so that it takes none of the other's.
        """
        room = wanted if self.left is None else min(wanted, self.left)
        if self.beside is not None:
            known = [math.ceil((use.size - use.used) / use.each - 1e-9) for use in self.uses if use.known]
            room = min([room, *known])
        return max(0, room)

    @cached_property
    def first_seeds(self) -> dict[int, int]:
        """The lowest seed that each configuration was ever given, by id: it takes its folds in turn from there."""
        first: dict[int, int] = {}
        for run in self.runs:
            first[run.configuration_id] = min(run.seed, first.get(run.configuration_id, run.seed))
        return first

    @property
    def following(self) -> int:
        """The number of its next configuration."""
        return 1 + max((int(row.name[1:]) for row in self.records if row.origin == "sampler"), default=-1)

    def name(self, number: int) -> str:
        """The name of its n-th configuration: ``c0``, ``w0``."""
        return f"{_LETTERS[self.kind]}{number}"


def has_without(settings: StudySettings) -> bool:
    """Whether a study of these settings searches without teacher too: it has a share, and something left to search."""
    return settings.without > 0 and bool(without_space(settings))


def shares_of(settings: StudySettings) -> dict[SearchKind, Limits]:
    """The budget of each search that a study of these settings has."""
    if not has_without(settings):
        return {"searched": settings.budget}
    main, without = shares(settings.budget, settings.without)
    return {"searched": main, "without": without}


def without_space(settings: StudySettings) -> dict[str, Dimension]:
    """What is left to search without distillation; empty where nothing is, or nothing says what that is.

    Left out are the numbers that are then fixed (teacher weights at 0), what is idle without a teacher, and dimensions
    whose condition then does not hold; a condition that holds wherever those are fixed is dropped.
    """
    off = settings.off
    if not off:
        return {}
    space = settings.space
    idle = {*off, *settings.idle_without_teacher}
    left: dict[str, Dimension] = {}
    for name, dimension in space.items():
        if name not in idle and (kept := _where_off(dimension, space, off, left)) is not None:
            left[name] = kept
    return left


def _where_off(
    dimension: Dimension, space: Mapping[str, Dimension], off: Mapping[str, Scalar], left: Mapping[str, Dimension]
) -> Dimension | None:
    """The dimension without distillation, with what is left of its condition; ``None`` where it is idle."""
    while isinstance(dimension, Conditional) and dimension.on in off:
        if off[dimension.on] not in dimension.values:
            return None
        weight = space[dimension.on]  # which may depend on something itself
        inner = dimension.dimension
        dimension = Conditional(inner, weight.on, weight.values) if isinstance(weight, Conditional) else inner
    return None if isinstance(dimension, Conditional) and dimension.on not in left else dimension


@dataclass(frozen=True)
class Spent:
    """One of the searches as its budget sees it: ``budget`` is its own, ``beside`` holds the runs of the other."""

    budget: Limits
    runs: list[SearchRun]
    beside: list[SearchRun]


def spent(
    settings: StudySettings, configurations: Mapping[int, ConfigurationRecord], runs: Iterable[SearchRun]
) -> dict[SearchKind, Spent]:
    """The budget and the runs of each search that a study of these settings has."""
    search = [run for run in runs if run.pool == "search"]
    budgets = shares_of(settings)
    own = {kind: [run for run in search if searched(configurations, run, kind)] for kind in budgets}
    return {
        kind: Spent(budget, own[kind], [run for other in own if other != kind for run in own[other]])
        for kind, budget in budgets.items()
    }


def searches(state: SearchState) -> list[Part]:
    """The search, and the one without teacher where the study has it."""
    found = spent(state.study.settings, state.configurations, state.runs)
    every = [run for own in found.values() for run in own.runs]
    over = time_is_over(state.study.settings.budget, every)
    return [
        Part(
            kind,
            own.budget,
            own.runs,
            *observed(state.configurations, own.runs, kind, sign=state.study.sign),
            beside=own.beside if len(found) > 1 else None,
            time_over=over,
        )
        for kind, own in found.items()
    ]


def dealt(parts: Sequence[Part], wanted: int) -> dict[SearchKind, int]:
    """How many of so many further runs each search gets: the one behind its share gets the next (Sainte-Lague).

    A limit in runs is shared by their number, a limit in hours or GPU-hours by the seconds that they train.
    """
    counts: dict[SearchKind, int] = {part.kind: 0 for part in parts}
    most = {part.kind: part.room(wanted) for part in parts}
    for _ in range(wanted):
        free = [part for part in parts if counts[part.kind] < most[part.kind]]
        if not free:
            break
        behind = min(free, key=lambda part: part.used(counts[part.kind] + 0.5))
        counts[behind.kind] += 1
    return counts
