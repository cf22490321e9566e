"""What choosing added to the winner's number: search seeds against fresh seeds, validation against test."""

from __future__ import annotations

from kdsearch.report.captions import caption, objective_name
from kdsearch.report.configurations import Compared, compared
from kdsearch.report.sections.transfer import validation_minus_test
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.report.units import Units, random_factors
from kdsearch.report.wording import fixed, plural
from kdsearch.statistics import summarize, unpaired_difference

ORDER, WHEN = 30, "result"


def section(selection: Selection) -> Table | None:
    """Return search objective, fresh objective, inflation and validation minus test; the winner first."""
    winner_id = selection.study.winner_id
    if winner_id is None or not selection.of(winner_id, "confirm"):
        return None
    columns: tuple[Column, ...] = (
        Column("search_n", "search n", "count", machine=True),
        Column("search", "search seeds", "estimate", optional=True),
        Column("fresh", "fresh seeds", "estimate"),
        Column("inflation", "inflation", "difference"),
    )
    if selection.has_scores:
        columns += (Column("validation_minus_test", "validation - test", "difference"),)
    rows, units = compared(selection), Units.of(selection)
    return Table(
        key="inflation",
        title="Search against fresh seeds",
        caption=caption(selection, f"{objective_name(selection)} at the chosen epoch"),
        columns=columns,
        rows=tuple(_row(selection, units, row) for row in rows),
        notes=(*_notes(selection), *_shared(selection), units.mean_note),
    )


def _row(selection: Selection, units: Units, row: Compared) -> Row:
    search, confirm = selection.objectives(row.id, "search"), selection.of(row.id, "confirm")
    fresh = {run.seed: value for run in confirm if (value := selection.objective(run)) is not None}
    change = Estimate.between(unpaired_difference(search, units.sample(fresh))) if search and fresh else None
    if change is not None and _shares(selection):
        change = Estimate(change.value, n=change.n)
    cells: tuple[Cell, ...] = (len(search), Estimate.of(summarize(search)), units.estimate(fresh), change)
    if selection.has_scores:
        cells += (units.estimate(validation_minus_test(selection, confirm)),)
    counts = f"n = {len(search)}, {len(fresh)}"
    return Row(row.label, cells, counts, context=row.part != "winner")


def _shares(selection: Selection) -> bool:
    """Whether search runs of one configuration share folds or teachers, so that they are no independent values."""
    factors = random_factors(selection)
    return factors.split or factors.teacher


def _notes(selection: Selection) -> list[str]:
    within = " Validation minus test: within each confirm run." if selection.has_scores else ""
    shared = "folds and teachers" if any(run.needs for run in selection.runs) else "folds"
    how = f"without an interval, for search runs share {shared}" if _shares(selection) else "Welch 95 % interval"
    side = "below" if selection.minimizes else "above"
    lucky = "lucky in what it chose" + (", or in its folds" if _shares(selection) else "")
    notes = [
        f"Inflation: search mean minus fresh mean of one configuration ({how}); {side} 0, the search was {lucky}. n "
        f"counts search and fresh seeds.{within}",
    ]
    samples = selection.searched()
    winner = selection.study.winner_id
    fresh = selection.objectives(winner, "confirm") if winner is not None else []
    if not samples or not fresh:
        return notes
    centre = summarize(fresh).mean
    best = max(samples, key=lambda id_: selection.study.sign * summarize(samples[id_]).mean)
    single = selection.best(value for values in samples.values() for value in values)
    count = sum(len(values) for values in samples.values())
    raw, digits = summarize(samples[best]).mean, selection.digits
    notes.append(
        f"Best raw search mean: {fixed(raw, digits)} ({selection.name(best)}, n = {len(samples[best])}). "
        f"Best single run of {plural(count, 'search run')}: {fixed(single, digits)}, "
        f"{fixed(single - centre, digits, signed=True)} against the winner's mean on fresh seeds. Neither is a result."
    )
    return notes


def _shared(selection: Selection) -> list[str]:
    """Say what the search seeds of these rows have in common and the fresh ones do not."""
    if not _shares(selection):
        return []
    factors = random_factors(selection)
    folds = factors.folds("search")
    a_teacher = "one teacher a fold" if folds > 1 else "one teacher"
    shared = [f"{folds} folds of one partition" if folds > 1 else "one split"] if factors.split else []
    shared += [a_teacher if factors.split else "the search's teachers"] if factors.teacher else []
    return [
        f"Search seeds share {' and '.join(shared)}: their interval is of these alone, that of fresh seeds is over "
        "others too."
    ]
