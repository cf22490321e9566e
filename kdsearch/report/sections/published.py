"""Figures that others published, next to ours."""

from __future__ import annotations

from kdsearch.report.captions import caption, data_line, test_measure
from kdsearch.report.compared import Compared, compared
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column, Estimate, Row, Table
from kdsearch.report.units import Units


def published(selection: Selection) -> Table | None:
    """Return the study file's published figures under ours; ``None`` where it names none.

    Where a baseline has a figure's very label, as in a grid that is run again, ours stands beside it.
    """
    figures = selection.study.settings.published
    if not figures:
        return None
    ours = compared(selection)
    units = Units.of(selection)
    found = {row.id: units.estimate(selection.results(row.id)) for row in ours}
    estimates = {id_: estimate for id_, estimate in found.items() if estimate is not None}
    named = {row.label: estimates[row.id] for row in ours if row.part == "baseline" and row.id in estimates}
    labels = [figure.label for figure in figures]
    rows = [
        Row(row.label, (None, estimates[row.id], f"ours, n = {estimates[row.id].n}"))
        for row in ours
        if row.id in estimates and (row.part in ("winner", "primary", "second") or _cell(row, labels, named))
    ]
    for label, figure in zip(labels, figures, strict=True):
        own, note = named.get(label), figure.note
        words = note if own is None else f"{note}; ours, n = {own.n}"
        rows.append(Row(label, (figure.value, own, words), context=True))
    notes = [
        "Published numbers are of other networks, data or protocols, and often single runs: no difference is computed "
        "and no verdict given."
    ]
    if "stand-in" in data_line(selection.study).lower():
        notes.append("Ours are on a stand-in: the two cannot be compared at all.")
    return Table(
        key="published",
        title="Published figures",
        caption=caption(selection, f"ours: {test_measure(selection.study, selection.has_scores)}"),
        columns=(
            Column("published", "published", "number"),
            Column("value", f"ours, {selection.study.metric}", "estimate"),
            Column("note", "note", "text"),
        ),
        rows=tuple(rows),
        notes=(*notes, units.mean_note),
        stub="figure",
    )


def _cell(row: Compared, labels: list[str], named: dict[str, Estimate]) -> bool:
    """Whether a baseline without a published figure is of a grid whose other cells have one: it fills an empty cell."""
    return row.part == "baseline" and row.label not in labels and len(set(labels) & set(named)) > 1
