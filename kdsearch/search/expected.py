"""How many runs a study will have when it is finished: for progress bars and for the time left."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence

from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.records import StudyRecord
from kdsearch.search.budget import busy_seconds
from kdsearch.search.budget import own_seconds
from kdsearch.search.budget import runs_left
from kdsearch.search.confirmation import compared
from kdsearch.search.searches import Spent
from kdsearch.search.searches import has_without
from kdsearch.search.searches import spent
from kdsearch.search.teachers import UNTRAINED
from kdsearch.search.teachers import draws_of
from kdsearch.search.teachers import search_draws
from kdsearch.search.teachers import streams_in

TEACHER_CANDIDATES = 3
"""For the one teacher of a study of version 1, as ``kdsearch.search.preflight`` orders them."""


def runs_expected(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]
) -> int:
    """Return the total number of runs of the study when it is finished, as far as known.

    It counts the runs in the ledger, failed ones too (they are spent) but no cancelled ones, and what the planner
    orders from here on: teachers and pre-flight, the rest of both budgets, fresh seeds and their teachers. Before the
    winner is chosen it takes the ablation, the best setting without teacher and the finalists for configurations of
    their own. Teachers of search seeds that no run has asked for yet are not known, and not counted.
    """
    there = [run for run in runs if run.state != "cancelled"]
    if study.phase == "finished" and study.winner_id is None:
        return len(there)
    to_come = _before_search(study, configurations, there) + _search(study, configurations, there)
    return len(there) + to_come + _confirm(study, configurations, there)


def _before_search(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]
) -> int:
    if study.phase != "teacher" or not _trains_teachers(study) or any(run.pool == "teacher" for run in runs):
        return 0
    students = int((study.settings.get("preflight") or {}).get("seeds", 0))
    if study.version == 1:
        return TEACHER_CANDIDATES + students
    return len(search_draws(study, _streams(study, configurations))) + students


def _search(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]) -> int:
    if study.winner_id is not None:
        return 0
    return sum(map(_part, spent(study.settings, configurations, runs).values()))


def _part(part: Spent) -> int:
    """What one of the searches orders from here on, while the other trains on the same machines."""
    budget, search, beside = part.budget, part.runs, part.beside
    left = runs_left(budget, search, beside)
    timed = [run.seconds for run in search if run.seconds]
    if left == 0 or not timed:
        return left or 0
    # Limits in hours become runs at the present pace.
    at_once = max(1, sum(run.state == "leased" for run in (*search, *beside)))
    mean = sum(timed) / len(timed)
    limits = [] if left is None else [left]
    if budget.get("hours") is not None:
        limits.append(math.ceil((3600 * budget["hours"] - busy_seconds(search, beside)) * at_once / mean))
    if budget.get("gpu_hours") is not None:
        limits.append(math.ceil((3600 * budget["gpu_hours"] - own_seconds(search)) / mean))
    return max(0, min(limits))


def _confirm(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]) -> int:
    confirm = study.settings.get("confirm") or {}
    seeds, others = int(confirm.get("seeds", 0)), confirm.get("others")
    fewer = seeds if others is None else min(seeds, int(others))
    confirmed = [run for run in runs if run.pool == "confirm"]
    if study.winner_id is None:
        ablated = bool(study.settings.get("teacher_parameters"))
        primary = 1 + ablated + has_without(study.settings)
        beside = sum(row.kind == "baseline" for row in configurations.values()) + int(confirm.get("finalists", 0))
        return primary * seeds + beside * fewer + _teachers(study, configurations, runs, seeds)
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
        return max(0, seeds - len(there)) if study.settings.get("teachers") == "per-seed" and seeds else 0
    if study.settings["teachers"] in (*UNTRAINED, "one"):
        return 0
    draws, streams = draws_of(study), _streams(study, configurations)
    first = draws.first_confirm_seed
    drawn = {draws.teacher_seed(draws.draw("confirm", first + index, streams)) for index in range(seeds)}
    return len(drawn - {run.seed for run in runs if run.pool == "teacher"})


def _streams(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord]) -> frozenset[str]:
    """The streams that vary in the study, as its baselines say; without any, all."""
    rows = [row.params for row in configurations.values() if row.kind == "baseline"]
    return streams_in(study, rows[0] if rows else {})


def _trains_teachers(study: StudyRecord) -> bool:
    return study.settings.get("teachers", "one") not in UNTRAINED


def _uses_teacher(study: StudyRecord, configuration: ConfigurationRecord | None) -> bool:
    names = study.settings.get("teacher_parameters") or ()
    return configuration is not None and any(configuration.params.get(name, 0) != 0 for name in names)
