"""Before the search: is the teacher better than the student alone, so that there is something to distil?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.data.folds import Fold
from kdsearch.draws import FIRST_TEACHER_SEED
from kdsearch.ledger.records import EventRecord, RunRecord
from kdsearch.report.captions import caption, items, objective_heading, objective_name
from kdsearch.report.selection import Selection, present
from kdsearch.report.tables import Column, Estimate, Row, Table
from kdsearch.report.units import MEAN_INTERVAL, random_factors
from kdsearch.report.wording import fixed, interval
from kdsearch.search.preflight import teacher_gap
from kdsearch.search.teachers import REPLACED, search_draws
from kdsearch.statistics import Difference, summarize

ORDER, WHEN = 60, "always"

CANDIDATE_SEEDS = range(FIRST_TEACHER_SEED, FIRST_TEACHER_SEED + 1000)
"""Seeds of the candidates for the one teacher of a study of version 1; one that serves one seed has another."""


@dataclass(frozen=True)
class Gap:
    """What the pre-flight found. ``warning``: the gap is below the larger of student sd and ``min_effect``.

    ``paired``: on how many folds teacher and student were compared; 0 where they were not paired. ``sign``: of the
    study, 1 where higher is better.
    """

    gap: float
    low: float
    high: float
    student_sd: float
    min_effect: float
    warning: bool
    paired: int = 0
    sign: float = 1.0

    @classmethod
    def stored(cls, data: Mapping[str, Any], effect: float, sign: float) -> Gap | None:
        """Read the event ``preflight``, which the planner decided by; ``None`` where too few runs had ended."""
        if "gap" not in data or "warning" not in data:
            return None
        sd = summarize([float(value) for value in data.get("student", ())]).sd
        gap, low, high = float(data["gap"]), float(data["low"]), float(data["high"])
        return cls(gap, low, high, sd, effect, bool(data["warning"]), int(data.get("folds", 0)), sign)

    @classmethod
    def of(cls, gap: Difference, student: Sequence[float], effect: float, paired: int, sign: float) -> Gap:
        """Compare runs as ``kdsearch.search.preflight`` will when all have ended."""
        sd = summarize(student).sd
        return cls(gap.mean, gap.low, gap.high, sd, effect, sign * gap.mean < max(sd, effect), paired, sign)

    def numbers(self, digits: int) -> str:
        """Write the gap with its interval."""
        return f"{fixed(self.gap, digits, signed=True)} {interval(self.low, self.high, digits, signed=True)}"

    def describe(self, digits: int) -> str:
        """Say whether there is a gap to distil."""
        numbers = self.numbers(digits)
        if self.warning:
            text = f"hardly a gap to distil: teacher minus student alone is {numbers}"
            if self.sign * self.gap < max(self.student_sd, self.min_effect):  # not so when min_effect was changed since
                sd = fixed(self.student_sd, digits)
                text += f", smaller than the student's seed sd ({sd}) or min_effect ({self.min_effect:g})"
            return text
        if min(self.sign * self.low, self.sign * self.high) > 0:
            return f"fine: the teacher is better than the student alone, {numbers}"
        return f"a gap is likely but not sure from so few runs, {numbers}"


def section(selection: Selection) -> Table | None:
    """Return the teachers of the search, student alone and their gap; ``None`` where neither has an ended run."""
    teachers = _teachers(selection)
    students = [run for run in selection.runs if run.pool == "preflight"]
    teacher, student = (present([selection.objective(run) for run in runs]) for runs in (teachers, students))
    if not teacher and not student:
        return None
    gap, paired = None, 0
    if teacher and student:
        gap, paired = teacher_gap(_on_folds(selection, teachers), _on_folds(selection, students))
    between = Estimate.between(gap) if gap is not None else None
    rows = [Row("teacher", (len(teacher), Estimate.of(summarize(teacher)), between))]
    if student or selection.study.settings.preflight_seeds != 0:
        rows.append(Row("student alone", (len(student), Estimate.of(summarize(student)), None)))
    where = "at the chosen epoch" if selection.study.version == 1 else "on what validates each run"
    folds = random_factors(selection).folds("preflight")
    return Table(
        key="preflight",
        title="Pre-flight",
        caption=caption(
            selection,
            f"{objective_name(selection)} {where}",
            spread=f"sd over seeds and {folds} folds of one partition" if folds > 1 else "sd over seeds",
        ),
        columns=(
            Column("n", "n", "count"),
            Column("objective", objective_heading(selection), "estimate"),
            Column("gap", "teacher - student", "difference"),
        ),
        rows=tuple(rows),
        notes=(*_verdict(selection, gap, paired, student), *_used(selection, teachers, gap), MEAN_INTERVAL),
        row_header="network",
    )


def gap_alarm(selection: Selection) -> list[str]:
    """Return the pre-flight's own finding, where it saw too little to distil."""
    event = _event(selection)
    if event is None or not event.data.get("warning"):
        return []
    found = Gap.stored(event.data, selection.min_effect, selection.study.sign)
    numbers = found.numbers(selection.digits) if found else fixed(float(event.data["difference"]), selection.digits)
    return [
        f"The pre-flight found hardly a gap to distil: teacher minus student alone is {numbers} "
        f"{objective_heading(selection)}. Without a better teacher there is little to gain."
    ]


