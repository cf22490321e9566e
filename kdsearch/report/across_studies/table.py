"""The winners of several studies on common fresh seeds, the first against each other one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from statistics import median

from kdsearch.ledger.records import StudyResults
from kdsearch.report.across_studies.eligibility import Side, mean_notes, sentences, sides
from kdsearch.report.across_studies.splits import build_splits, differ_in_split
from kdsearch.report.captions import describe_spread, result_heading, test_measure
from kdsearch.report.comparisons import (
    EQUAL_FEW,
    Comparison,
    Pair,
    compare,
    compare_pairs,
    confidence_at,
    earlier_looks,
    wins,
)
from kdsearch.report.configurations import BEST, best_without_id, void_ablation
from kdsearch.report.notes import count_search_runs
from kdsearch.report.sections.comparison import cells, cells_of, columns_of
from kdsearch.report.tables import Column, Report, Row, Table
from kdsearch.report.units import FEWEST_TEACHERS, Units, joined, random_factors
from kdsearch.report.wording import signed


def build_across_studies(results: Sequence[StudyResults], *, mix_code: bool = False) -> Report:
    """Put the winners of studies into one table, each chosen by its own search without a look at the seeds shown.

    Differences are the first study's winner minus each other's, paired over common fresh seeds: who names the studies
    says which one the question is about, no best of them is picked. Studies that are one but for the split of their
    data get a table over splits instead. Raises as :func:`~kdsearch.report.across_studies.eligibility.sides`.
    """
    if differ_in_split(results):
        return build_splits(results, mix_code=mix_code)
    found = sides(results, mix_code)
    looks = _looks(found)
    comparisons = _compare(found, looks)
    names = ", ".join(side.selection.study.name for side in found)
    return Report(
        title="Across studies",
        study=names,
        description=names,
        notes=tuple(sentences(found)),
        tables=(_table(found, comparisons, looks),),
    )


def _looks(found: Sequence[Side]) -> tuple[int, ...]:
    """All looks at any of the studies up to the present one: each of them showed something of the seeds here."""
    n = max(len(_common(found[0], side)) for side in found[1:])
    if n < 2:
        return ()
    earlier = {look for side in found for look in earlier_looks(side.selection) if 2 <= look < n}
    return (*sorted(earlier), n)


def _common(first: Side, other: Side) -> list[int]:
    """The fresh seeds that both winners have, and with them the folds: none where their data have other folds."""
    if _folds(first) != _folds(other):
        return []
    return sorted(_results(first).keys() & _results(other).keys())


def _folds(side: Side) -> int:
    return side.selection.study.settings.folds


def _results(side: Side) -> dict[int, float]:
    return side.selection.results(side.winner)


def _compare(found: Sequence[Side], looks: tuple[int, ...]) -> dict[str, Comparison]:
    """Each comparison by the other study's name; none for one without a common seed."""
    first, pairs = found[0], {}
    for side in found[1:]:
        if seeds := _common(first, side):
            pairs[side.selection.study.name] = Pair(
                *_values(first, side, seeds), len(seeds), looks, _units(first, side)
            )
    return compare_pairs(pairs, first.selection.min_effect, minimize=first.selection.minimizes)


def _values(first: Side, other: Side, seeds: list[int]) -> tuple[list[float], list[float]]:
    """Both winners' results on common seeds, a mean for seeds that share a teacher in either study."""
    groups: dict[Hashable, list[int]] = {}
    for seed, key in joined(Units.of(first.selection), Units.of(other.selection), seeds).items():
        groups.setdefault(key, []).append(seed)
    ours, theirs = (
        [sum(result[seed] for seed in group) / len(group) for group in groups.values()]
        for result in (_results(first), _results(other))
    )
    return ours, theirs


def _units(first: Side, other: Side) -> Units:
    """What their differences count: teachers where either study's seeds share them."""
    both = [Units.of(side.selection) for side in (first, other)]
    return next((units for units in both if units.shared), both[0])


def _table(found: Sequence[Side], comparisons: dict[str, Comparison], looks: tuple[int, ...]) -> Table:
    first, confidence = found[0].selection, confidence_at(looks)
    columns = (
        *columns_of(result_heading(first), "first", confidence, wins("first", first)),
        Column("search_runs", "search runs", "count", optional=True),
        Column("seconds", "s a run", "number", machine=True),
        Column("hours", "hours", "number", machine=True),
    )
    rows = [_row(columns, side, comparisons.get(side.selection.study.name), confidence) for side in found]
    rows += [row for side in found for row in _without(columns, side)]
    return Table(
        key="beside",
        title="Across studies, on confirm seeds",
        caption=(
            f"{test_measure(first)}; each row is the winner of one study, chosen by that study's own search; sd over "
            "seeds, teachers and data as the notes say; n = runs, one a seed."
        ),
        columns=columns,
        rows=tuple(rows),
        notes=tuple(_notes(found, comparisons, looks)),
        row_header="study",
    )


