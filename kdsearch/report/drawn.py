"""What the runs of a study draw anew with each seed, and what they hold: split and teacher, beside what trains them."""

from __future__ import annotations

from dataclasses import dataclass

from kdsearch.draws import Draws
from kdsearch.ledger.records import Pool
from kdsearch.report.selection import Selection
from kdsearch.search.teachers import HELD_TEACHERS, streams_of

SPLIT, TEACHER = "split", "teacher"


@dataclass(frozen=True)
class Drawn:
    """What follows from a run's seed.

    ``streams``: random streams that do, ``split`` and ``teacher`` among them only where the study draws them.
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


def drawn(selection: Selection) -> Drawn:
    """What a study's runs draw, by the streams that its winner names, or before there is one its other settings."""
    study = selection.study
    draws, teachers = study.draws, _teachers(selection)
    streams = streams_of(_params(selection))
    if study.version == 1 or draws.folds == 0 or teachers == "one":
        streams -= {SPLIT}
    if study.version == 1 or teachers in HELD_TEACHERS:
        streams -= {TEACHER}
    return Drawn(streams, draws, teachers)


def _teachers(selection: Selection) -> str:
    given = selection.study.settings.teachers
    return "several" if isinstance(given, int) else str(given)


def _params(selection: Selection) -> dict[str, object]:
    winner = selection.configurations.get(selection.study.winner_id or -1)
    if winner is not None:
        return dict(winner.params)
    # What somebody added may vary less than the study does.
    rows = [row for row in selection.configurations.values() if row.origin != "user"]
    ours = next((row for kind in ("searched", "baseline") for row in rows if row.kind == kind), None)
    return {} if ours is None else dict(ours.params)
