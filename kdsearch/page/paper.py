"""How a study is reported in a paper: a paragraph of methods and result, and the table in LaTeX."""

from __future__ import annotations

from kdsearch.report.formats.latex import table_text
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Report
from kdsearch.report.wording import plural


def paragraph(report: Report, selection: Selection) -> str | None:
    """Methods and result in plain sentences; ``None`` while there is no answer."""
    if report.answer is None:
        return None
    searched = selection.searched()
    runs = sum(len(values) for values in searched.values())
    fresh = len(selection.results(selection.study.winner_id or -1))
    measure = f"test {selection.study.metric}" if selection.has_scores else selection.study.metric
    return (
        f"We searched {plural(len(selection.study.settings.space), 'hyperparameter')} over "
        f"{plural(len(searched), 'configuration')} with {plural(runs, 'run')}, and chose the configuration by its "
        f"{'validation ' if selection.has_scores else ''}{selection.study.metric} on the seeds of the search alone. "
        f"What we report is {measure} over {plural(fresh, 'fresh seed')} that took part in no choice. "
        f"{report.answer.sentence} {report.answer.average}"
    )


def latex(report: Report) -> str:
    """The comparison as a LaTeX table, empty where there is none."""
    found = [own for own in report.tables if own.key == "comparison"]
    return table_text(found[0]) if found else ""
