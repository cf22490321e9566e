"""How many runs a study will have, and how much of it is left: one answer for ``launch`` and ``status``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from kdsearch.ledger.records import TRAINED, ConfigurationRecord, SearchRun, StudyRecord
from kdsearch.ledger.settings import Limits
from kdsearch.search.budget import busy_seconds, own_seconds, runs_left
from kdsearch.search.confirmation import compared
from kdsearch.search.searches import Spent, has_without, spent
from kdsearch.search.teachers import HELD_TEACHERS, UNTRAINED, search_draws, streams_in

RECENT = 30
GENERATIONS = 4
"""The pace is that of so many runs at least, and of so many run lengths: workers that start together end together."""

PAUSE = 1.0
"""Seconds between two runs of a worker; what is longer is a pause in which the study was stopped."""


@dataclass(frozen=True)
class Remaining:
    """``runs`` that are still to end, and the ``seconds`` that they take: ``None`` while no run tells."""

    runs: int
    seconds: float | None


def remaining(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]
) -> Remaining:
    """Return what is left from the ledger alone, at the pace of the runs that ended last, whoever trained them.

    Counted are the runs that wait or train, and what the planner orders from here on: teachers and pre-flight, the rest
    of both budgets, fresh seeds and their teachers. Failed runs are spent. A limit in hours is a time, and only divided
    by the pace to count runs; of several limits the first to be reached counts. A search may end before its budget:
    this is the most that it takes. Before the winner is chosen, the ablation, the best configuration without teacher
    and the finalists count as configurations of their own.
    """
    seconds = pace(_students(study, runs))
    to_come = [_to_come(part, seconds) - _waiting(part.runs) for part in _searching(study, configurations, runs)]
    return left_of(study, configurations, _waiting(runs) + sum(to_come), seconds, runs)


def left_of(
    study: StudyRecord,
    configurations: Mapping[int, ConfigurationRecord],
    left: float,
    seconds: float | None,
    runs: Sequence[SearchRun],
) -> Remaining:
    """Return what is left where the searches leave so much: ``seconds`` a run, ``runs`` of the other pools at least."""
    if study.winner_id is not None or study.phase != "finished":
        there = [run for run in runs if run.state != "cancelled"]
        left += _before_search(study, configurations, there) + _confirm(study, configurations, there)
    return Remaining(math.ceil(left - 1e-9), None if seconds is None else left * seconds)


def pace(runs: Sequence[SearchRun]) -> float | None:
    """Return the seconds from the end of one run to the end of the next, without pauses; ``None`` where none ended."""
    timed = sorted(
        (
            (run.finished_at.timestamp(), run.seconds)
            for run in runs
            if run.state in TRAINED and run.finished_at is not None and run.seconds is not None
        ),
        reverse=True,
    )
    return pace_of(timed, len(timed), sum(run.state == "leased" for run in runs))


def pace_of(timed: Iterable[tuple[float, float]], ended: int, beside: int) -> float | None:
    """Return the pace of ``ended`` runs, of which ``timed`` holds time and seconds, those that ended last first.

    Runs that are stored together, or trained side by side, end together: the gaps add up to the time that passed. In
    the first two generations they say little, and each of the runs that train now, ``beside``, counts as one that goes
    on beside the rest.
    """
    elapsed, own, count = 0.0, 0.0, 0
    ends: Iterable[tuple[float, float] | None] = chain(timed, [None])
    for run, before in pairwise(ends):
        assert run is not None
        end, seconds = run
        elapsed += seconds if before is None else min(end - before[0], seconds + PAUSE)
        own, count = own + seconds, count + 1
        if count >= RECENT and elapsed >= GENERATIONS * own / count:
            break
    if 0 < ended < 2 * beside:
        return own / count / beside
    return elapsed / count if count else None


def _searching(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]
) -> list[Spent]:
    """The searches that go on."""
    over = study.winner_id is not None or study.phase == "finished"
    return [] if over else list(spent(study.settings, configurations, runs).values())


def _students(study: StudyRecord, runs: Sequence[SearchRun]) -> list[SearchRun]:
    """Runs as they are still to come: teachers are among them only where fresh seeds have their own."""
    own = study.settings.teachers not in HELD_TEACHERS
    return [run for run in runs if run.pool != "teacher" or own]


def _waiting(search: Sequence[SearchRun]) -> int:
    return sum(run.state in ("queued", "leased") for run in search)


def _to_come(part: Spent, pace: float | None) -> float:
    """Runs of a search that are still to end by the limit that is reached first; those that wait where none tells.

    Its share of the hours is counted in runs at the ``pace`` of both, as many more as they are shorter.
    """
    budget, search = part.budget, part.runs
    waiting = _waiting(search)
    limits: list[float] = []
    if budget.runs is not None:
        limits.append(waiting + (runs_left(Limits(budget.runs), search) or 0))
    if budget.hours is not None and pace:
        own, every = _mean(search), _mean([*search, *part.beside])
        shorter = every / own if own and every else 1.0
        limits.append((3600 * budget.hours - busy_seconds(search, part.beside)) / pace * shorter)
    if budget.gpu_hours is not None and (mean := _mean(search)):
        limits.append((3600 * budget.gpu_hours - own_seconds(search)) / mean)
    return max(float(waiting), min(limits, default=0.0))


def _mean(search: Sequence[SearchRun]) -> float | None:
    seconds = [run.seconds for run in search if run.seconds]
    return sum(seconds) / len(seconds) if seconds else None


TEACHER_CANDIDATES = 3
"""For the one teacher of a study of version 1, as ``kdsearch.search.preflight`` orders them."""


def _before_search(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]
) -> int:
    """Teachers and pre-flight runs that the planner orders from here on.

    Teachers of search seeds that no run has asked for yet are not known, and not counted.
    """
    if study.phase != "teacher" or study.settings.teachers in UNTRAINED or any(run.pool == "teacher" for run in runs):
        return 0
    students = study.settings.preflight_seeds or 0
    if study.version == 1:
        return TEACHER_CANDIDATES + students
    return len(search_draws(study, _streams(study, configurations))) + students


def _confirm(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]) -> int:
    confirm, seeds = study.settings.confirm, study.settings.confirm.seeds
    confirmed = [run for run in runs if run.pool == "confirm"]
    if study.winner_id is None:
        ablated = bool(study.settings.teacher_parameters)
        primary = 1 + ablated + has_without(study.settings)
        beside = sum(row.kind == "baseline" for row in configurations.values()) + confirm.finalists
        return primary * seeds + beside * confirm.of_others + _teachers(study, configurations, runs, seeds)
    # The ablation may be the winner itself or a baseline: each configuration counts once.
    wanted = compared(study, configurations)
    ordered = Counter(run.configuration_id for run in confirmed)
    missing = sum(max(0, count - ordered[id_]) for id_, count in wanted.items())
    taught = max((count for id_, count in wanted.items() if _uses_teacher(study, configurations.get(id_))), default=0)
    return missing + _teachers(study, configurations, runs, taught)


def _teachers(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun], seeds: int
) -> int:
    """How many teachers so many fresh seeds bring that are not there: each is, once a run needs it."""
    if study.version == 1:
        there = {run.needs for run in runs if run.pool == "confirm" and run.needs is not None}
        return max(0, seeds - len(there)) if study.settings.teachers == "per-seed" and seeds else 0
    if study.settings.teachers in (*UNTRAINED, "one"):
        return 0
    draws, streams = study.draws, _streams(study, configurations)
    first = draws.first_confirm_seed
    drawn = {draws.teacher_seed(draws.draw("confirm", first + index, streams)) for index in range(seeds)}
    return len(drawn - {run.seed for run in runs if run.pool == "teacher"})


def _streams(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord]) -> frozenset[str]:
    """The streams that vary in the study, as its baselines say; without any, all."""
    rows = [row.params for row in configurations.values() if row.kind == "baseline"]
    return streams_in(study, rows[0] if rows else {})


def _uses_teacher(study: StudyRecord, configuration: ConfigurationRecord | None) -> bool:
    names = study.settings.teacher_parameters
    return configuration is not None and any(configuration.params.get(name, 0) != 0 for name in names)
