"""Winner against the configurations without distillation and against each baseline, on fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kdsearch.report.captions import caption, result_heading, test_measure
from kdsearch.report.comparisons import (
    EQUAL_FEW,
    NONE,
    UNTESTED,
    Comparison,
    Comparisons,
    compare,
    confidence_at,
    looks_sentence,
    nothing_to_compare,
    wins,
)
from kdsearch.report.configurations import Compared, compared
from kdsearch.report.finding import baselines_above
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Cell, Column, Estimate, Row, Table
from kdsearch.report.units import FEWEST_TEACHERS, Units
from kdsearch.report.wording import listed, percent, plural

ORDER, WHEN = 10, "result"


def section(selection: Selection) -> Table | None:
    """Return the main table, ``None`` while no confirm run of the winner has ended."""
    if not selection.results(selection.study.winner_id or -1):
        return None
    rows, comparisons = compared(selection), compare(selection)
    units, confidence = comparisons.units, comparisons.confidence
    columns = columns_of(
        result_heading(selection), "winner", confidence, wins("winner", selection), by_teacher=units.shared > 0
    )
    return Table(
        key="comparison",
        title="Comparison on confirm seeds",
        caption=caption(selection, test_measure(selection)),
        columns=columns,
        rows=tuple(
            Row(
                row.label,
                cells_of(columns, cells(selection, row.id, units, comparisons.rows.get(row.id), confidence)),
                selection.diverged_note(row.id),
                context=row.part == "context",
            )
            for row in rows
        ),
        notes=tuple(_notes(selection, rows, comparisons)),
    )


def columns_of(
    heading: str, first: str, confidence: float, probability: str, *, by_teacher: bool = False
) -> tuple[Column, ...]:
    """Return the columns of a table that compares ``first`` with each row; ``probability``: as ``wins`` writes it."""
    return (
        Column("n", "n", "count"),
        Column("score", heading, "estimate"),
        Column(
            "difference", f"{first} - row{', by teacher' if by_teacher else ''}", "difference", confidence=confidence
        ),
        Column("pairs", "teachers" if by_teacher else "pairs", "count", machine=not by_teacher),
        Column("diverged", "diverged", "count", machine=True),
        Column("correlation", "correlation", "number", machine=True),
        Column("wins", "wins", "count", machine=True),
        Column("ties", "ties", "count", machine=True),
        Column("t_p", "t p", "p", machine=True),
        Column("holm_p", "Holm p", "p", optional=True),
        Column("probability", probability, "probability", optional=True, confidence=confidence),
        Column("flip_p", "flip p", "p", optional=True),
        Column("verdict", "verdict", "text"),
    )


def cells(
    selection: Selection, id_: int, units: Units, comparison: Comparison | None, confidence: float
) -> dict[str, Cell]:
    """Return the cells of one configuration by the keys of ``columns_of``; what is not known is not in them."""
    values = selection.results(id_)
    known: dict[str, Cell] = {"n": len(values), "score": units.estimate(values), "diverged": selection.diverged(id_)}
    if comparison is None:
        return known
    difference, probability = comparison.difference, comparison.probability
    pairs = list(zip(comparison.pair.first, comparison.pair.second, strict=True))
    # The confidence of a row that was not looked at as often as the others, or at other numbers of seeds, is its own.
    own = None
    if comparison.pair.looks and percent(comparison.confidence) != percent(confidence):
        own = comparison.confidence
    known |= {
        "difference": replace(Estimate.between(difference), confidence=own),
        "pairs": difference.n,
        "correlation": difference.correlation,
        "wins": sum(ours < theirs if selection.minimizes else ours > theirs for ours, theirs in pairs),
        "ties": sum(ours == theirs for ours, theirs in pairs),
        "probability": Estimate(probability.value, probability.low, probability.high, n=probability.n, confidence=own),
        "verdict": comparison.verdict,
    }
    if comparison.verdict not in UNTESTED:
        known |= {"t_p": difference.p, "holm_p": comparison.holm, "flip_p": difference.sign_flip_p}
    return known


def cells_of(columns: Sequence[Column], known: dict[str, Cell]) -> tuple[Cell, ...]:
    """Return the cells in the order of the columns, ``None`` where one is not known."""
    return tuple(known.get(column.key) for column in columns)


def _notes(selection: Selection, rows: list[Compared], comparisons: Comparisons) -> list[str]:
    notes = [
        *(() if nothing_to_compare(selection) else (_differences(selection, comparisons),)),
        looks_sentence(selection, comparisons.looks),
        *_own_looks(rows, comparisons),
        *_own_seeds(selection, rows),
        *([EQUAL_FEW] if any(row.difference.equal_few for row in comparisons.rows.values()) else []),
        *_undecided(rows, comparisons, selection.min_effect),
        *baselines_above(selection, rows),
        *_family(rows, comparisons),
    ]
    if any(row.part == "context" for row in rows):
        notes.append(
            "Finalists are context: they lost on search seeds, and no best of these rows is picked afterwards."
        )
    if any(not selection.results(row.id) for row in rows):
        none = "no confirm run that ended well" if selection.finished else "no ended confirm run yet"
        notes.append(f"Rows with n = 0 have {none}.")
    if any(selection.diverged(row.id) for row in rows if row.part == "winner" or row.id in comparisons.rows):
        notes.append(selection.chance_note)
    return [*notes, comparisons.units.mean_note]


def _differences(selection: Selection, comparisons: Comparisons) -> str:
    often = wins("winner", selection)
    words = (
        "Verdicts are the winner's: better or worse where the t test rejects 0, equivalent where two one-sided tests "
        f"put the difference within {selection.min_effect:g}."
    )
    if not comparisons.units.shared:
        return (
            f"winner - row: paired over common seeds, t interval. {often}: how often the winner's run is the "
            f"better one on a common seed, a tie counting half; exact interval. {words}"
        )
    return (
        f"Seeds share {plural(comparisons.units.shared, 'teacher')}, so the teacher is the unit: winner - row is the "
        "mean of the teachers' mean differences over common seeds, its t interval and the sign flips count teachers, "
        f"and {often} says how often the winner's mean is the better one with a teacher, a tie counting half; "
        f"exact interval. {words} Below {FEWEST_TEACHERS} teachers there is no verdict: they say too little of others."
    )


def _own_looks(rows: list[Compared], comparisons: Comparisons) -> list[str]:
    """Name the rows whose intervals and p values are those of other looks, which have other numbers of seeds."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for row in rows:
        own = comparisons.rows.get(row.id)
        if own is not None and own.pair.looks and percent(own.confidence) != percent(comparisons.confidence):
            groups.setdefault(own.pair.looks, []).append(row.label)
    return [
        f"Looks of their own: {listed(labels)}, at {listed([str(look) for look in looks])} seeds, intervals "
        f"{percent(confidence_at(looks))}."
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
        "paired over the seeds that row and winner have in common, and tested by their number."
    ]


