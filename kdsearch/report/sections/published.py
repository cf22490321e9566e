"""Figures that others published, next to ours."""

from __future__ import annotations

from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import data_line
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import Compared
from kdsearch.report.compared import compared
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import Summary
from kdsearch.statistics import summarize


def published(selection: Selection) -> Table | None:
    """Return the study file's published figures under ours; ``None`` where it names none.

    Where a baseline has a figure's very label, as in a grid that is run again, ours stands beside it.
    """
    figures = selection.study.settings.get("published") or ()
    if not figures:
        return None
    ours = compared(selection)
    summaries = {row.id: summarize(list(selection.results(row.id).values())) for row in ours}
    named = {row.label: summaries[row.id] for row in ours if row.part == "baseline" and summaries[row.id].n}
    labels = [str(figure["label"]) for figure in figures]
    rows = [
        Row(row.label, (None, Estimate.of(summaries[row.id]), f"ours, n = {summaries[row.id].n}"))
        for row in ours
        if summaries[row.id].n and (row.part in ("winner", "primary") or _cell(row, labels, named))
    ]
    for label, figure in zip(labels, figures, strict=True):
        own, note = named.get(label), str(figure.get("note") or "")
        beside = None if own is None else Estimate.of(own)
        words = note if own is None else f"{note}; ours, n = {own.n}"
        rows.append(Row(label, (float(figure["value"]), beside, words), context=True))
    notes = [
        "Published numbers are of other networks, data or protocols, and often single runs: no difference is computed "
        "and no verdict given."
    ]
    if "stand-in" in data_line(selection.study).lower():
        notes.append("Ours are on a stand-in: the two cannot be compared at all.")
    return Table(
        key="published",
        title="Published figures",
        caption=caption(selection.study, f"ours: {test_measure(selection.study, selection.has_scores)}"),
        columns=(
            Column("published", "published", "number"),
            Column("value", f"ours, {selection.study.metric}", "estimate"),
            Column("note", "note", "text"),
        ),
        rows=tuple(rows),
        notes=(*notes, MEAN_INTERVAL),
        stub="figure",
    )


def _cell(row: Compared, labels: list[str], named: dict[str, Summary]) -> bool:
    """Whether a baseline without a published figure is of a grid whose other cells have one: it fills an empty cell."""
    return row.part == "baseline" and row.label not in labels and len(set(labels) & set(named)) > 1
