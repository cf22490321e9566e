"""Before the search: is the teacher better than the student alone, so that there is something to distil?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import min_effect
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import objective_words
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.selection import Selection
from kdsearch.report.selection import present
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.search.seeds import FIRST_TEACHER_SEED
from kdsearch.statistics import Difference
from kdsearch.statistics import summarize
from kdsearch.statistics import unpaired_difference

CANDIDATE_SEEDS = range(FIRST_TEACHER_SEED, FIRST_TEACHER_SEED + 1000)
"""Seeds of the candidates for the study's one teacher; a teacher that serves one student seed has another."""


@dataclass(frozen=True)
class Finding:
    """What the pre-flight found. ``warning``: the gap is below the larger of student sd and ``min_effect``."""

    gap: float
    low: float
    high: float
    student_sd: float
    min_effect: float
    warning: bool

    @classmethod
    def stored(cls, data: Mapping[str, Any], effect: float) -> Finding | None:
        """Read the event ``preflight``, which the planner decided by; ``None`` where too few runs had ended."""
        if "gap" not in data or "warning" not in data:
            return None
        sd = summarize([float(value) for value in data.get("student", ())]).sd
        gap, low, high = float(data["gap"]), float(data["low"]), float(data["high"])
        return cls(gap, low, high, sd, effect, bool(data["warning"]))

    @classmethod
    def of(cls, gap: Difference, student: Sequence[float], effect: float) -> Finding:
        """Judge runs as ``kdsearch.search.preflight`` will when all have ended."""
        sd = summarize(student).sd
        return cls(gap.mean, gap.low, gap.high, sd, effect, gap.mean < max(sd, effect))

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


def preflight(selection: Selection) -> Table | None:
    """Return teacher candidates, student alone and their gap; ``None`` where neither has an ended run."""
    candidates = [run for run in selection.runs if run.pool == "teacher" and run.seed in CANDIDATE_SEEDS]
    teacher = present([selection.objective(run) for run in candidates])
    student = present([selection.objective(run) for run in selection.runs if run.pool == "preflight"])
    if not teacher and not student:
        return None
    gap = unpaired_difference(teacher, student) if teacher and student else None
    rows = [_row("teacher", teacher, gap)]
    if student or not _no_students(selection):
        rows.append(_row("student alone", student, None))
    words = objective_words(selection.study, selection.has_scores)
    return Table(
        key="preflight",
        title="Pre-flight",
        caption=caption(selection.study, f"{words} at the chosen epoch", spread="sd over seeds"),
        columns=(
            Column("n", "n", "count"),
            Column("objective", objective_title(selection.study, selection.has_scores), "estimate"),
            Column("gap", "teacher - student", "difference"),
        ),
        rows=tuple(rows),
        notes=(*_verdict(selection, gap, student), *_used(selection, candidates), MEAN_INTERVAL),
        stub="network",
    )


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


def _verdict(selection: Selection, gap: Difference | None, student: Sequence[float]) -> list[str]:
    if not student and _no_students(selection):
        return ["No student alone was asked for beside it (preflight_seeds=0)."]
    effect = min_effect(selection)
    event = next((event for event in selection.events if event.kind == "preflight"), None)
    if event is not None:  # the planner has spoken: its words stand, whichever runs the table above counts
        finding = Finding.stored(event.data, effect)
    elif gap is None:
        return []
    else:
        finding = None if math.isnan(gap.low) else Finding.of(gap, student, effect)
    word = "Verdict so far" if event is None and selection.study.phase == "teacher" else "Verdict"
    if finding is None:
        return [f"{word}: too few runs ended to compare teacher and student."]
    return [f"{word}: {finding.words()} (Welch 95 % interval)."]


def _used(selection: Selection, candidates: Sequence[RunRecord]) -> list[str]:
    if selection.study.settings.get("teachers") == "per-seed":
        count = {3: "three", 2: "two"}.get(len(candidates), str(len(candidates)))
        if len(candidates) < 2:
            return ["Each student seed has its own teacher; this one measures the gap."] if candidates else []
        return [f"Each student seed has its own teacher; these {count} measure the gap."]
    chosen = next((run for run in candidates if run.id == selection.study.teacher_run_id), None)
    if chosen is None or chosen.objective is None or len(candidates) < 2:
        return []
    return [
        f"Teacher used: run {chosen.id}, {fixed(chosen.objective, 4)}, the best of {len(candidates)} by objective, so "
        "its own number is optimistic."
    ]
