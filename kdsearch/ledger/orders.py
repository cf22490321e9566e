"""What a planner may order. Orders are data: the ledger applies them in the transaction that read the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdsearch.data.folds import FIRST, Fold
from kdsearch.ledger.records import Kind, Pool
from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class NewConfiguration:
    """Store a configuration; ``name`` is how later orders of the same plan call it (unique within kind).

    ``proposal``: JSON values that whoever proposed it keeps of it.
    """

    kind: Kind
    name: str
    params: Mapping[str, Scalar]
    origin: str
    proposal: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NewRun:
    """Queue one run: a ``Pick`` with all that the ledger stores of it before it is trained.

    One that was taken back is queued again: it keeps its priority, and has the teacher that is named now.

    ``configuration`` is an id, or the ``(kind, name)`` of an order of the same plan.
    ``needs``: the teacher run it waits for (an id, or the seed of a teacher run of the same plan as ``("seed", n)``).
    Lower ``priority`` is claimed first. ``fold``: which clips validate it, or the students of a teacher.
    """

    configuration: int | tuple[Kind, str]
    pool: Pool
    seed: int
    needs: int | tuple[str, int] | None = None
    priority: int = 0
    keep_weights: bool = False
    fold: Fold = FIRST


@dataclass(frozen=True)
class ChooseTeacher:
    """Fix the study's teacher and go to the search phase."""

    run_id: int | None


@dataclass(frozen=True)
class ChooseWinner:
    """Fix winner, its ablation and the finalists, and go to the confirm phase: once, before any confirm run.

    ``ablation``: an id, or the ``(kind, name)`` of an order of the same plan. ``best_without``: the best configuration
    of the search with all teacher weights 0, where there was one.
    """

    winner: int
    ablation: int | tuple[Kind, str]
    finalists: tuple[int, ...]
    observations: Mapping[str, Any] = field(default_factory=dict)
    best_without: int | None = None


@dataclass(frozen=True)
class EnterPhase:
    """Set the phase."""

    phase: str


@dataclass(frozen=True)
class Note:
    """Remember an event; ``once`` stores it only if the study has none of that kind."""

    kind: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False


@dataclass(frozen=True)
class FailRun:
    """End a queued run that can never start."""

    run_id: int
    error: str


@dataclass(frozen=True)
class CancelRun:
    """Take back a queued run: the budget ended before it was claimed."""

    run_id: int


Order = NewConfiguration | NewRun | ChooseTeacher | ChooseWinner | EnterPhase | FailRun | CancelRun | Note
