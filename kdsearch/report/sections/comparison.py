"""Winner against winner without distillation and against each baseline, on fresh seeds."""

from __future__ import annotations

from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import min_effect
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import Compared
from kdsearch.report.compared import compared
from kdsearch.report.judged import OPEN
from kdsearch.report.judged import Judged
from kdsearch.report.judged import Outcome
from kdsearch.report.judged import judge
from kdsearch.report.looks import alone
from kdsearch.report.looks import looks_sentence
from kdsearch.report.looks import resolving
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import summarize


def comparison(selection: Selection) -> Table | None:
    """Return the main table, ``None`` while no confirm run of the winner has ended."""
    rows = compared(selection)
    winner_id = selection.study.winner_id
    if winner_id is None or not selection.results(winner_id):
        return None
    outcome = judge(selection)
    study = selection.study
    return Table(
        key="comparison",
        title="Comparison on confirm seeds",
        caption=caption(study, test_measure(study, selection.has_scores)),
        columns=_columns(selection, outcome.confidence),
        rows=tuple(_row(selection, row, outcome.rows.get(row.id)) for row in rows),
        notes=tuple(_notes(selection, rows, outcome)),
    )


def _columns(selection: Selection, confidence: float) -> tuple[Column, ...]:
    study = selection.study
    heading = f"test {study.metric}" if selection.has_scores else objective_title(study, selection.has_scores)
    return (
        Column("n", "n", "count"),
        Column("score", heading, "estimate"),
        Column("difference", "winner - row", "difference", confidence=confidence),
        Column("pairs", "pairs", "count", machine=True),
        Column("diverged", "diverged", "count", machine=True),
        Column("correlation", "correlation", "number", machine=True),
        Column("wins", "wins", "count", machine=True),
        Column("ties", "ties", "count", machine=True),
        Column("t_p", "t p", "p", machine=True),
        Column("holm_p", "Holm p", "p", spare=True),
        Column("probability", "P(winner > row)", "probability", spare=True, confidence=confidence),
        Column("flip_p", "flip p", "p", spare=True),
        Column("verdict", "verdict", "text"),
    )


def _row(selection: Selection, row: Compared, judged: Judged | None) -> Row:
    values = list(selection.results(row.id).values())
    difference = judged.difference if judged else None
    tested = judged is not None and row.part != "context" and judged.verdict != OPEN
    cells: tuple[Cell, ...] = (
        len(values),
        Estimate.of(summarize(values)),
        Estimate.between(difference) if difference else None,
        difference.n if difference else None,
        sum(run.state == "diverged" for run in selection.of(row.id, "confirm")),
        difference.correlation if difference else None,
        judged.wins if judged else None,
        judged.ties if judged else None,
        difference.p if difference and tested else None,
        judged.holm if judged and tested else None,
        Estimate.chance(judged.probability) if judged else None,
        difference.sign_flip_p if difference and tested else None,
        judged.verdict if judged else None,
    )
    return Row(row.label, cells, selection.diverged(row.id, "confirm"), context=row.part == "context")


def _notes(selection: Selection, rows: list[Compared], outcome: Outcome) -> list[str]:
    effect = min_effect(selection)
    differences = (
        "winner - row: paired over common seeds, t interval. P(winner > row): how often the winner's run is the better "
        "one on a common seed, a tie counting half; exact interval. Verdicts are the winner's: better or worse where "
        f"the t test rejects 0, equivalent where two one-sided tests put the difference within {effect:g}."
    )
    notes = [
        *(() if alone(selection) else (differences,)),
        looks_sentence(selection, outcome.looks),
        *_undecided(rows, outcome, effect),
    ]
    parts = {row.part for row in rows}
    if "baseline" in parts:
        exempt = ", the primary comparison stands alone" if "primary" in parts else ""
        notes.append(
            f"Holm p: t test, adjusted over the baselines too{exempt}. flip p: exact sign flips, from 6 pairs."
        )
    if "context" in parts:
        notes.append(
            "Finalists are context: they lost on search seeds, and no best of these rows is picked afterwards."
        )
    if any(not selection.results(row.id) for row in rows):
        none = "no confirm run that ended well" if selection.finished else "no ended confirm run yet"
        notes.append(f"Rows with n = 0 have {none}.")
    if any(row.id in outcome.rows and selection.diverged(row.id, "confirm") for row in rows) or selection.diverged(
        selection.study.winner_id or -1, "confirm"
    ):
        notes.append(f"Diverged runs count at chance level ({selection.study.chance:.4g}).")
    return [*notes, MEAN_INTERVAL]


def _undecided(rows: list[Compared], outcome: Outcome, effect: float) -> list[str]:
    """Name the baselines that the winner cannot be told from; the primary comparison has a sentence of its own."""
    notes = []
    for row in rows:
        judged = outcome.rows.get(row.id)
        if row.part == "baseline" and judged is not None and judged.verdict == "undecided":
            words = resolving(judged.difference, effect, outcome.looks, outcome.family)
            notes.append(f"{row.label}: not distinguishable from the winner" + (f"; {words}." if words else "."))
    return notes
