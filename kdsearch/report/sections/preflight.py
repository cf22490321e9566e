"""Before the search: is the teacher better than the student alone, so that there is something to distil?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdsearch.data.folds import Fold
from kdsearch.draws import FIRST_TEACHER_SEED
from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import MEAN_INTERVAL, caption, items, min_effect, objective_title, objective_words
from kdsearch.report.drawn import Drawn, drawn
from kdsearch.report.formats.cells import fixed
from kdsearch.report.gap import Gap
from kdsearch.report.selection import Selection, present
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.search.preflight import teacher_gap
from kdsearch.search.teachers import REPLACED, search_draws
from kdsearch.statistics import Difference, summarize

CANDIDATE_SEEDS = range(FIRST_TEACHER_SEED, FIRST_TEACHER_SEED + 1000)
"""Seeds of the candidates for the one teacher of a study of version 1; one that serves one seed has another."""


def preflight(selection: Selection) -> Table | None:
    """Return the teachers of the search, student alone and their gap; ``None`` where neither has an ended run."""
    teachers = _teachers(selection)
    students = [run for run in selection.runs if run.pool == "preflight"]
    teacher, student = (present([selection.objective(run) for run in runs]) for runs in (teachers, students))
    if not teacher and not student:
        return None
    gap, paired = None, 0
    if teacher and student:
        gap, paired = teacher_gap(_on_folds(selection, teachers), _on_folds(selection, students))
    rows = [_row("teacher", teacher, gap)]
    if student or not _no_students(selection):
        rows.append(_row("student alone", student, None))
    words = objective_words(selection.study, selection.has_scores)
    first = selection.study.version == 1
    where = "at the chosen epoch" if first else "on what validates each run"
    folds = drawn(selection).folds("preflight")
    return Table(
        key="preflight",
        title="Pre-flight",
        caption=caption(
            selection,
            f"{words} {where}",
            spread=f"sd over seeds and {folds} folds of one partition" if folds > 1 else "sd over seeds",
        ),
        columns=(
            Column("n", "n", "count"),
            Column("objective", objective_title(selection.study, selection.has_scores), "estimate"),
            Column("gap", "teacher - student", "difference"),
        ),
        rows=tuple(rows),
        notes=(*_verdict(selection, gap, paired, student), *_used(selection, teachers, gap), MEAN_INTERVAL),
        stub="network",
    )


def _teachers(selection: Selection) -> list[RunRecord]:
    """The candidates for the one teacher, in version 1; since then one a fold, or the one that is kept."""
    runs = [run for run in selection.runs if run.pool == "teacher"]
    if selection.study.version == 1:
        return [run for run in runs if run.seed in CANDIDATE_SEEDS]
    found = drawn(selection)
    draws = search_draws(selection.study, found.streams)
    # One that diverged is replaced by another of its fold, and serves nobody.
    seeds = {found.draws.teacher_seed(draw, number) for draw in draws for number in range(REPLACED + 1)}
    return sorted((run for run in runs if run.seed in seeds and run.state == "done"), key=lambda run: run.fold)


def _on_folds(selection: Selection, runs: Sequence[RunRecord]) -> list[tuple[Fold, float]]:
    found = [(run.fold, selection.objective(run)) for run in runs]
    return [(fold, objective) for fold, objective in found if objective is not None]


def _row(label: str, values: Sequence[float], gap: Difference | None) -> Row:
    cells: tuple[Cell, ...] = (
        len(values),
        Estimate.of(summarize(values)),
        Estimate.between(gap) if gap is not None else None,
    )
    return Row(label, cells)


def _no_students(selection: Selection) -> bool:
    """Whether the study asks for none, as where the teacher's own task is another one."""
    return selection.study.settings.preflight_seeds == 0


def _verdict(selection: Selection, gap: Difference | None, paired: int, student: Sequence[float]) -> list[str]:
    if not student and _no_students(selection):
        return ["No student alone was asked for beside it (preflight_seeds=0)."]
    effect = min_effect(selection)
    event = next((event for event in selection.events if event.kind == "preflight"), None)
    if event is not None:  # the planner has spoken: its words stand, whichever runs the table above counts
        finding = Gap.stored(event.data, effect)
    elif gap is None:
        return []
    else:
        finding = None if math.isnan(gap.low) else Gap.of(gap, student, effect, paired)
    word = "Verdict so far" if event is None and selection.study.phase == "teacher" else "Verdict"
    if finding is not None:
        return [f"{word}: {finding.words(selection.digits)} ({finding.interval})."]
    if event is not None and "difference" in event.data:
        single = fixed(float(event.data["difference"]), selection.digits, signed=True)
        hardly = "hardly a gap to distil: " if event.data.get("warning") else ""
        why = "of one teacher" if len(event.data.get("teacher", ())) == 1 else "where values are equal"
        return [f"{word}: {hardly}teacher minus student alone is {single}; {why} there is no interval."]
    return [f"{word}: too few runs ended to compare teacher and student."]


def _used(selection: Selection, teachers: Sequence[RunRecord], gap: Difference | None) -> list[str]:
    if selection.study.version > 1:
        return _trained(selection, teachers, gap)
    if selection.study.settings.teachers == "per-seed":
        count = {3: "three", 2: "two"}.get(len(teachers), str(len(teachers)))
        if len(teachers) < 2:
            return ["Each student seed has its own teacher; this one measures the gap."] if teachers else []
        return [f"Each student seed has its own teacher; these {count} measure the gap."]
    chosen = next((run for run in teachers if run.id == selection.study.teacher_run_id), None)
    if chosen is None or chosen.objective is None or len(teachers) < 2:
        return []
    return [
        f"Teacher used: run {chosen.id}, {fixed(chosen.objective, selection.digits)}, the best of {len(teachers)} by "
        "objective, so its own number is optimistic."
    ]


def _fresh_words(found: Drawn) -> str:
    return f"Fresh seeds share {found.shared} others." if found.shared else "Fresh seeds have teachers of their own."


def _trained(selection: Selection, teachers: Sequence[RunRecord], gap: Difference | None) -> list[str]:
    """Say which teachers serve the search: none of them was chosen, and each is another fold's or the one kept."""
    values = [(run, run.objective) for run in teachers if run.objective is not None]
    if not values:
        return []
    if selection.study.settings.teachers == "one":
        run, value = values[0]
        return [f"One teacher for all runs, kept without a choice: run {run.id}, {fixed(value, selection.digits)}."]
    found = drawn(selection)
    if found.teachers == "several" and not found.teacher:
        fresh = "Fresh seeds listen to them too."
    else:
        fresh = _fresh_words(found)
    if gap is not None and "last epoch" in selection.study.description:
        fresh += (
            f" The gap is understated: the student stands at its best epoch on these {items(selection.study)}, the "
            "teacher at its last."
        )
    if found.folds("search") > 1:
        each = ", ".join(f"fold {run.fold.number} {fixed(value, selection.digits)}" for run, value in values)
        return [f"One teacher a fold, trained outside it, none of them chosen: {each}. {fresh}"]
    return [f"{'One teacher' if len(values) == 1 else 'These teachers'} of the search, not chosen. {fresh}"]
