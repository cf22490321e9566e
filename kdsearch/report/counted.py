"""Status of a study that searches, from counts of the database: the same as ``status`` of all its runs, sooner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from typing_extensions import override

from kdsearch.ledger.overview import LATEST, Overview, Sample, Tally
from kdsearch.ledger.records import ENDED, TRAINED
from kdsearch.ledger.settings import Limits
from kdsearch.report.notes import EVENTS, ended_of, progress_of
from kdsearch.report.selection import UNKNOWN, Selection
from kdsearch.report.status import WITHOUT, best_sentences, leader_sentences, status_table, time_sentences
from kdsearch.report.tables import Table
from kdsearch.report.wording import decimals
from kdsearch.search.policies.base import Configuration
from kdsearch.search.ranking import Standing, policy_of, ranked
from kdsearch.search.remaining import Remaining, left_of, pace_of
from kdsearch.search.searches import SearchKind, shares_of
from kdsearch.search.teachers import HELD_TEACHERS
from kdsearch.statistics.summaries import spreads

SHOWN_EVENTS = tuple(EVENTS.values())
"""Kinds of events that are read for it."""

_OPEN = ("queued", "leased")


def counted_status(found: Overview, *, working: bool = True) -> Table | None:
    """Return ``status`` of the study; ``None`` where counts do not tell it: with a winner, or a budget of time."""
    study = found.study
    budget = study.settings.budget
    confirmed = any(row.pool == "confirm" and row.state in ENDED for row in found.tallies)
    if study.winner_id is not None or study.ablation_id is not None or confirmed:
        return None
    if budget.hours is not None or budget.gpu_hours is not None:
        return None
    left = _left(found)
    if left is None:
        return None
    counts = Counter[tuple[str, str]]()
    for row in found.tallies:
        counts[WITHOUT if row.pool == "search" and row.kind == "without" else row.pool, row.state] += row.runs
    notes = []
    kinds = shares_of(study.settings)
    if len(kinds) > 1 and study.phase == "search":
        notes.append(
            f"Ended: {progress_of(study, {kind: _runs(found, kind, TRAINED.__contains__) for kind in kinds})}."
        )
    notes += ended_of(study, found.events, lambda kind: _runs(found, kind, lambda state: state != "cancelled"))
    notes += _best_sentences(found)
    students = [row for row in found.tallies if row.pool != "teacher" and row.state in TRAINED]
    timed = sum(row.timed for row in students)
    mean = sum(row.seconds for row in students) / timed if timed else None
    notes += time_sentences(study, mean, left, working=working, launched=True)
    return status_table(study, counts, notes)


def _best_sentences(found: Overview) -> list[str]:
    """Name the configuration that leads, by what the launcher found last where that was a short while ago."""
    if found.leader is None:
        return best_sentences(_selection(found))
    sentences, before = leader_sentences(found.leader, _selection(found)), found.leader.ended
    if before < found.ended:
        sentences.append(f"The leader is that of the first {before:,} of {found.ended:,} ended search runs.")
    return sentences


def _runs(found: Overview, kind: SearchKind, wanted: Callable[[str], bool]) -> int:
    """How many search runs of one search are in a state that is ``wanted``."""
    own = [row for row in found.tallies if row.pool == "search" and row.kind == kind]
    return sum(row.runs for row in own if wanted(row.state))


def _left(found: Overview) -> Remaining | None:
    """``remaining`` of the study; ``None`` where the runs that ended last do not tell the pace."""
    study, own = found.study, found.study.settings.teachers not in HELD_TEACHERS
    students = [row for row in found.tallies if row.pool != "teacher" or own]
    timed = iter([(at, seconds) for pool, at, seconds in found.latest if pool != "teacher" or own])
    dated = sum(row.dated for row in students if row.state in TRAINED)
    beside = sum(row.runs for row in students if row.state == "leased")
    pace = pace_of(timed, dated, beside)
    if len(found.latest) == LATEST and next(timed, None) is None:
        return None  # earlier runs would have a say in it
    left = sum(row.runs for row in found.tallies if row.state in _OPEN)
    if study.phase != "finished":
        left += sum(_to_come(found, kind, budget) for kind, budget in shares_of(study.settings).items())
    return left_of(study, found.configurations, left, pace, found.others)


def _to_come(found: Overview, kind: SearchKind, budget: Limits) -> int:
    """Runs of a search that are still to be ordered."""
    ordered = _runs(found, kind, lambda state: state != "cancelled")
    return 0 if budget.runs is None else max(0, budget.runs - ordered)


def _selection(found: Overview) -> CountedSelection:
    """The runs that a report counts: those of the code hash of most ended runs."""
    every: Counter[str] = Counter()
    for row in found.tallies:
        if row.state in ENDED:
            every[row.code or UNKNOWN] += row.runs
    kept = max(every, key=lambda code: (every[code], code), default=None)
    samples: dict[int, Sample] = {}
    for code, own in found.samples.items():
        if (code or UNKNOWN) == kept:
            samples.update(own)
    return CountedSelection(
        study=found.study,
        configurations=found.configurations,
        runs=(),
        hashes=() if kept is None else (kept,),
        events=found.events,
        samples=samples,
        tallies=tuple(row for row in found.tallies if row.state in ENDED and (row.code or UNKNOWN) == kept),
    )


@dataclass(frozen=True)
class CountedSelection(Selection):
    """A selection before there is a winner that holds ``samples`` and ``tallies`` in place of its runs."""

    samples: Mapping[int, Sample] = field(default_factory=dict)
    tallies: tuple[Tally, ...] = ()

    @cached_property
    @override
    def digits(self) -> int:
        groups = [sample.done for sample in self.samples.values() if sample.done]
        return decimals(spreads(groups).tolist(), list(chain.from_iterable(groups))) if groups else decimals([], [])

    @cached_property
    @override
    def has_scores(self) -> bool:
        students = [row for row in self.tallies if row.pool != "teacher"]
        done = [row for row in students if row.state == "done"]
        return not students or any(row.scored for row in done or students)

    @override
    def searched(self) -> dict[int, list[float]]:
        kinds = {id_: self.configurations[id_].kind for id_ in self.samples}
        chance = self.study.chance
        return {
            id_: [*sample.done, *[chance] * (len(sample.objectives) - len(sample.done))]
            for id_, sample in self.samples.items()
            if kinds[id_] == "searched"
        }

    @override
    def standings(self) -> list[Standing]:
        records = [row for row in self.configurations.values() if row.kind == "searched"]
        nothing = Sample()
        own, sign = [self.samples.get(row.id, nothing).objectives for row in records], self.study.sign
        tried = [
            Configuration(row.params, {seed: sign * value for seed, value in values.items()})
            for row, values in zip(records, own, strict=True)
        ]
        return ranked(self.study, records, tried, policy_of(self.study))
