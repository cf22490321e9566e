"""Figures that others published, next to ours."""

from __future__ import annotations

from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import data_line
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import compared
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import summarize


def published(selection: Selection) -> Table | None:
    """Return the study file's published figures under ours; ``None`` where it names none."""
    figures = selection.study.settings.get("published") or ()
    if not figures:
        return None
    ours = [row for row in compared(selection) if row.part in ("winner", "primary")]
    summaries = [(row.label, summarize(list(selection.results(row.id).values()))) for row in ours]
    rows = [Row(label, (Estimate.of(summary), f"ours, n = {summary.n}")) for label, summary in summaries if summary.n]
    rows += [
        Row(str(figure["label"]), (float(figure["value"]), str(figure.get("note") or "")), context=True)
        for figure in figures
    ]
    notes = [
        "Published numbers are single runs, often of another network, where no spread is known: no difference is "
        "computed and no verdict given."
    ]
    if "stand-in" in data_line(selection.study).lower():
        notes.append("Ours are on a stand-in: the two cannot be compared at all.")
    return Table(
        key="published",
        title="Published figures",
        caption=caption(selection.study, f"ours: {test_measure(selection.study, selection.has_scores)}"),
        columns=(Column("value", selection.study.metric, "estimate"), Column("note", "note", "text")),
        rows=tuple(rows),
        notes=(*notes, MEAN_INTERVAL),
        stub="figure",
    )
