"""Winner against the configurations without distillation and against each baseline, on fresh seeds."""

from __future__ import annotations

from dataclasses import replace

from kdsearch.report.captions import caption, listed, min_effect, objective_title, plural, test_measure
from kdsearch.report.compared import Compared, compared
from kdsearch.report.comparisons import EQUAL_FEW, EXACT, NONE, UNTESTED, Judged, Outcome, equal_words, judge
from kdsearch.report.funded import baselines_above
from kdsearch.report.looks import alone, confidence_at, looks_sentence, resolving
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.report.units import FEWEST_TEACHERS


def comparison(selection: Selection) -> Table | None:
    """Return the main table, ``None`` while no confirm run of the winner has ended."""
    rows = compared(selection)
    winner_id = selection.study.winner_id
    if winner_id is None or not selection.results(winner_id):
        return None
    outcome = judge(selection)
    return Table(
        key="comparison",
        title="Comparison on confirm seeds",
        caption=caption(selection, test_measure(selection.study, selection.has_scores)),
        columns=_columns(selection, outcome),
        rows=tuple(_row(selection, row, outcome) for row in rows),
        notes=tuple(_notes(selection, rows, outcome)),
    )


def _columns(selection: Selection, outcome: Outcome) -> tuple[Column, ...]:
    study, confidence = selection.study, outcome.confidence
    heading = f"test {study.metric}" if selection.has_scores else objective_title(study, selection.has_scores)
    shared = outcome.units.shared > 0
    over = ", by teacher" if shared else ""
    return (
        Column("n", "n", "count"),
        Column("score", heading, "estimate"),
        Column("difference", f"winner - row{over}", "difference", confidence=confidence),
        Column("pairs", "teachers" if shared else "pairs", "count", machine=not shared),
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


def _row(selection: Selection, row: Compared, outcome: Outcome) -> Row:
    values, judged = selection.results(row.id), outcome.rows.get(row.id)
    difference = judged.difference if judged else None
    tested = judged is not None and judged.verdict not in UNTESTED
    cells: tuple[Cell, ...] = (
        len(values),
        outcome.units.estimate(values),
        _at_its_look(Estimate.between(difference), judged, outcome) if difference else None,
        difference.n if difference else None,
        sum(run.state == "diverged" for run in selection.of(row.id, "confirm")),
        difference.correlation if difference else None,
        judged.wins if judged else None,
        judged.ties if judged else None,
        difference.p if difference and tested else None,
        judged.holm if judged and tested else None,
        _at_its_look(Estimate.chance(judged.probability), judged, outcome) if judged else None,
        difference.sign_flip_p if difference and tested else None,
        judged.verdict if judged else None,
    )
    return Row(row.label, cells, selection.diverged(row.id, "confirm"), context=row.part == "context")


def _at_its_look(estimate: Estimate, judged: Judged | None, outcome: Outcome) -> Estimate:
    """Name the confidence of a row that was not looked at as often as the others, or at other numbers of seeds."""
    if judged is None or _share(judged.confidence) == _share(outcome.confidence) or len(judged.looks) == 0:
        return estimate
    return replace(estimate, confidence=judged.confidence)


def _share(confidence: float) -> str:
    return f"{100 * confidence:.3g} %"


def _notes(selection: Selection, rows: list[Compared], outcome: Outcome) -> list[str]:
    effect = min_effect(selection)
    notes = [
        *(() if alone(selection) else (_differences(outcome, effect),)),
        looks_sentence(selection, outcome.looks),
        *_own_looks(rows, outcome),
        *_own_seeds(selection, rows),
        *_equal(outcome),
        *_undecided(rows, outcome, effect),
        *baselines_above(selection, rows),
        *_family(rows, outcome),
    ]
    parts = {row.part for row in rows}
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
    return [*notes, outcome.units.mean_note]


def _differences(outcome: Outcome, effect: float) -> str:
    words = (
        "Verdicts are the winner's: better or worse where the t test rejects 0, equivalent where two one-sided tests "
        f"put the difference within {effect:g}."
    )
    if not outcome.units.shared:
        return (
            "winner - row: paired over common seeds, t interval. P(winner > row): how often the winner's run is the "
            f"better one on a common seed, a tie counting half; exact interval. {words}"
        )
    return (
        f"Seeds share {plural(outcome.units.shared, 'teacher')}, so the teacher is the unit: winner - row is the mean "
        "of the teachers' mean differences over common seeds, its t interval and the sign flips count teachers, and "
        "P(winner > row) says how often the winner's mean is the better one with a teacher, a tie counting half; exact "
        f"interval. {words} Below {FEWEST_TEACHERS} teachers there is no verdict: they say too little of others."
    )


def _own_looks(rows: list[Compared], outcome: Outcome) -> list[str]:
    """Name the rows whose intervals and p values are those of other looks, which have other numbers of seeds."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for row in rows:
        judged = outcome.rows.get(row.id)
        if judged is not None and judged.looks and _share(judged.confidence) != _share(outcome.confidence):
            groups.setdefault(judged.looks, []).append(row.label)
    return [
        f"Looks of their own: {listed(labels)}, at {listed([str(look) for look in looks])} seeds, intervals "
        f"{_share(confidence_at(looks))}."
        for looks, labels in groups.items()
    ]


def _own_seeds(selection: Selection, rows: list[Compared]) -> list[str]:
    """Say that rows have different n where the study asks for that."""
    others = selection.study.settings.confirm.others
    counts = {len(selection.results(row.id)) for row in rows} - {0}
    if others is None or len(counts) < 2:
        return []
    return [
        f"Rows differ in n: baselines and finalists have the first {others} of the confirm seeds. Each difference is "
        "paired over the seeds that row and winner have in common, and judged by their number."
    ]


def _equal(outcome: Outcome) -> list[str]:
    if not any(row.difference.equal_few for row in outcome.rows.values()):
        return []
    return [EQUAL_FEW]


def _family(rows: list[Compared], outcome: Outcome) -> list[str]:
    """Say which comparisons share an error rate."""
    parts = {row.part for row in rows}
    if outcome.rows and all(row.verdict in (NONE, "context") for row in outcome.rows.values()):
        return []
    # t and looks take differences for normal, and err more often where they are far from it.
    what = "teachers" if outcome.units.shared else "pairs"
    flips = (
        f"flip p: exact test of sign flips, from 6 {what} on, which unlike t and the looks does not take differences "
        "for normal."
    )
    exact = any(row.equal and row.holm is not None for row in outcome.rows.values())
    test = f"t test ({EXACT})" if exact else "t test"
    exempt = ", the primary comparison stands alone" if "primary" in parts else ""
    if "second" in parts:
        second = next(row.label for row in rows if row.part == "second")
        family = f"{second} and the baselines together" if "baseline" in parts else f"{second}"
        return [f"Holm p: {test}, adjusted over {family}{exempt}. {flips}"]
    if "baseline" in parts:
        return [f"Holm p: {test}, adjusted over the baselines too{exempt}. {flips}"]
    return []


def _undecided(rows: list[Compared], outcome: Outcome, effect: float) -> list[str]:
    """Name the baselines that the winner cannot be told from; the others have sentences of their own."""
    notes = []
    for row in rows:
        judged = outcome.rows.get(row.id)
        if row.part == "baseline" and judged is not None and judged.verdict == "undecided":
            if equal := equal_words(judged, outcome):
                notes.append(f"{row.label}: undecided only for the number of {outcome.units.word}s; {equal}.")
                continue
            words = resolving(judged.difference, effect, judged.looks, outcome.family, outcome.units)
            notes.append(f"{row.label}: not distinguishable from the winner" + (f"; {words}." if words else "."))
    return notes
