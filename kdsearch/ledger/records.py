"""Plain records read from the ledger. Two views of a run: with scores for ``report``, without for ``search``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from kdsearch.data.folds import FIRST, Fold
from kdsearch.draws import Draws
from kdsearch.ledger.settings import StudySettings
from kdsearch.tasks.base import Scalar

Kind = Literal["searched", "without", "baseline", "ablation", "teacher"]
Pool = Literal["search", "confirm", "teacher", "preflight"]
State = Literal["queued", "leased", "done", "diverged", "stopped", "failed", "cancelled"]
ENDED: frozenset[str] = frozenset({"done", "diverged"})
"""States with a value. A run that was stopped by its curve has none, and stands in no table as one."""
TRAINED: frozenset[str] = ENDED | {"stopped"}
"""States of runs that were trained and are never trained again."""


@dataclass(frozen=True)
class ConfigurationRecord:
    """A full set of numbers. ``origin`` says who proposed it (``sampler``, ``user``, ``study file``, ``kdsearch``).

    ``kind`` ``without``: a configuration of the search that has every teacher weight 0. ``proposal``: what a sampler
    keeps of it, JSON values; read for the planner alone.
    """

    id: int
    kind: Kind
    name: str
    params: Mapping[str, Scalar]
    origin: str = ""
    proposal: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchRun:
    """A run as the planner sees it: no score, by construction. ``needs`` is the id of the teacher run it waits for.

    ``fold`` validates it; of a teacher it is the one that validates its students.
    """

    id: int
    configuration_id: int
    pool: Pool
    seed: int
    state: State
    objective: float | None
    attempt: int = 0
    needs: int | None = None
    seconds: float | None = None
    finished_at: datetime | None = None
    fold: Fold = FIRST


@dataclass(frozen=True)
class RunRecord(SearchRun):
    """A run as the report sees it: all of it.

    ``scores``: the test metric at ``last``, ``best_on_validation``, ``best_on_test``. ``metrics``: further ones that
    the task measured at the chosen epoch, by name.
    """

    score: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Mapping[str, list[float]] = field(default_factory=dict)
    device: str | None = None
    peak_memory: int | None = None
    code_hash: str | None = None
    data_hash: str | None = None
    artifact: str | None = None
    error: str | None = None
    worker: str | None = None


@dataclass(frozen=True)
class EventRecord:
    """Something worth remembering: a decision, a warning, a changed budget, a lost lease."""

    at: datetime
    kind: str
    message: str
    run_id: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True)
class LeaderRecord:
    """The configuration that leads a search, when ``ended`` of its runs had a value.

    ``estimate`` and ``sd``: its posterior, ``nan`` where that is not known; ``mean`` and ``raw_sd`` of its ``n`` runs.
    ``ranked`` configurations have two runs or more, and ``out`` of them are out; ``modelled`` of the ``known`` that
    have results are in the model. ``digits``: decimals of the metric.
    """

    ended: int
    id: int
    name: str
    n: int
    mean: float
    raw_sd: float
    estimate: float
    sd: float
    ranked: int
    out: int
    modelled: int
    known: int
    digits: int

    def to_json(self) -> dict[str, Any]:
        """What the ledger stores; JSON has finite numbers alone."""
        values = asdict(self)
        unknown = [name for name, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
        return {**values, **dict.fromkeys(unknown)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LeaderRecord | None:
        """Read what ``to_json`` wrote; ``None`` where that was another version of this program."""
        if set(stored) != set(cls.__dataclass_fields__):
            return None
        values: dict[str, Any] = {name: math.nan if value is None else value for name, value in stored.items()}
        return cls(**values)


@dataclass(frozen=True)
class StudyRecord:
    """A study's row. ``identity`` never changes; its ``settings`` may.

    ``phase`` is ``teacher``, ``search``, ``confirm`` or ``finished``; ``winner_id``, ``ablation_id``,
    ``best_without_id`` and ``finalist_ids`` are set in the one transaction that ends the search. ``version``: of the
    rules by which its runs draw folds, teachers and seeds (``kdsearch.draws``). ``leader``: of a large study, as of
    the last time that its launcher looked.
    """

    id: int
    name: str
    phase: str
    identity: Mapping[str, Any]
    settings: StudySettings
    description: str
    metric: str
    chance: float
    data_hash: str
    created_at: datetime
    stop_requested: bool = False
    teacher_run_id: int | None = None
    winner_id: int | None = None
    ablation_id: int | None = None
    finalist_ids: tuple[int, ...] = ()
    source_file: str = ""
    uid: UUID | None = None
    version: int = 1
    best_without_id: int | None = None
    leader: LeaderRecord | None = None

    @property
    def over(self) -> bool:
        """Whether nobody is to train it any more: it is finished, or was asked to stop."""
        return self.phase == "finished" or self.stop_requested

    @property
    def minimizes(self) -> bool:
        """Whether lower values of its metric are better."""
        return self.identity.get("direction") == "minimize"

    @property
    def sign(self) -> float:
        """1, or -1 where it minimizes: values times this are better the higher they are."""
        return -1.0 if self.minimizes else 1.0

    @property
    def draws(self) -> Draws:
        """How its runs draw folds and teachers."""
        teachers = self.settings.teachers
        return Draws(self.version, self.settings.folds, teachers if isinstance(teachers, int) else 0)


@dataclass(frozen=True)
class StudyResults:
    """Everything a report is made from: one consistent read of the ledger.

    ``queries``: by run id, the test values of single queries, of the confirm runs of the primary comparison.
    """

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    runs: tuple[RunRecord, ...]
    events: tuple[EventRecord, ...] = ()
    queries: Mapping[int, list[float]] = field(default_factory=dict)


def choice_of(results: StudyResults) -> EventRecord | None:
    """Return the event that chose the winner, ``None`` where the study has none.

    Its ``data`` holds ``rule``, ``estimate``, ``estimate_sd``, ``search_seeds`` and ``candidates`` as decided on.
    """
    return next((event for event in results.events if event.kind == "winner"), None)


def runs_added_after_choice(results: StudyResults) -> tuple[RunRecord, ...]:
    """Return the runs on search seeds that ended after the choice, or not yet.

    The choice waits for all search runs, so one that is still open was added, or queued again, later. An ended run
    without a time counts as earlier.
    """
    choice = choice_of(results)
    if choice is None:
        return ()
    return tuple(
        run
        for run in results.runs
        if run.pool == "search"
        and (run.state in ("queued", "leased") or (run.finished_at is not None and run.finished_at > choice.at))
    )


def runs_after_choice(results: StudyResults) -> tuple[RunRecord, ...]:
    """Return the runs of both searches, with and without teacher, among ``runs_added_after_choice``."""
    return tuple(
        run
        for run in runs_added_after_choice(results)
        if searched(results.configurations, run) or searched(results.configurations, run, "without")
    )


def runs_before_choice(results: StudyResults) -> tuple[RunRecord, ...]:
    """Return the runs without ``runs_after_choice``, in their order; all runs where no winner has been chosen.

    Runs of the other pools stay in, so that this stands wherever ``results.runs`` stood: it takes away no more than
    what would change what the search has observed.
    """
    late = {run.id for run in runs_after_choice(results)}
    return tuple(run for run in results.runs if run.id not in late)


def searched(
    configurations: Mapping[int, ConfigurationRecord], run: SearchRun, kind: Literal["searched", "without"] = "searched"
) -> bool:
    """Whether a run is of a configuration that a search may choose; others may have runs in its pool too.

    ``kind``: which search, the one for the winner, or the one ``without`` teacher.
    """
    record = configurations.get(run.configuration_id)
    return kind == "searched" if record is None else record.kind == kind
