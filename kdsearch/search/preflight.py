"""Before the search: train its teachers and the student alone, and say whether there is a gap to distil."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from kdsearch.data.folds import Fold
from kdsearch.draws import FIRST_PREFLIGHT_SEED, FIRST_TEACHER_SEED
from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import ChooseTeacher, NewConfiguration, NewRun, Note, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ENDED, Kind, SearchRun
from kdsearch.search.observations import by_pool, pending
from kdsearch.search.remaining import TEACHER_CANDIDATES
from kdsearch.search.teachers import TEACHER, UNTRAINED, Teachers, search_draws, streams_in
from kdsearch.statistics.differences import Difference, paired_difference, unpaired_difference
from kdsearch.statistics.rounding import alone, decimals, fixed, spread_out
from kdsearch.statistics.rounding import interval as bounds
from kdsearch.statistics.summaries import summarize
from kdsearch.study.declaration import Study

STUDENT_ALONE: tuple[Kind, str] = ("ablation", "student alone (pre-flight)")


def orders(study: Study, state: SearchState) -> list[Order]:
    """Orders of the teacher phase: first the runs, then, when all have ended, the finding and the search.

    A study with one teacher has it chosen here. Of version 1 it is the best of three candidates by objective; since
    then nothing of a teacher is chosen on the clips that validate its students.
    """
    if not study.task.has_teacher or state.study.settings.teachers in UNTRAINED:
        return [ChooseTeacher(None)]
    pools = by_pool(state)
    if state.study.version == 1:
        return _best_of_candidates(study, state, pools["teacher"], pools["preflight"])
    teachers = Teachers(state, study.uses_teacher)
    places = [teachers.of(draw) for draw in search_draws(state.study, streams_in(state.study, study.defaults))]
    missing = [order for place in places for order in place.orders]
    if not pools["teacher"]:
        return _first(study, missing, teachers)
    if missing:
        return missing
    if pending(pools["teacher"]) or pending(pools["preflight"]):
        return []
    serving = [run for run in pools["teacher"] if run.state == "done"]
    chosen = places[0].needs if state.study.settings.teachers == "one" else None
    assert chosen is None or isinstance(chosen, int)
    return [finding(study, serving, pools["preflight"]), ChooseTeacher(chosen)]


def _first(study: Study, ordered: Sequence[Order], teachers: Teachers) -> list[Order]:
    """The teachers that are ``ordered``, and the student alone on seeds that take the folds in turn."""
    placed = [NewConfiguration(*TEACHER, dict(study.task.parameters), "kdsearch"), *ordered]
    alone = study.without_teacher(study.defaults)
    if study.preflight_seeds:
        placed.append(NewConfiguration(*STUDENT_ALONE, alone, "kdsearch"))
    for seed in range(FIRST_PREFLIGHT_SEED, FIRST_PREFLIGHT_SEED + study.preflight_seeds):
        fold = teachers.for_run(alone, "preflight", seed).fold
        placed.append(NewRun(STUDENT_ALONE, "preflight", seed, priority=1, fold=fold))
    return placed


def _best_of_candidates(
    study: Study, state: SearchState, teachers: list[SearchRun], students: list[SearchRun]
) -> list[Order]:
    """Three candidates, of which the best by objective serves all runs: studies of version 1."""
    if not teachers:
        candidates = [
            NewRun(TEACHER, "teacher", FIRST_TEACHER_SEED + index, keep_weights=True)
            for index in range(TEACHER_CANDIDATES)
        ]
        return _first(study, candidates, Teachers(state, study.uses_teacher))
    if pending(teachers) or pending(students):
        return []
    done = [run for run in teachers if run.state == "done" and run.objective is not None]
    if not done:
        raise KdsearchError(
            f"none of the {len(teachers)} teacher runs ended well, so there is nothing to distil. "
            f"See why with: kdsearch logs {teachers[0].id}; then launch with --retry-failed."
        )
    best = max(done, key=lambda run: (state.study.sign * (run.objective or 0.0), -run.id))
    return [finding(study, teachers, students), ChooseTeacher(best.id)]


def finding(study: Study, teachers: Sequence[SearchRun], students: Sequence[SearchRun]) -> Note:
    """The event that says how far the teachers lie above the student alone, and warns where there is hardly a gap."""
    teacher, student = _objectives(teachers), _objectives(students)
    if not study.preflight_seeds and teacher:
        message = f"teacher on its objective: {_mean(teacher)}; no student was asked for beside it (preflight_seeds=0)"
        return Note("preflight", message, once=True)
    if not teacher or len(student) < 2:
        return Note("preflight", "pre-flight: too few runs ended to compare teacher and student", once=True)
    gap, paired = teacher_gap(_on_folds(teachers), _on_folds(students))
    how = f", paired on {paired} folds" if paired else ""
    spread = summarize(student).sd
    digits = decimals([spread], [*teacher, *student])
    warning = (-gap.mean if study.direction == "minimize" else gap.mean) < max(spread, study.min_effect)
    data: dict[str, Any] = {"teacher": teacher, "student": student, "warning": warning}
    if math.isnan(gap.low):
        few = "there is one teacher" if len(teacher) == 1 else "equal differences of so few runs give none"
        interval = f", without an interval, for {few}"
        data |= {"difference": gap.mean}
    else:
        interval = f" {bounds(gap.low, gap.high, digits, signed=True)}{how}"
        data |= {"gap": gap.mean, "low": gap.low, "high": gap.high} | ({"folds": gap.n} if how else {})
    message = (
        f"pre-flight on the objective: teacher {_mean(teacher)}, student alone {_mean(student)}, "
        f"gap {fixed(gap.mean, digits, signed=True)}{interval}"
    )
    if getattr(study.task, "recipe", "") == "last":
        message += "; it is understated, for the student stands at its best epoch and the teacher at its last"
    if warning:
        message += (
            f". Warning: there is hardly a gap to distil: it is smaller than the student's seed sd ({alone(spread)}) "
            f"or min_effect ({study.min_effect:g}). A wider teacher, or a student that sees less, leaves one."
        )
    return Note("preflight", message, data, once=True)


def teacher_gap(
    teachers: Sequence[tuple[Fold, float]], students: Sequence[tuple[Fold, float]]
) -> tuple[Difference, int]:
    """Teacher minus student of the objectives on their folds, and on how many folds it is paired: 0 where it is not.

    It is paired by the means on each fold where both have two folds or more in common.
    """
    first, second = _by_fold(teachers), _by_fold(students)
    common = sorted(first.keys() & second.keys())
    if len(common) < 2:
        return unpaired_difference([value for _, value in teachers], [value for _, value in students]), 0
    return paired_difference([first[fold] for fold in common], [second[fold] for fold in common]), len(common)


def _by_fold(found: Iterable[tuple[Fold, float]]) -> dict[Fold, float]:
    """Mean objective on each fold."""
    values: dict[Fold, list[float]] = defaultdict(list)
    for fold, value in found:
        values[fold].append(value)
    return {fold: sum(own) / len(own) for fold, own in values.items()}


def _on_folds(runs: Iterable[SearchRun]) -> list[tuple[Fold, float]]:
    return [(run.fold, run.objective) for run in runs if run.state in ENDED and run.objective is not None]


def _objectives(runs: Iterable[SearchRun]) -> list[float]:
    return [objective for _, objective in _on_folds(runs)]


def _mean(values: list[float]) -> str:
    summary = summarize(values)
    if summary.n < 2:
        return f"{alone(summary.mean)} (n=1)"
    return f"{spread_out(summary.mean, summary.sd)} (n={summary.n})"