def _row(columns: Sequence[Column], side: Side, comparison: Comparison | None, confidence: float) -> Row:
    selection = side.selection
    known = cells(selection, side.winner, Units.of(selection), comparison, confidence)
    known |= {
        "search_runs": count_search_runs(side.results),
        "seconds": _seconds(side, side.winner),
        "hours": side.hours,
    }
    notes = [selection.diverged_note(side.winner), "without its method" if side.without_method else ""]
    return Row(side.label, cells_of(columns, known), ", ".join(filter(None, notes)))


def _without(columns: Sequence[Column], side: Side) -> list[Row]:
    """A study's winner without what teaches it, and its best configuration that does without: context."""
    selection = side.selection
    ablation = selection.study.ablation_id if void_ablation(selection) is None else None
    best = best_without_id(selection)
    named = {best: f"{side.title} {BEST}", ablation: f"{side.title} without distillation"}
    rows = []
    for id_ in dict.fromkeys((ablation, best)):
        if id_ is None or not selection.results(id_):
            continue
        known = cells(selection, id_, Units.of(selection), None, 0.95)
        known |= {"verdict": "context", "seconds": _seconds(side, id_)}
        rows.append(Row(named[id_], cells_of(columns, known), selection.diverged_note(id_), context=True))
    return rows


def _seconds(side: Side, id_: int) -> float | None:
    seconds = [run.seconds for run in side.selection.of(id_, "confirm") if run.seconds is not None]
    return float(median(seconds)) if seconds else None


def _notes(found: Sequence[Side], comparisons: dict[str, Comparison], looks: tuple[int, ...]) -> list[str]:
    first, effect = found[0], found[0].selection.min_effect
    # What another study would have of its own; a teacher only where one of these has one.
    taught = any(random_factors(side.selection).teachers != "none" for side in found)
    own = "recipe, budget and teacher" if taught else "recipe and budget"
    notes = [
        f"first - row: {first.title}, the study named first, minus the row's, paired over common seeds, t interval. "
        f"Verdicts are the first's; equivalent is within {effect:g}, its min_effect. Holm p: t test, adjusted over "
        "all rows with a verdict. flip p: exact test of sign flips, from 6 pairs on.",
        "Which study is named first is to be said before the numbers are seen: to name the best one first picks it by "
        "these very seeds.",
        f"What is compared are these winners: of one search each, under the {own} of its study. Another "
        "search of the same method may find another winner.",
    ]
    if any(row.pair.units.shared for row in comparisons.values()):
        notes.append(
            "Seeds share teachers: differences, intervals and p values count teachers, each by the mean over its "
            f"seeds. Below {FEWEST_TEACHERS} teachers there is no verdict."
        )
    if len(looks) > 1:
        earlier = ", ".join(map(str, looks[:-1]))
        notes.append(f"Seeds of these studies were looked at before ({earlier} of them): intervals and p values allow.")
    for side in found[1:]:
        if _folds(side) != _folds(first):
            notes.append(
                f"{side.title}: its runs are validated by {_folds(side) or 'no'} folds and the first study's by "
                f"{_folds(first) or 'none'}, so that no fresh seed means the same in both and there is no difference."
            )
            continue
        notes += _pair_notes(side, comparisons.get(side.selection.study.name), effect)
    if any(row.difference.equal_few for row in comparisons.values()):
        notes.append(EQUAL_FEW)
    notes += _gains(found)
    notes += [f"{side.title}: {void_ablation(side.selection)}." for side in found if side.without_method]
    if any(side.selection.diverged(side.winner) for side in found):
        notes.append(first.selection.chance_note)
    notes += [f"{side.title}: {side.describe(describe_spread(side.selection))}" for side in found]
    return [*notes, *mean_notes(found)]


def _pair_notes(side: Side, comparison: Comparison | None, effect: float) -> list[str]:
    if comparison is None:
        return [f"{side.title}: no fresh seed ended in both, so there is no difference."]
    notes, seeds = [], comparison.pair.seeds
    if seeds < len(_results(side)):
        notes.append(f"{side.title}: {seeds} of its {len(_results(side))} seeds ended in the first study too.")
    if comparison.verdict == "undecided":
        needed = comparison.to_resolve(effect)
        notes.append(f"{side.title}: not distinguishable from the first" + (f"; {needed}." if needed else "."))
    return notes


def _gains(found: Sequence[Side]) -> list[str]:
    """Each winner against itself without what teaches it, as its own report has it: recipes differ, gains less so."""
    said = []
    for side in found:
        row = compare(side.selection).rows.get(side.selection.study.ablation_id or -1)
        if row is not None and void_ablation(side.selection) is None:
            teachers = " teachers" if Units.of(side.selection).shared else ""
            gain = signed(row.difference, side.selection.digits)
            said.append(f"{side.title} {gain} (n = {row.difference.n}{teachers}), {row.verdict}")
    each = "Each winner minus itself without distillation, on its own fresh seeds"
    return [f"{each}: {'; '.join(said)}; each by its own study's rule, not adjusted over studies."] if said else []
