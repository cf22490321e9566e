"""How far runs of one configuration lie apart, and what picking the best of them would have claimed."""

from __future__ import annotations

import math

from kdsearch.ledger.records import RunRecord
from kdsearch.report.captions import caption
from kdsearch.report.captions import epoch_on_test
from kdsearch.report.captions import plural
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import Compared
from kdsearch.report.compared import compared
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.sections.seeds import seed_sentences
from kdsearch.report.selection import Selection
from kdsearch.report.selection import present
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.report.units import Units
from kdsearch.statistics import expected_best
from kdsearch.statistics import summarize


def instability(selection: Selection) -> Table | None:
    """Return spreads over confirm seeds and the optimistic numbers; ``None`` while the winner has no confirm run."""
    rows, units = [row for row in compared(selection) if selection.results(row.id)], Units.of(selection)
    if not any(row.part == "winner" for row in rows):
        return None
    columns: tuple[Column, ...] = (
        Column("n", "n", "count"),
        Column("sd", "sd", "interval"),
        Column("range", "range", "number", spare=True),
        Column("mean", "mean", "number", spare=True),
        Column("best_run", "best run", "number"),
    )
    if shows_best_epoch(selection):
        columns += (
            Column("mean_best_epoch", "mean, best epoch", "number"),
            Column("best_run_best_epoch", "best run, best epoch", "number"),
        )
    return Table(
        key="instability",
        title="Instability",
        caption=caption(selection, test_measure(selection.study, selection.has_scores)),
        columns=columns,
        rows=tuple(_row(selection, units, row) for row in rows),
        notes=(*_notes(selection, rows[0]), *_shared(units), *seed_sentences(selection, units, rows)),
    )


def shows_best_epoch(selection: Selection) -> bool:
    """Say whether the best epoch on test tells more than the results do: it was measured, and they stand elsewhere."""
    measured = any("best_on_test" in run.scores for run in selection.runs)
    return selection.has_scores and measured and not epoch_on_test(selection.study)


def best_epoch(selection: Selection, run: RunRecord) -> float | None:
    """Return the score of a run with its epoch picked on test: optimistic, shown to show how much."""
    return run.scores.get("best_on_test", selection.result(run))


def _shared(units: Units) -> list[str]:
    """Seeds that share a teacher are not drawn one by one, as the interval of an sd takes them to be."""
    if not units.shared:
        return []
    return ["Seeds share teachers: sd is of the runs as they came, and has no interval."]


def _row(selection: Selection, units: Units, row: Compared) -> Row:
    summary = summarize(list(selection.results(row.id).values()))
    single = summary.n < 2
    bounds = (math.nan, math.nan) if units.shared else (summary.sd_low, summary.sd_high)
    cells: tuple[Cell, ...] = (
        summary.n,
        Estimate(summary.sd, *bounds, n=summary.n),
        None if single else summary.range,
        summary.mean,
        summary.maximum,
    )
    if shows_best_epoch(selection):
        picked = summarize(present([best_epoch(selection, run) for run in selection.of(row.id, "confirm")]))
        cells += (picked.mean, picked.maximum)
    return Row(row.label, cells, selection.diverged(row.id, "confirm"), context=row.part == "context")


def _notes(selection: Selection, winner: Compared) -> list[str]:
    values = list(selection.results(winner.id).values())
    summary = summarize(values)
    notes = [_optimistic(selection)]
    if summary.n < 2:
        return notes
    digits = selection.digits
    luck = fixed(summary.sd * expected_best(summary.n), digits, signed=True)
    text = (
        f"Winner: reporting its best run would have claimed {_claim(summary.maximum, summary.mean, digits)} against "
        f"the mean of {summary.n} seeds; luck alone (sd x {expected_best(summary.n):.2f}) gives {luck}."
    )
    if shows_best_epoch(selection):
        picked = summarize(present([best_epoch(selection, run) for run in selection.of(winner.id, "confirm")]))
        text += (
            f" Picking the epoch on test would have claimed {_claim(picked.mean, summary.mean, digits)}, both together "
            f"{_claim(picked.maximum, summary.mean, digits)}."
        )
    notes.append(text)
    search = [run for run in selection.runs if run.pool == "search"]
    scores = present([selection.result(run) for run in search])
    if len(scores) > 1:
        together = ""
        if shows_best_epoch(selection):
            best = max(present([best_epoch(selection, run) for run in search]))
            together = f", with the best epoch {_claim(best, summary.mean, digits)}"
        luck = fixed(summary.sd * expected_best(len(scores)), digits, signed=True)
        notes.append(
            f"Over all {plural(len(scores), 'search run')}: the best single run would have claimed "
            f"{_claim(max(scores), summary.mean, digits)} against the winner's mean{together}; luck alone (winner's sd "
            f"x {expected_best(len(scores)):.2f}) gives {luck}."
        )
    return notes


def _optimistic(selection: Selection) -> str:
    if not selection.has_scores:
        return "The best run is picked after its result was seen: optimistic, never to be reported as a result."
    if epoch_on_test(selection.study):
        return (
            "Every score here stands at the best epoch on test already, as this study asks for; the best run is picked "
            "on the test set once more: optimistic, never to be reported as results."
        )
    if not shows_best_epoch(selection):
        return "The best run is picked on the test set itself: optimistic, never to be reported as a result."
    return "Best run and best epoch are picked on the test set itself: optimistic, never to be reported as results."


def _claim(value: float, mean: float, digits: int) -> str:
    return f"{fixed(value, digits)} ({fixed(value - mean, digits, signed=True)})"