def _family(rows: list[Compared], comparisons: Comparisons) -> list[str]:
    """Say which comparisons share an error rate."""
    parts = {row.part for row in rows}
    if comparisons.rows and all(row.verdict in (NONE, "context") for row in comparisons.rows.values()):
        return []
    # t and looks take differences for normal, and err more often where they are far from it.
    what = "teachers" if comparisons.units.shared else "pairs"
    flips = (
        f"flip p: exact test of sign flips, from 6 {what} on, which unlike t and the looks does not take differences "
        "for normal."
    )
    exact = any(row.equal and row.holm is not None for row in comparisons.rows.values())
    test = "t test"
    if exact:
        test += " (where all differences of a row are equal, the exact test of sign flips instead of t)"
    exempt = ", the primary comparison stands alone" if "primary" in parts else ""
    if "second" in parts:
        second = next(row.label for row in rows if row.part == "second")
        family = f"{second} and the baselines together" if "baseline" in parts else second
    elif "baseline" in parts:
        family = "the baselines too"
    else:
        return []
    return [f"Holm p: {test}, adjusted over {family}{exempt}. {flips}"]


def _undecided(rows: list[Compared], comparisons: Comparisons, effect: float) -> list[str]:
    """Name the baselines that the winner is not distinguishable from; the others have sentences of their own."""
    notes = []
    for row in rows:
        comparison = comparisons.rows.get(row.id)
        if row.part != "baseline" or comparison is None or comparison.verdict != "undecided":
            continue
        if equal := comparison.equal_undecided():
            notes.append(f"{row.label}: undecided only for the number of {comparisons.units.word}s; {equal}.")
        else:
            needed = comparison.to_resolve(effect)
            notes.append(f"{row.label}: not distinguishable from the winner" + (f"; {needed}." if needed else "."))
    return notes
