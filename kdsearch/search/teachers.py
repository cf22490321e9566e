"""Which teacher run a student run waits for, and which fold validates it: both follow from its pool and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kdsearch.data.folds import FIRST, Fold
from kdsearch.draws import FIRST_CONFIRM_SEED, Draw
from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import NewRun, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import Kind, Pool, SearchRun, StudyRecord
from kdsearch.tasks.base import VARY, Scalar

TEACHER: tuple[Kind, str] = ("teacher", "teacher")
HELD_TEACHERS = ("one", "given", "none")
"""Where a study's teachers come from when they do not vary with the seed."""

REPLACED = 3
"""How many times a teacher that diverged or failed is replaced by another of its draw."""

LOST = ("failed", "diverged", "cancelled")
"""States of a teacher run whose students can never start."""

UNTRAINED = ("none", "given")
"""Of a study's setting ``teachers``: there is none, or the worker reads it from a file."""

STREAMS = ("initialisation", "order", "augmentation", "split", "teacher")
NOTHING = "nothing"
"""What a configuration names of which no stream follows the seed."""

_BEFORE_STUDENTS = -10


@dataclass(frozen=True)
class Place:
    """Where a student run stands: ``orders`` to make before it, the teacher run that it ``needs``, and its ``fold``."""

    orders: list[Order]
    needs: int | tuple[str, int] | None = None
    fold: Fold = FIRST


class Teachers:
    """Finds or orders the teacher of a run. ``uses_teacher`` tells whether its parameters need one at all."""

    def __init__(self, state: SearchState, uses_teacher: Callable[[Mapping[str, Scalar]], bool]) -> None:
        self.uses_teacher = uses_teacher
        self.study = state.study
        self.version = state.study.version
        self.mode = state.study.settings.teachers
        self.draws = state.study.draws
        self.chosen = state.study.teacher_run_id
        self._known = {run.seed: run for run in state.runs if run.pool == "teacher"}
        self._lost = {run.id for run in self._known.values() if run.state in LOST}
        self._ordered: set[int] = set()

    def for_run(self, params: Mapping[str, Scalar], pool: Pool, seed: int, before: int = _BEFORE_STUDENTS) -> Place:
        """What the run of this configuration and seed needs; ``before``: priority of a teacher that is ordered for it.

        Raises ``KdsearchError`` where one teacher of the search after another diverged or failed.
        """
        taught = self.uses_teacher(params)
        if self.version == 1:
            if taught and self.mode == "per-seed":
                return self._trained(own_teacher_seed(seed), FIRST, _BEFORE_STUDENTS)
            return Place([], self.chosen if taught else None)
        draw = self.draws.draw(pool, seed, streams_in(self.study, params))
        if not taught or self.mode in UNTRAINED:
            return Place([], None, draw.fold)
        if self.mode == "one":
            return Place([], self.chosen, draw.fold)
        return self.of(draw, fresh=pool == "confirm", before=before)

    def instead(self, run: SearchRun, params: Mapping[str, Scalar]) -> Place | None:
        """Another teacher for a run whose own is lost; ``None`` where none may follow. Raises as ``for_run``."""
        if self.version == 1 or self.mode in (*UNTRAINED, "one"):
            return None
        place = self.for_run(params, run.pool, run.seed)
        return None if place.needs is None or place.needs in self._lost else place

    def of(self, draw: Draw, *, fresh: bool = False, before: int = _BEFORE_STUDENTS) -> Place:
        """The teacher of a draw, ordered where it is not there; one that diverged or failed is followed by another.

        Where the last was lost too the study stops, but for ``fresh`` seeds: they are many, and the run that needs this
        one teacher is lost with it.
        """
        seeds = [self.draws.teacher_seed(draw, number) for number in range(REPLACED + 1)]
        there = [self._known[seed] for seed in seeds if seed in self._known]
        # The last: one before it that serves again after a retry has been replaced for other runs already.
        if serving := [run for run in there if run.state not in LOST]:
            return Place([], serving[-1].id, draw.fold)
        if len(there) < len(seeds):
            return self._trained(seeds[len(there)], draw.fold, before)
        if fresh:
            return Place([], there[-1].id, draw.fold)
        raise KdsearchError(
            f"{len(there)} teachers of fold {draw.fold.number} diverged or failed, one after another, so the study "
            f"stops here. See the last with: kdsearch logs {there[-1].id}. Mend the cause: of an exception, and "
            "launch with --retry-failed; of a recipe that diverges, and give the changed study another name."
        )

    def _trained(self, seed: int, fold: Fold, before: int) -> Place:
        """The teacher run of this seed, ordered where it is not there."""
        if seed in self._known:
            return Place([], self._known[seed].id, fold)
        first = seed not in self._ordered
        self._ordered.add(seed)
        order = NewRun(TEACHER, "teacher", seed, priority=before, keep_weights=True, fold=fold)
        return Place([order] if first else [], ("seed", seed), fold)


def search_draws(study: StudyRecord, streams: frozenset[str]) -> list[Draw]:
    """The draws whose teachers are trained before the search: one of each fold, or of a study with one teacher that."""
    if study.settings.teachers == "one":
        return [Draw()]
    seeds = range(max(1, study.settings.folds))
    return list(dict.fromkeys(study.draws.draw("search", seed, streams) for seed in seeds))


def streams_in(study: StudyRecord, params: Mapping[str, Scalar]) -> frozenset[str]:
    """The same as the study has it: one with a teacher a seed does not name it as a stream of its runs."""
    own = frozenset({"teacher"} if study.settings.teachers == "per-seed" else ())
    return streams_of(params) | own


def streams_of(params: Mapping[str, object]) -> frozenset[str]:
    """The streams of a configuration that follow a run's seed; a task that does not name them varies all."""
    named = str(params.get(VARY, "+".join(STREAMS)))
    return frozenset() if named == NOTHING else frozenset(named.split("+"))


def own_teacher_seed(student_seed: int) -> int:
    """The seed of the teacher that serves one student seed, in studies of version 1 where each seed has its own."""
    first = FIRST_CONFIRM_SEED[1]
    return 2**30 + 2**29 + (student_seed - first) if student_seed >= first else 2**30 + student_seed
