"""What choosing added to the winner's number: search seeds against fresh seeds, validation against test."""

from __future__ import annotations

from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import objective_words
from kdsearch.report.captions import plural
from kdsearch.report.compared import Compared
from kdsearch.report.compared import compared
from kdsearch.report.compared import name_of
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import summarize
from kdsearch.statistics import unpaired_difference


def inflation(selection: Selection) -> Table | None:
    """Return search objective, fresh objective, inflation and validation minus test; the winner first."""
    winner_id = selection.study.winner_id
    if winner_id is None or not selection.of(winner_id, "confirm"):
        return None
    columns: tuple[Column, ...] = (
        Column("search_n", "search n", "count", machine=True),
        Column("search", "search seeds", "estimate", spare=True),
        Column("fresh", "fresh seeds", "estimate"),
        Column("inflation", "inflation", "difference"),
    )
    if selection.has_scores:
        columns += (Column("validation_minus_test", "validation - test", "difference"),)
    rows = compared(selection)
    objective = objective_words(selection.study, selection.has_scores)
    return Table(
        key="inflation",
        title="Search against fresh seeds",
        caption=caption(selection.study, f"{objective} at the chosen epoch"),
        columns=columns,
        rows=tuple(_row(selection, row) for row in rows),
        notes=(*_notes(selection), MEAN_INTERVAL),
    )


def _row(selection: Selection, row: Compared) -> Row:
    search, fresh = selection.objectives(row.id, "search"), selection.objectives(row.id, "confirm")
    change = Estimate.between(unpaired_difference(search, fresh)) if search and fresh else None
    cells: tuple[Cell, ...] = (
        len(search),
        Estimate.of(summarize(search)),
        Estimate.of(summarize(fresh)),
        change,
    )
    if selection.has_scores:
        cells += (_validation_minus_test(selection, row),)
    counts = f"n = {len(search)}, {len(fresh)}"
    return Row(row.label, cells, counts, context=row.part != "winner")


def _validation_minus_test(selection: Selection, row: Compared) -> Estimate | None:
    gaps = []
    for run in selection.of(row.id, "confirm"):
        objective, score = selection.objective(run), selection.result(run)
        if objective is not None and score is not None:
            gaps.append(objective - score)
    return Estimate.of(summarize(gaps))


def _notes(selection: Selection) -> list[str]:
    within = " Validation minus test: within each confirm run." if selection.has_scores else ""
    notes = [
        "Inflation: search mean minus fresh mean of one configuration (Welch 95 % interval); above 0, the search was "
        f"lucky in what it chose. n counts search and fresh seeds.{within}",
    ]
    samples = selection.searched()
    winner = selection.study.winner_id
    fresh = selection.objectives(winner, "confirm") if winner is not None else []
    if not samples or not fresh:
        return notes
    centre = summarize(fresh).mean
    best = max(samples, key=lambda id_: summarize(samples[id_]).mean)
    single = max(max(values) for values in samples.values())
    count = sum(len(values) for values in samples.values())
    raw = summarize(samples[best]).mean
    notes.append(
        f"Best raw search mean: {fixed(raw, 4)} ({name_of(selection, best)}, n = {len(samples[best])}). "
        f"Best single run of {plural(count, 'search run')}: {fixed(single, 4)}, "
        f"{fixed(single - centre, 4, signed=True)} against the winner's mean on fresh seeds. Neither is a result."
    )
    return notes
