"""Before the search: is the teacher better than the student alone, so that there is something to distil?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdsearch.report.captions import caption
from kdsearch.report.captions import min_effect
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.selection import Selection
from kdsearch.report.selection import present
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import Difference
from kdsearch.statistics import summarize
from kdsearch.statistics import unpaired_difference


def preflight(selection: Selection) -> Table | None:
    """Return teacher, student alone and their gap; ``None`` where neither has an ended run."""
    kinds = {id_: record.kind for id_, record in selection.configurations.items()}
    runs = [run for run in selection.runs if run.pool in ("teacher", "preflight")]
    taught = [run for run in runs if run.pool == "teacher" or kinds.get(run.configuration_id) == "teacher"]
    teacher = present([selection.objective(run) for run in taught])
    student = present([selection.objective(run) for run in runs if run not in taught])
    if not teacher and not student:
        return None
    gap = unpaired_difference(teacher, student) if teacher and student else None
    rows = [_row("teacher", teacher, gap), _row("student alone", student, None)]
    return Table(
        key="preflight",
        title="Pre-flight",
        caption=caption(
            selection.study,
            f"objective (validation {selection.study.metric}) at the chosen epoch",
            spread="sd over seeds",
        ),
        columns=(
            Column("n", "n", "count"),
            Column("objective", f"validation {selection.study.metric}", "estimate"),
            Column("gap", "teacher - student", "difference"),
        ),
        rows=tuple(rows),
        notes=tuple(_notes(selection, gap, teacher)),
        stub="network",
    )


def gap_verdict(gap: Difference, effect: float) -> str:
    """Say whether there is a gap to distil: ``fine``, ``no gap to distil``, or that the runs cannot tell."""
    if gap.mean <= 0 or gap.high < effect:
        return "no gap to distil"
    if gap.low > 0:
        return "fine: the teacher is better than the student alone"
    if math.isnan(gap.low):
        return "one run a side cannot tell whether there is a gap to distil"
    return "a gap is likely but not sure from so few runs"


def _row(label: str, values: Sequence[float], gap: Difference | None) -> Row:
    cells: tuple[Cell, ...] = (
        len(values),
        Estimate.of(summarize(values)),
        Estimate.between(gap) if gap is not None else None,
    )
    return Row(label, cells)


def _notes(selection: Selection, gap: Difference | None, teacher: Sequence[float]) -> list[str]:
    notes = []
    if gap is not None:
        notes.append(f"Verdict: {gap_verdict(gap, min_effect(selection.study))} (Welch 95 % interval).")
    chosen = next((run for run in selection.runs if run.id == selection.study.teacher_run_id), None)
    if chosen is not None and chosen.objective is not None and len(teacher) > 1:
        notes.append(
            f"Teacher used: run {chosen.id}, {fixed(chosen.objective, 4)}, the best of {len(teacher)} by objective, so "
            "its own number is optimistic."
        )
    return notes
