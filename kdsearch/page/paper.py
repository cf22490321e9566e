"""How a study is reported in a paper: a paragraph of methods and result, and the table in LaTeX."""

from __future__ import annotations

from kdsearch.report.captions import epoch_on_test, test_measure
from kdsearch.report.formats.latex import table_text
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Report
from kdsearch.report.wording import plural


def paragraph(report: Report, selection: Selection) -> str | None:
    """Methods and result in plain sentences; ``None`` while there is no answer."""
    if report.answer is None:
        return None
    study, measure = selection.study, test_measure(selection)
    every = [*selection.runs, *selection.left_out, *selection.failures, *selection.stopped]
    search = [run for run in every if run.pool == "search"]
    fresh = len(selection.results(study.winner_id or -1))
    part = "no choice of a configuration, but their epochs were chosen on test" if epoch_on_test(study) else "no choice"
    chosen_by = f"{'validation ' if selection.has_scores else ''}{study.metric}"
    said = (
        f"We searched {plural(len(study.settings.space), 'hyperparameter')} over "
        f"{plural(len({run.configuration_id for run in search}), 'configuration')} with {plural(len(search), 'run')}, "
        f"and chose the configuration by its {chosen_by} on the seeds of the search alone. What we report is {measure} "
        f"over {plural(fresh, 'fresh seed')} that took part in {part}. {report.answer.sentence} {report.answer.average}"
    )
    return f"The report begins with alarms: read them before you use this. {said}" if report.answer.alarmed else said


def latex(report: Report) -> str:
    """The comparison as a LaTeX table, empty where there is none."""
    found = [own for own in report.tables if own.key == "comparison"]
    return table_text(found[0]) if found else ""
