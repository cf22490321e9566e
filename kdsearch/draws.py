"""What a run draws beside its initialisation and order: the fold that validates it and its teacher.

Both follow from the run's pool and seed, so that their effects average out over seeds, as the initialisation's does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import KdsearchError

VERSION = 2
"""Version of the studies that are made now. Those of version 1 have one split and confirm seeds from 2**31 on."""

FIRST_CONFIRM_SEED: Mapping[int, int] = {1: 2**31, 2: 2**30}
"""By version of the study: generators of 32 bits take no seed above 2**32, and signed ones none from 2**31 on."""

FIRST_PREFLIGHT_SEED = 1_000_000
FIRST_TEACHER_SEED = 2_000_000

HELD, SEARCH, HELD_SPLIT, CONFIRM = 0, 1, 4096, 8192
"""Numbers of a fold's teachers: of runs whose teacher does not vary; of the search; where the split is held; fresh."""

_SPAN = 4096
_REPLACED = 3 * _SPAN
_NUMBERS = 4 * _REPLACED
_ANEW = 16  # teachers of a search whose split is held


@dataclass(frozen=True)
class Draw:
    """The fold that validates a run, and which of that fold's teachers teaches it."""

    fold: Fold = FIRST
    teacher: int = HELD


@dataclass(frozen=True)
class Draws:
    """How the runs of one study draw.

    ``folds``: parts of the train list, 0 where the task knows no folds. ``teachers``: how many fresh teachers the
    confirm seeds share, 0 for one each.
    """

    version: int = VERSION
    folds: int = 0
    teachers: int = 0

    @property
    def first_confirm_seed(self) -> int:
        """Where the seeds of the confirm pool begin."""
        return FIRST_CONFIRM_SEED[self.version]

    def index(self, pool: str, seed: int) -> int:
        """A seed's place in its pool, counted from 0."""
        first = {"confirm": self.first_confirm_seed, "preflight": FIRST_PREFLIGHT_SEED, "teacher": FIRST_TEACHER_SEED}
        return seed - first.get(pool, 0)

    def draw(self, pool: str, seed: int, streams: frozenset[str]) -> Draw:
        """What the run of a student draws; ``streams`` are those that follow its seed.

        The search has one partition and takes its folds in turn; confirm seed i has fold i mod K of a partition that is
        cut for it and its K - 1 neighbours alone. A teacher is one of its fold: trained without it.
        """
        index, parts = self.index(pool, seed), max(1, self.folds)
        fresh = pool == "confirm"
        if fresh and self.teachers:
            index %= self.teachers
        place = Fold(1 + index // parts, index % parts) if fresh else Fold(0, index % parts)
        split, teacher = "split" in streams and self.folds > 0, "teacher" in streams
        fold = place if split else FIRST
        if not teacher:
            return Draw(fold, HELD)
        if fresh:
            return Draw(fold, CONFIRM + index % _SPAN)
        return Draw(fold, SEARCH + place.number if split else HELD_SPLIT + index % _ANEW)

    def cycle(self, streams: frozenset[str]) -> int:
        """After how many seeds of the search the draws come again: folds, or teachers where the split is held."""
        if "split" in streams and self.folds > 0:
            return self.folds
        return _ANEW if "teacher" in streams else 1

    def teacher_seed(self, draw: Draw, replaced: int = 0) -> int:
        """The seed of the run that trains a draw's teacher; ``replaced``: how many before it diverged or failed.

        Raises ``KdsearchError`` beyond some 20,000 folds: then seeds would be those of the confirm pool.
        """
        fold = draw.fold.partition * max(1, self.folds) + draw.fold.number
        seed = FIRST_TEACHER_SEED + fold * _NUMBERS + replaced * _REPLACED + draw.teacher
        if seed >= self.first_confirm_seed:
            raise KdsearchError(f"fold {draw.fold} lies beyond the seeds of teachers; ask for fewer confirm seeds")
        return seed

    def training_seed(self, pool: str, seed: int) -> int:
        """What a run's initialisation and order follow from: of a teacher its number alone, so that it can be held."""
        if self.version == 1 or pool != "teacher":
            return seed
        return FIRST_TEACHER_SEED + (seed - FIRST_TEACHER_SEED) % _NUMBERS
