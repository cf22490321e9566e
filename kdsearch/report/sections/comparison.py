"""Winner against winner without distillation and against each baseline, on fresh seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import min_effect
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import plural
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import Compared
from kdsearch.report.compared import compared
from kdsearch.report.compared import void_primary
from kdsearch.report.formats.numbers import fixed
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import Difference
from kdsearch.statistics import family_verdicts
from kdsearch.statistics import paired_difference
from kdsearch.statistics import seeds_needed
from kdsearch.statistics import summarize
from kdsearch.statistics import verdict

OPEN = "open"
"""Verdict while confirm runs are still going: a test that is read at every look has no error rate."""


@dataclass(frozen=True)
class Judged:
    """The difference winner minus row with its verdict; ``holm`` is ``None`` outside the family of baselines."""

    difference: Difference
    verdict: str
    holm: float | None = None


def comparison(selection: Selection) -> Table | None:
    """Return the main table, ``None`` while no confirm run of the winner has ended."""
    rows = compared(selection)
    winner_id = selection.study.winner_id
    if winner_id is None or not selection.results(winner_id):
        return None
    outcome = judge(selection)
    study = selection.study
    heading = f"test {study.metric}" if selection.has_scores else objective_title(study, selection.has_scores)
    columns = (
        Column("n", "n", "count"),
        Column("score", heading, "estimate"),
        Column("difference", "winner - row", "difference"),
        Column("pairs", "pairs", "count", machine=True),
        Column("diverged", "diverged", "count", machine=True),
        Column("correlation", "correlation", "number", machine=True),
        Column("t_p", "t p", "p", machine=True),
        Column("holm_p", "Holm p", "p", spare=True),
        Column("flip_p", "flip p", "p", spare=True),
        Column("verdict", "verdict", "text"),
    )
    return Table(
        key="comparison",
        title="Comparison on confirm seeds",
        caption=caption(study, test_measure(study, selection.has_scores)),
        columns=columns,
        rows=tuple(_row(selection, row, outcome.get(row.id)) for row in rows),
        notes=tuple(_notes(selection, rows, outcome)),
    )


def judge(selection: Selection) -> dict[int, Judged]:
    """Return the judged difference winner minus row for each row that shares confirm seeds with the winner."""
    winner_id = selection.study.winner_id
    if winner_id is None:
        return {}
    winner = selection.results(winner_id)
    rows = [row for row in compared(selection) if row.part != "winner"]
    differences: dict[int, Difference] = {}
    for row in rows:
        other = selection.results(row.id)
        seeds = sorted(winner.keys() & other.keys())
        if seeds:
            differences[row.id] = paired_difference([winner[seed] for seed in seeds], [other[seed] for seed in seeds])
    family = [row.id for row in rows if row.part == "baseline" and row.id in differences]
    effect = min_effect(selection.study)
    verdicts, adjusted = family_verdicts([differences[id_] for id_ in family], effect)
    judged = {}
    for row in rows:
        if row.id not in differences:
            continue
        difference, word, holm_p = differences[row.id], "context", None
        if row.part == "primary":
            word = verdict(difference, effect)
        elif row.part == "baseline":
            word, holm_p = verdicts[family.index(row.id)], adjusted[family.index(row.id)]
        if not selection.finished and word != "context":
            word = OPEN
        judged[row.id] = Judged(difference, word, holm_p)
    return judged


def primary_sentence(selection: Selection) -> str:
    """Say in one sentence what the study found on distillation."""
    reason = void_primary(selection)
    if reason is not None:
        return f"There is no primary comparison: {reason}."
    primary = judge(selection).get(selection.study.ablation_id or -1)
    if primary is None:
        none = "no common fresh seed ended well" if selection.finished else "no common fresh seed has ended yet"
        return f"Primary: winner against winner without distillation: {none}."
    difference = primary.difference
    seeds = plural(difference.n, "common fresh seed")
    text = f"Primary: winner against winner without distillation on {seeds}: {signed(difference)}"
    if primary.verdict == OPEN:
        return f"{text}; confirm runs are still going, no verdict before they end."
    effect = min_effect(selection.study)
    return f"{text}, {primary.verdict}{_needed(difference, primary.verdict, effect)}."


def signed(difference: Difference) -> str:
    """Write a difference with its interval."""
    if math.isnan(difference.low):
        return f"{fixed(difference.mean, 4, signed=True)} (n = 1: no interval)"
    low, high = fixed(difference.low, 4, signed=True), fixed(difference.high, 4, signed=True)
    return f"{fixed(difference.mean, 4, signed=True)} [{low}, {high}]"


def _needed(difference: Difference, word: str, effect: float) -> str:
    if word == "equivalent":
        return f" within min_effect {effect:g}"
    if word != "undecided" or effect <= 0 or math.isnan(difference.sd):
        return ""
    seeds = seeds_needed(difference.sd, effect)
    if seeds <= difference.n:
        return f"; {difference.n} seeds find a true difference of {effect:g} with power 0.8, so it may well be smaller"
    return f"; about {seeds:,} seeds would decide at min_effect {effect:g} (power 0.8)"


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
        difference.p if difference and tested else None,
        judged.holm if judged and tested else None,
        difference.sign_flip_p if difference and tested else None,
        judged.verdict if judged else None,
    )
    return Row(row.label, cells, selection.diverged(row.id, "confirm"), context=row.part == "context")


def _notes(selection: Selection, rows: list[Compared], outcome: dict[int, Judged]) -> list[str]:
    effect = min_effect(selection.study)
    notes = [
        "winner - row: paired over common seeds, 95 % t interval. Verdicts are the winner's: better or worse where the "
        f"t test rejects 0, equivalent where two one-sided tests put the difference within {effect:g}.",
    ]
    parts = {row.part for row in rows}
    if "baseline" in parts:
        exempt = "; the primary comparison is not adjusted" if "primary" in parts else ""
        notes.append(f"Holm p: t test, adjusted over the baselines{exempt}. flip p: exact sign flips, from 6 pairs.")
    if "context" in parts:
        notes.append(
            "Finalists are context: they lost on search seeds, and no best of these rows is picked afterwards."
        )
    if any(not selection.results(row.id) for row in rows):
        none = "no confirm run that ended well" if selection.finished else "no ended confirm run yet"
        notes.append(f"Rows with n = 0 have {none}.")
    if any(row.id in outcome and selection.diverged(row.id, "confirm") for row in rows) or selection.diverged(
        selection.study.winner_id or -1, "confirm"
    ):
        notes.append(f"Diverged runs count at chance level ({selection.study.chance:.4g}).")
    return [*notes, MEAN_INTERVAL]
