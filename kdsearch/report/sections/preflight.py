"""Before the search: is the teacher better than the student alone, so that there is something to distil?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.data.folds import Fold
from kdsearch.draws import FIRST_TEACHER_SEED
from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import min_effect
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import objective_words
from kdsearch.report.drawn import Drawn
from kdsearch.report.drawn import drawn
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.selection import Selection
from kdsearch.report.selection import present
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.search.preflight import teacher_gap
from kdsearch.search.teachers import REPLACED
from kdsearch.search.teachers import search_draws
from kdsearch.statistics import Difference
from kdsearch.statistics import summarize

CANDIDATE_SEEDS = range(FIRST_TEACHER_SEED, FIRST_TEACHER_SEED + 1000)
"""Seeds of the candidates for the one teacher of a study of version 1; one that serves one seed has another."""


@dataclass(frozen=True)
class Finding:
    """What the pre-flight found. ``warning``: the gap is below the larger of student sd and ``min_effect``.

    ``paired``: on how many folds teacher and student were compared; 0 where they were not paired.
    """

    gap: float
    low: float
    high: float
    student_sd: float
    min_effect: float
    warning: bool
    paired: int = 0

    @classmethod
    def stored(cls, data: Mapping[str, Any], effect: float) -> Finding | None:
        """Read the event ``preflight``, which the planner decided by; ``None`` where too few runs had ended."""
        if "gap" not in data or "warning" not in data:
            return None
        sd = summarize([float(value) for value in data.get("student", ())]).sd
        gap, low, high = float(data["gap"]), float(data["low"]), float(data["high"])
        return cls(gap, low, high, sd, effect, bool(data["warning"]), int(data.get("folds", 0)))

    @classmethod
    def of(cls, gap: Difference, student: Sequence[float], effect: float, paired: int = 0) -> Finding:
        """Judge runs as ``kdsearch.search.preflight`` will when all have ended."""
        sd = summarize(student).sd
        return cls(gap.mean, gap.low, gap.high, sd, effect, gap.mean < max(sd, effect), paired)

    def words(self) -> str:
        """Say whether there is a gap to distil."""
        low, high = fixed(self.low, 4, signed=True), fixed(self.high, 4, signed=True)
        numbers = f"{fixed(self.gap, 4, signed=True)} [{low}, {high}]"
        if self.warning:
            text = f"hardly a gap to distil: teacher minus student alone is {numbers}"
            if self.gap < max(self.student_sd, self.min_effect):  # not so when min_effect was changed since
                sd = fixed(self.student_sd, 4)
                text += f", smaller than the student's seed sd ({sd}) or min_effect ({self.min_effect:g})"
            return text
        if self.low > 0:
            return f"fine: the teacher is better than the student alone, {numbers}"
        return f"a gap is likely but not sure from so few runs, {numbers}"

    @property
    def interval(self) -> str:
        """Say which interval it has."""
        return f"paired on {self.paired} folds, t 95 % interval" if self.paired else "Welch 95 % interval"


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
        notes=(*_verdict(selection, gap, paired, student), *_used(selection, teachers), MEAN_INTERVAL),
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
    return (selection.study.settings.get("preflight") or {}).get("seeds") == 0


def _verdict(selection: Selection, gap: Difference | None, paired: int, student: Sequence[float]) -> list[str]:
    if not student and _no_students(selection):
        return ["No student alone was asked for beside it (preflight_seeds=0)."]
    effect = min_effect(selection)
    event = next((event for event in selection.events if event.kind == "preflight"), None)
    if event is not None:  # the planner has spoken: its words stand, whichever runs the table above counts
        finding = Finding.stored(event.data, effect)
    elif gap is None:
        return []
    else:
        finding = None if math.isnan(gap.low) else Finding.of(gap, student, effect, paired)
    word = "Verdict so far" if event is None and selection.study.phase == "teacher" else "Verdict"
    if finding is not None:
        return [f"{word}: {finding.words()} ({finding.interval})."]
    if event is not None and "difference" in event.data:
        single = fixed(float(event.data["difference"]), 4, signed=True)
        hardly = "hardly a gap to distil: " if event.data.get("warning") else ""
        return [f"{word}: {hardly}teacher minus student alone is {single}; of one teacher there is no interval."]
    return [f"{word}: too few runs ended to compare teacher and student."]


def _used(selection: Selection, teachers: Sequence[RunRecord]) -> list[str]:
    if selection.study.version > 1:
        return _trained(selection, teachers)
    if selection.study.settings.get("teachers") == "per-seed":
        count = {3: "three", 2: "two"}.get(len(teachers), str(len(teachers)))
        if len(teachers) < 2:
            return ["Each student seed has its own teacher; this one measures the gap."] if teachers else []
        return [f"Each student seed has its own teacher; these {count} measure the gap."]
    chosen = next((run for run in teachers if run.id == selection.study.teacher_run_id), None)
    if chosen is None or chosen.objective is None or len(teachers) < 2:
        return []
    return [
        f"Teacher used: run {chosen.id}, {fixed(chosen.objective, 4)}, the best of {len(teachers)} by objective, so "
        "its own number is optimistic."
    ]


def _fresh_words(found: Drawn) -> str:
    return f"Fresh seeds share {found.shared} others." if found.shared else "Fresh seeds have teachers of their own."


def _trained(selection: Selection, teachers: Sequence[RunRecord]) -> list[str]:
    """Say which teachers serve the search: none of them was chosen, and each is another fold's or the one kept."""
    values = [(run, run.objective) for run in teachers if run.objective is not None]
    if not values:
        return []
    if selection.study.settings.get("teachers") == "one":
        run, value = values[0]
        return [f"One teacher for all runs, kept without a choice: run {run.id}, {fixed(value, 4)}."]
    found = drawn(selection)
    if found.teachers == "several" and not found.teacher:
        fresh = "Fresh seeds listen to them too."
    else:
        fresh = _fresh_words(found)
    if "last epoch" in selection.study.description:
        fresh += (
            " The gap is too small by what the student gains at its best epoch on these clips: the teacher stands at "
            "its last."
        )
    if found.folds("search") > 1:
        each = ", ".join(f"fold {run.fold.number} {fixed(value, 4)}" for run, value in values)
        return [f"One teacher a fold, trained outside it, none of them chosen: {each}. {fresh}"]
    return [f"{'One teacher' if len(values) == 1 else 'These teachers'} of the search, not chosen. {fresh}"]
