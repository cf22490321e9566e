"""What a run's seed randomises, and what counts once in a comparison: a seed, or a teacher that several seeds share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

from kdsearch.draws import Draws
from kdsearch.ledger.records import Pool
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Estimate
from kdsearch.search.teachers import HELD_TEACHERS, streams_of
from kdsearch.statistics import summarize

MEAN_INTERVAL = "Interval of a mean: 95 %, Student's t below n = 20, BCa bootstrap from there on."
TEACHER_MEAN_INTERVAL = (
    "Interval of a mean: 95 %, over the teachers' means, Student's t below 20 teachers, BCa bootstrap from there on."
)

FEWEST_TEACHERS = 6
"""Fewer say too little of teachers trained so: the exact test of their signs could not fall under 0.05 either."""

SPLIT, TEACHER = "split", "teacher"


@dataclass(frozen=True)
class RandomFactors:
    """What follows from a run's seed; all else is held.

    ``streams``: random streams that do, ``split`` and ``teacher`` among them only where the study randomises them.
    ``draws``: which fold and teacher a seed then has. ``teachers``: the study's setting, as a word; where it is a
    number, ``draws.teachers`` has it.
    """

    streams: frozenset[str]
    draws: Draws
    teachers: str

    @property
    def split(self) -> bool:
        """Whether each fresh seed is validated on clips of its own."""
        return SPLIT in self.streams

    @property
    def teacher(self) -> bool:
        """Whether fresh seeds have teachers of their own, or share several."""
        return TEACHER in self.streams

    @property
    def shared(self) -> int:
        """How many fresh teachers the confirm seeds share; 0 where each has its own, or all have one."""
        return self.draws.teachers if self.split or self.teacher else 0

    def folds(self, pool: Pool) -> int:
        """How many folds of one partition the runs of a pool take in turn; 1 where they have one split."""
        return self.draws.folds if self.split and pool != "confirm" else 1

    @property
    def trains(self) -> bool:
        """Whether the student's own randomness follows the seed at all."""
        return bool(self.streams - {SPLIT, TEACHER})


def random_factors(selection: Selection) -> RandomFactors:
    """Return what a study's runs randomise, by the streams that its winner names, before there is one its settings."""
    study = selection.study
    draws, given = study.draws, study.settings.teachers
    teachers = "several" if isinstance(given, int) else str(given)
    streams = streams_of(_params(selection))
    if study.version == 1 or draws.folds == 0 or teachers == "one":
        streams -= {SPLIT}
    if study.version == 1 or teachers in HELD_TEACHERS:
        streams -= {TEACHER}
    return RandomFactors(streams, draws, teachers)


def _params(selection: Selection) -> dict[str, object]:
    if selection.winner is not None:
        return dict(selection.winner.params)
    # What somebody added may vary less than the study does.
    rows = [row for row in selection.configurations.values() if row.origin != "user"]
    ours = next((row for kind in ("searched", "baseline") for row in rows if row.kind == kind), None)
    return {} if ours is None else dict(ours.params)


@dataclass(frozen=True)
class Units:
    """Groups confirm seeds by what they share.

    Seeds with one teacher and one fold share the effect of both: then the teacher is the unit, its value is the mean
    over its seeds, and all statistics count teachers. Where each seed has a teacher of its own, or all have one, the
    seed is the unit.
    """

    draws: Draws = field(default_factory=Draws)
    streams: frozenset[str] = frozenset()
    shared: int = 0

    @classmethod
    def of(cls, selection: Selection) -> Units:
        """The units of a study's confirm runs."""
        factors = random_factors(selection)
        return cls(factors.draws, factors.streams, factors.shared)

    @property
    def word(self) -> str:
        """``seed`` or ``teacher``."""
        return "teacher" if self.shared else "seed"

    def key(self, seed: int) -> Hashable:
        """The same for seeds that are one unit."""
        return self.draws.draw("confirm", seed, self.streams) if self.shared else seed

    def means(self, values: Mapping[int, float]) -> dict[Hashable, float]:
        """The mean of each unit, by its key, from values by confirm seed; in the order of seeds."""
        groups: dict[Hashable, list[float]] = {}
        for seed in sorted(values):
            groups.setdefault(self.key(seed), []).append(values[seed])
        return {key: sum(group) / len(group) for key, group in groups.items()}

    def pairs(self, first: Mapping[int, float], second: Mapping[int, float]) -> tuple[list[float], list[float]]:
        """The unit means of both over the seeds that both have, aligned."""
        common = first.keys() & second.keys()
        ours, theirs = (self.sample({seed: side[seed] for seed in common}) for side in (first, second))
        return ours, theirs

    def allow_verdict(self, count: int) -> bool:
        """Whether so many units may carry a verdict."""
        return not self.shared or count >= FEWEST_TEACHERS

    def sample(self, values: Mapping[int, float]) -> list[float]:
        """One number a unit, which is what statistics count, from values by confirm seed."""
        return list(self.means(values).values())

    def estimate(self, values: Mapping[int, float]) -> Estimate | None:
        """The mean with its interval over units and the sd over runs; ``n`` counts runs. ``None`` without values."""
        runs = summarize([values[seed] for seed in sorted(values)])
        if not self.shared or not values:
            return Estimate.of(runs)
        means = Estimate.of(summarize(self.sample(values)))
        return None if means is None else replace(means, sd=runs.sd, n=runs.n)

    @property
    def mean_note(self) -> str:
        """Say what the interval of a mean is."""
        return TEACHER_MEAN_INTERVAL if self.shared else MEAN_INTERVAL


def joined(first: Units, second: Units, seeds: list[int]) -> dict[int, Hashable]:
    """The unit of each seed where two studies' seeds are compared: seeds that share a teacher in either are one.

    A chain of seeds, each sharing a teacher with the next one in one of the studies, is one unit as a whole.
    """
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for seed in seeds:
        parent[root((1, first.key(seed)))] = root((2, second.key(seed)))
    return {seed: root((1, first.key(seed))) for seed in seeds}
