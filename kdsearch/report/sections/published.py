"""Figures that others published, next to ours."""

from __future__ import annotations

from kdsearch.data.synthetic import says_synthetic
from kdsearch.ledger.data_line import data_line
from kdsearch.report.captions import caption, test_measure
from kdsearch.report.configurations import compared
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Row, Table
from kdsearch.report.units import Units

ORDER, WHEN = 50, "result"


def section(selection: Selection) -> Table | None:
    """Return the study file's published figures under ours; ``None`` where it names none.

    Where a baseline has a figure's very label, as in a grid that is run again, ours stands beside it.
    """
    figures = selection.study.settings.published
    if not figures:
        return None
    ours, units = compared(selection), Units.of(selection)
    found = {row.id: units.estimate(selection.results(row.id)) for row in ours}
    estimates = {id_: estimate for id_, estimate in found.items() if estimate is not None}
    named = {row.label: estimates[row.id] for row in ours if row.part == "baseline" and row.id in estimates}
    labels = {figure.label for figure in figures}
    # A baseline without a published figure, of a grid whose other cells have one, fills an empty cell.
    grid = len(labels & named.keys()) > 1
    rows = [
        Row(row.label, (None, estimates[row.id], f"ours, n = {estimates[row.id].n}"))
        for row in ours
        if row.id in estimates
        and (
            row.part in ("winner", "primary", "second") or (grid and row.part == "baseline" and row.label not in labels)
        )
    ]
    for figure in figures:
        own = named.get(figure.label)
        note = figure.note if own is None else f"{figure.note}; ours, n = {own.n}"
        rows.append(Row(figure.label, (figure.value, own, note), context=True))
    notes = [
        "Published numbers are of other networks, data or protocols, and often single runs: no difference is computed "
        "and no verdict given."
    ]
    if says_synthetic(data_line(selection.study)):
        notes.append("Ours are on synthetic data: the two cannot be compared at all.")
    return Table(
        key="published",
        title="Published figures",
        caption=caption(selection, f"ours: {test_measure(selection)}"),
        columns=(
            Column("published", "published", "number"),
            Column("value", f"ours, {selection.study.metric}", "estimate"),
            Column("note", "note", "text"),
        ),
        rows=tuple(rows),
        notes=(*notes, units.mean_note),
        row_header="figure",
    )
