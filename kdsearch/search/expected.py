"""How many runs a study will have when it is finished: for progress bars and for the time left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence

from kdsearch.ledger.choice import searched
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.records import StudyRecord
from kdsearch.search.budget import busy_seconds
from kdsearch.search.budget import own_seconds
from kdsearch.search.budget import runs_left

TEACHER_CANDIDATES = 3
"""As ``kdsearch.search.preflight`` orders them; a test keeps the two equal."""


def runs_expected(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]
) -> int:
    """Return the total number of runs of the study when it is finished, as far as known.

    It counts the runs in the ledger, failed ones too (they are spent) but no cancelled ones, and what the planner
    orders from here on: teacher candidates and pre-flight, the rest of the budget, fresh seeds. Before the winner is
    chosen it takes the ablation and the finalists for configurations of their own. Teachers of search seeds that no
    run has asked for yet are not known, and not counted.
    """
    there = [run for run in runs if run.state != "cancelled"]
    if study.phase == "finished" and study.winner_id is None:
        return len(there)
    to_come = _before_search(study, there) + _search(study, configurations, there)
    return len(there) + to_come + _confirm(study, configurations, there)


def _before_search(study: StudyRecord, runs: Sequence[SearchRun]) -> int:
    if study.phase != "teacher" or not _has_teacher(study) or any(run.pool == "teacher" for run in runs):
        return 0
    return TEACHER_CANDIDATES + int((study.settings.get("preflight") or {}).get("seeds", 0))


def _search(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]) -> int:
    if study.winner_id is not None:
        return 0
    budget = study.settings.get("budget") or {}
    search = [run for run in runs if run.pool == "search" and searched(configurations, run)]
    left = runs_left(budget, search)
    timed = [run.seconds for run in search if run.seconds]
    if left == 0 or not timed:
        return left or 0
    # Limits in hours become runs at the present pace.
    at_once = max(1, sum(run.state == "leased" for run in search))
    mean = sum(timed) / len(timed)
    limits = [] if left is None else [left]
    if budget.get("hours") is not None:
        limits.append(math.ceil((3600 * budget["hours"] - busy_seconds(search)) * at_once / mean))
    if budget.get("gpu_hours") is not None:
        limits.append(math.ceil((3600 * budget["gpu_hours"] - own_seconds(search)) / mean))
    return max(0, min(limits))


def _confirm(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]) -> int:
    confirm = study.settings.get("confirm") or {}
    seeds = int(confirm.get("seeds", 0))
    confirmed = [run for run in runs if run.pool == "confirm"]
    # Where each seed has its own teacher, a fresh seed brings one more run: it is there once a run needs it.
    teachers = {run.needs for run in confirmed if run.needs is not None}
    own_teachers = max(0, seeds - len(teachers)) if study.settings.get("teachers") == "per-seed" else 0
    baselines = {id_ for id_, record in configurations.items() if record.kind == "baseline"}
    if study.winner_id is None:
        ablated = bool(study.settings.get("teacher_parameters"))
        compared = 1 + ablated + len(baselines) + int(confirm.get("finalists", 0))
        return compared * seeds + own_teachers
    # The ablation may be the winner itself or a baseline: each configuration counts once.
    fixed = {study.winner_id, *baselines, *study.finalist_ids}
    if study.ablation_id is not None:
        fixed.add(study.ablation_id)
    ordered = dict.fromkeys(fixed, 0)
    for run in confirmed:
        if run.configuration_id in ordered:
            ordered[run.configuration_id] += 1
    missing = sum(max(0, seeds - count) for count in ordered.values())
    taught = any(_uses_teacher(study, configurations.get(id_)) for id_ in fixed)
    return missing + (own_teachers if taught else 0)


def _has_teacher(study: StudyRecord) -> bool:
    return str(study.settings.get("teachers", "one")) != "none"


def _uses_teacher(study: StudyRecord, configuration: ConfigurationRecord | None) -> bool:
    names = study.settings.get("teacher_parameters") or ()
    return configuration is not None and any(configuration.params.get(name, 0) != 0 for name in names)