def _event(selection: Selection) -> EventRecord | None:
    return next((event for event in selection.events if event.kind == "preflight"), None)


def _teachers(selection: Selection) -> list[RunRecord]:
    """The candidates for the one teacher, in version 1; since then one a fold, or the one that is kept."""
    runs = [run for run in selection.runs if run.pool == "teacher"]
    if selection.study.version == 1:
        return [run for run in runs if run.seed in CANDIDATE_SEEDS]
    factors = random_factors(selection)
    draws = search_draws(selection.study, factors.streams)
    # One that diverged is replaced by another of its fold, and serves nobody.
    seeds = {factors.draws.teacher_seed(draw, number) for draw in draws for number in range(REPLACED + 1)}
    return sorted((run for run in runs if run.seed in seeds and run.state == "done"), key=lambda run: run.fold)


def _on_folds(selection: Selection, runs: Sequence[RunRecord]) -> list[tuple[Fold, float]]:
    found = [(run.fold, selection.objective(run)) for run in runs]
    return [(fold, objective) for fold, objective in found if objective is not None]


def _verdict(selection: Selection, gap: Difference | None, paired: int, student: Sequence[float]) -> list[str]:
    if not student and selection.study.settings.preflight_seeds == 0:
        return ["The study asks for no student alone (preflight_seeds=0)."]
    effect, event = selection.min_effect, _event(selection)
    if event is not None:  # the planner has decided: its finding stands, whichever runs the table above counts
        finding = Gap.stored(event.data, effect, selection.study.sign)
    elif gap is None:
        return []
    else:
        finding = None if math.isnan(gap.low) else Gap.of(gap, student, effect, paired, selection.study.sign)
    word = "Verdict so far" if event is None and selection.study.phase == "teacher" else "Verdict"
    if finding is not None:
        how = f"paired on {finding.paired} folds, t 95 % interval" if finding.paired else "Welch 95 % interval"
        return [f"{word}: {finding.describe(selection.digits)} ({how})."]
    if event is not None and "difference" in event.data:
        single = fixed(float(event.data["difference"]), selection.digits, signed=True)
        hardly = "hardly a gap to distil: " if event.data.get("warning") else ""
        why = "of one teacher" if len(event.data.get("teacher", ())) == 1 else "where values are equal"
        return [f"{word}: {hardly}teacher minus student alone is {single}; {why} there is no interval."]
    return [f"{word}: too few runs ended to compare teacher and student."]


def _used(selection: Selection, teachers: Sequence[RunRecord], gap: Difference | None) -> list[str]:
    study = selection.study
    if study.version > 1:
        return _trained(selection, teachers, gap)
    if study.settings.teachers == "per-seed":
        each = {1: "this one measures", 2: "these two measure", 3: "these three measure"}
        measure = each.get(len(teachers), f"these {len(teachers)} measure")
        return [f"Each student seed has its own teacher; {measure} the gap."] if teachers else []
    chosen = next((run for run in teachers if run.id == study.teacher_run_id), None)
    if chosen is None or chosen.objective is None or len(teachers) < 2:
        return []
    return [
        f"Teacher used: run {chosen.id}, {fixed(chosen.objective, selection.digits)}, the best of {len(teachers)} by "
        "objective, so its own number is optimistic."
    ]


def _trained(selection: Selection, teachers: Sequence[RunRecord], gap: Difference | None) -> list[str]:
    """Say which teachers serve the search: none of them was chosen, and each is another fold's or the one kept."""
    values = [(run, run.objective) for run in teachers if run.objective is not None]
    if not values:
        return []
    if selection.study.settings.teachers == "one":
        run, value = values[0]
        return [f"One teacher for all runs, kept without a choice: run {run.id}, {fixed(value, selection.digits)}."]
    factors = random_factors(selection)
    fresh = "Fresh seeds have teachers of their own."
    if factors.teachers == "several" and not factors.teacher:
        fresh = "Fresh seeds have the same teachers."
    elif factors.shared:
        fresh = f"Fresh seeds share {factors.shared} others."
    if gap is not None and "last epoch" in selection.study.description:
        fresh += (
            f" The gap is understated: the student stands at its best epoch on these {items(selection.study)}, the "
            "teacher at its last."
        )
    if factors.folds("search") > 1:
        each = ", ".join(f"fold {run.fold.number} {fixed(value, selection.digits)}" for run, value in values)
        return [f"One teacher a fold, trained outside it, none of them chosen: {each}. {fresh}"]
    return [f"{'One teacher' if len(values) == 1 else 'These teachers'} of the search, not chosen. {fresh}"]
