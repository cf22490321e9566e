"""What choosing added to the winner's number: search seeds against fresh seeds, validation against test."""

from __future__ import annotations

from kdsearch.report.captions import caption
from kdsearch.report.captions import plural
from kdsearch.report.compared import Compared
from kdsearch.report.compared import compared
from kdsearch.report.compared import name_of
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.selection import Selection
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
    columns = (
        Column("search_n", "search n", "count", machine=True),
        Column("search", "search seeds", "estimate", spare=True),
        Column("fresh", "fresh seeds", "estimate"),
        Column("inflation", "inflation", "difference"),
        Column("validation_minus_test", "validation - test", "difference"),
    )
    rows = compared(selection)
    metric = selection.study.metric
    return Table(
        key="inflation",
        title="Search against fresh seeds",
        caption=caption(selection.study, f"objective (validation {metric}) at the chosen epoch"),
        columns=columns,
        rows=tuple(_row(selection, row) for row in rows),
        notes=tuple(_notes(selection)),
    )


def _row(selection: Selection, row: Compared) -> Row:
    search, fresh = selection.objectives(row.id, "search"), selection.objectives(row.id, "confirm")
    change = Estimate.between(unpaired_difference(search, fresh)) if search and fresh else None
    gaps = []
    if selection.has_scores:
        for run in selection.of(row.id, "confirm"):
            objective, score = selection.objective(run), selection.result(run)
            if objective is not None and score is not None:
                gaps.append(objective - score)
    cells = (
        len(search),
        Estimate.of(summarize(search)),
        Estimate.of(summarize(fresh)),
        change,
        Estimate.of(summarize(gaps)),
    )
    counts = f"n = {len(search)}, {len(fresh)}"
    return Row(row.label, cells, counts, context=row.part != "winner")


def _notes(selection: Selection) -> list[str]:
    notes = [
        "Inflation: search mean minus fresh mean of one configuration (Welch 95 % interval); above 0, the search was "
        "lucky in what it chose. n counts search and fresh seeds. Validation minus test: within each confirm run."
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
