"""Before the search: train the teacher's candidates and the student alone, and say whether there is a gap to distil."""

from __future__ import annotations

from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import ChooseTeacher
from kdsearch.ledger.orders import NewConfiguration
from kdsearch.ledger.orders import NewRun
from kdsearch.ledger.orders import Note
from kdsearch.ledger.orders import Order
from kdsearch.ledger.records import ENDED
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.views import SearchState
from kdsearch.search.evidence import by_pool
from kdsearch.search.evidence import pending
from kdsearch.search.expected import TEACHER_CANDIDATES
from kdsearch.search.seeds import preflight_seed
from kdsearch.search.seeds import teacher_seed
from kdsearch.search.teachers import TEACHER
from kdsearch.statistics.summaries import summarize
from kdsearch.statistics.unpaired import unpaired_difference
from kdsearch.study import Study

STUDENT_ALONE = ("ablation", "student alone (pre-flight)")


def orders(study: Study, state: SearchState) -> list[Order]:
    """Orders of the teacher phase: first the runs, then, when all have ended, the choice."""
    if not study.trained.has_teacher:
        return [ChooseTeacher(None)]
    pools = by_pool(state)
    teachers, students = pools["teacher"], pools["preflight"]
    if not teachers:
        return _runs(study)
    if pending(teachers) or pending(students):
        return []
    done = [run for run in teachers if run.state == "done" and run.objective is not None]
    if not done:
        raise KdsearchError(
            f"none of the {len(teachers)} teacher runs ended well, so there is nothing to distil. "
            f"See why with: kdsearch logs {teachers[0].id}; then launch with --retry-failed."
        )
    best = max(done, key=lambda run: (run.objective or 0.0, -run.id))
    return [_finding(study, teachers, students), ChooseTeacher(best.id)]


def _runs(study: Study) -> list[Order]:
    teacher = dict(study.trained.parameters)
    placed: list[Order] = [NewConfiguration("teacher", TEACHER[1], teacher, "kdsearch")]
    placed += [
        NewRun(("teacher", TEACHER[1]), "teacher", teacher_seed(index), keep_weights=True)
        for index in range(TEACHER_CANDIDATES)
    ]
    if study.preflight_seeds:
        placed.append(NewConfiguration("ablation", STUDENT_ALONE[1], study.without_teacher(study.defaults), "kdsearch"))
    placed += [
        NewRun(("ablation", STUDENT_ALONE[1]), "preflight", preflight_seed(index), priority=1)
        for index in range(study.preflight_seeds)
    ]
    return placed


def _finding(study: Study, teachers: list[SearchRun], students: list[SearchRun]) -> Note:
    teacher = [run.objective for run in teachers if run.state in ENDED and run.objective is not None]
    student = [run.objective for run in students if run.state in ENDED and run.objective is not None]
    if not study.preflight_seeds and len(teacher) >= 2:
        message = f"teacher on its objective: {_mean(teacher)}; no student was asked for beside it (preflight_seeds=0)"
        return Note("preflight", message, once=True)
    if len(teacher) < 2 or len(student) < 2:
        return Note("preflight", "pre-flight: too few runs ended to compare teacher and student", once=True)
    gap = unpaired_difference(teacher, student)
    spread = summarize(student).sd
    message = (
        f"pre-flight on the objective: teacher {_mean(teacher)}, student alone {_mean(student)}, "
        f"gap {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
    )
    data = {
        "teacher": teacher,
        "student": student,
        "gap": gap.mean,
        "low": gap.low,
        "high": gap.high,
        "warning": gap.mean < max(spread, study.min_effect),
    }
    if data["warning"]:
        message += (
            f". Warning: there is hardly a gap to distil: it is smaller than the student's seed sd ({spread:.4f}) or "
            f"min_effect ({study.min_effect:g}). A wider teacher, or a student that sees less, leaves one."
        )
    return Note("preflight", message, data, once=True)


def _mean(values: list[float]) -> str:
    summary = summarize(values)
    return f"{summary.mean:.4f} ± {summary.sd:.4f} (n={summary.n})"
