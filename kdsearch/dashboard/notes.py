"""Notes in Optuna's dashboard: of a study its answer, of a trial its seeds and its verdict, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kdsearch.engines.optuna_mirror import CONFIGURATION
from kdsearch.figures.view import View, view
from kdsearch.ledger.records import StudyResults
from kdsearch.report.build import build
from kdsearch.report.formats.markdown import escape
from kdsearch.report.wording import fixed
from kdsearch.statistics.rounding import spread_out

if TYPE_CHECKING:
    import optuna

LEADING, SEEDS = 30, 40
"""Configurations that have a note, beside what is compared; seeds that a note lists."""


def write_notes(study: optuna.Study, results: StudyResults) -> int:
    """Write what has changed since the last time; returns how many notes that were."""
    import optuna
    from optuna_dashboard import get_note, save_note

    seen = view(results)
    trials = {trial.user_attrs.get(CONFIGURATION): trial for trial in study.get_trials(deepcopy=False)}
    texts: list[tuple[optuna.Study | optuna.Trial, str]] = [(study, study_note(results))]
    for id_, text in trial_notes(seen):
        if id_ in trials:
            texts.append((optuna.Trial(study, trials[id_]._trial_id), text))
    changed = [(target, text) for target, text in texts if get_note(target) != text]
    for target, text in changed:
        save_note(target, text)
    return len(changed)


def study_note(results: StudyResults) -> str:
    """The report's answer, or how far the study is."""
    report = build(results)
    lines = [f"# {escape(report.title)}"]
    if report.answer is None:
        return "\n\n".join([*lines, *(f"- {escape(note)}" for note in report.notes)])
    answer = report.answer
    lines += [f"**{escape(answer.sentence)}**", escape(answer.numbers), *(escape(remark) for remark in answer.remarks)]
    lines += [escape(answer.average), *(f"```bash\n{command}\n```" for command in (answer.train,) if command)]
    return "\n\n".join(lines)


def trial_notes(seen: View) -> Iterator[tuple[int, str]]:
    """Id and note of the leading configurations, and of all that is compared with the winner."""
    believed = {row.id: row for row in seen.leading(LEADING)}
    compared = {row.id: row for row in seen.compared}
    for id_ in {**believed, **compared}:
        label = compared[id_].label if id_ in compared else seen.name(id_)
        lines = [f"## {escape(label)}"]
        if (row := believed.get(id_)) is not None and row.n:
            out = "; out: too improbable to be the best" if row.out else ""
            lines.append(f"Believed: {spread_out(row.estimate, row.sd)} (posterior mean ± sd, n = {row.n}{out}).")
        if (found := seen.comparisons.rows.get(id_) if seen.decided else None) is not None:
            mean = seen.fixed(found.difference.mean, signed=True)
            lines.append(
                f"Winner minus this on fresh seeds: {mean} (n = {found.difference.n}), {escape(found.verdict)}."
            )
        table = list(_seeds(seen, id_))
        if table:
            lines.append("\n".join(["| seeds | seed | objective | result |", "|:---|---:|---:|---:|", *table[:SEEDS]]))
        yield id_, "\n\n".join(lines)


def _seeds(seen: View, id_: int) -> Iterator[str]:
    selection, digits = seen.selection, seen.selection.digits
    for pool, name in (("search", "search"), ("confirm", "fresh")):
        for run in selection.of(id_, pool):  # type: ignore[arg-type]
            objective = selection.objective(run)
            result = selection.result(run) if pool == "confirm" and seen.decided else None
            texts = ["-" if value is None else fixed(value, digits) for value in (objective, result)]
            yield f"| {name} | {run.seed} | {texts[0]} | {texts[1]} |"
