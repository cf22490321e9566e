"""The winners of several studies on common fresh seeds, the first against each other one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import median

from kdsearch.ledger.records import StudyResults
from kdsearch.report.across_studies.eligibility import Side, mean_notes, sentences, sides
from kdsearch.report.captions import (
    data_line,
    min_effect,
    objective_title,
    recipe_words,
    saw_words,
    spread_words,
    test_measure,
)
from kdsearch.report.compared import BEST, best_without_id, void_ablation
from kdsearch.report.comparisons import EQUAL_FEW, NONE, judge
from kdsearch.report.drawn import drawn
from kdsearch.report.looks import at_look, confidence_at, earlier_looks, resolving
from kdsearch.report.notes import search_runs
from kdsearch.report.primary import signed
from kdsearch.report.sections.splits import build_splits
from kdsearch.report.splits import differ_in_split
from kdsearch.report.tables import Cell, Column, Estimate, Report, Row, Table
from kdsearch.report.units import FEWEST_TEACHERS, Units, joined
from kdsearch.statistics import Difference, Probability, family_verdicts, paired_difference, paired_probability


@dataclass(frozen=True)
class _Judged:
    """The first study's winner minus another's on common fresh seeds, as it came and as the present look may say.

    ``seeds``: how many they have in common; the differences' ``n`` counts ``units``, which may be teachers.
    """

    raw: Difference
    shown: Difference
    probability: Probability
    verdict: str
    holm: float
    seeds: int
    units: Units


def build_beside(results: Sequence[StudyResults], *, mix_code: bool = False) -> Report:
    """Put the winners of studies side by side, each chosen by its own search without a look at the seeds shown.

    Differences are the first study's winner minus each other's, paired over common fresh seeds: who names the studies
    says which one the question is about, no best of them is picked. Studies that are one but for the split of their
    data get a table over splits instead. Raises as :func:`~kdsearch.report.across_studies.eligibility.sides`.
    """
    if differ_in_split(results):
        return build_splits(results, mix_code=mix_code)
    found = sides(results, mix_code)
    looks = _looks(found)
    judged = _judge(found, looks)
    names = ", ".join(side.selection.study.name for side in found)
    return Report(
        title="Side by side",
        study=names,
        description=names,
        notes=tuple(sentences(found)),
        tables=(_table(found, judged, looks),),
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


def _judge(found: Sequence[Side], looks: tuple[int, ...]) -> dict[str, _Judged]:
    """Each comparison by the other study's name; none for one without a common seed."""
    first, pairs = found[0], {}
    for side in found[1:]:
        if seeds := _common(first, side):
            pairs[side.selection.study.name] = _pairs(first, side, seeds), len(seeds), _units(first, side)
    raw = {name: paired_difference(*values) for name, (values, _, _) in pairs.items()}
    family = [
        name for name, (_, _, units) in pairs.items() if units.judges(raw[name].n) and not math.isnan(raw[name].p)
    ]
    verdicts, holm = family_verdicts(
        [raw[name] for name in family], min_effect(first.selection), looks=[looks] * len(family)
    )
    words = dict(zip(family, zip(verdicts, holm, strict=True), strict=True))
    return {
        name: _Judged(
            raw[name],
            at_look(raw[name], looks),
            paired_probability(*values, confidence_at(looks)),
            *words.get(name, (NONE, math.nan)),
            seeds,
            units,
        )
        for name, (values, seeds, units) in pairs.items()
    }


def _pairs(first: Side, other: Side, seeds: list[int]) -> tuple[list[float], list[float]]:
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


def _table(found: Sequence[Side], judged: dict[str, _Judged], looks: tuple[int, ...]) -> Table:
    first, confidence = found[0].selection, confidence_at(looks)
    heading = f"test {first.study.metric}" if first.has_scores else objective_title(first.study, first.has_scores)
    rows = [_row(side, judged.get(side.selection.study.name)) for side in found]
    rows += [row for side in found for row in _without(side)]
    return Table(
        key="beside",
        title="Side by side on confirm seeds",
        caption=(
            f"{test_measure(first.study, first.has_scores)}; each row is the winner of one study, chosen by that "
            "study's own search; sd over seeds, teachers and data as the notes say; n = runs, one a seed."
        ),
        columns=(
            Column("n", "n", "count"),
            Column("score", heading, "estimate"),
            Column("difference", "first - row", "difference", confidence=confidence),
            Column("pairs", "pairs", "count", machine=True),
            Column("diverged", "diverged", "count", machine=True),
            Column("t_p", "t p", "p", machine=True),
            Column("holm_p", "Holm p", "p", spare=True),
            Column("probability", "P(first > row)", "probability", spare=True, confidence=confidence),
            Column("flip_p", "flip p", "p", spare=True),
            Column("verdict", "verdict", "text"),
            Column("search_runs", "search runs", "count", spare=True),
            Column("seconds", "s a run", "number", machine=True),
            Column("hours", "hours", "number", machine=True),
        ),
        rows=tuple(rows),
        notes=tuple(_notes(found, judged, looks)),
        stub="study",
    )


def _row(side: Side, judged: _Judged | None) -> Row:
    selection, values = side.selection, _results(side)
    tested = judged is not None and judged.verdict != NONE
    cells: tuple[Cell, ...] = (
        len(values),
        Units.of(selection).estimate(values),
        Estimate.between(judged.shown) if judged else None,
        judged.raw.n if judged else None,
        sum(run.state == "diverged" for run in selection.of(side.winner, "confirm")),
        judged.shown.p if judged and tested else None,
        judged.holm if judged and tested else None,
        Estimate.chance(judged.probability) if judged else None,
        judged.shown.sign_flip_p if judged and tested else None,
        judged.verdict if judged else None,
        search_runs(side.results),
        _seconds(side, side.winner),
        side.hours,
    )
    remarks = [selection.diverged(side.winner, "confirm"), "without its method" if _idle(side) else ""]
    return Row(side.label, cells, ", ".join(filter(None, remarks)))


def _without(side: Side) -> list[Row]:
    """A study's winner without what teaches it, and its best setting that does without: context."""
    selection = side.selection
    ablation = selection.study.ablation_id if void_ablation(selection) is None else None
    best = best_without_id(selection)
    named = {best: f"{side.title} {BEST}", ablation: f"{side.title} without distillation"}
    rows = []
    for id_ in dict.fromkeys((ablation, best)):
        if id_ is None or not selection.results(id_):
            continue
        values = selection.results(id_)
        diverged = sum(run.state == "diverged" for run in selection.of(id_, "confirm"))
        cells: tuple[Cell, ...] = (len(values), Units.of(selection).estimate(values), None, None, diverged)
        cells += (None, None, None, None, "context", None, _seconds(side, id_), None)
        rows.append(Row(named[id_], cells, selection.diverged(id_, "confirm"), context=True))
    return rows


def _idle(side: Side) -> bool:
    """Whether a study that has a method found no use for it: its winner's weights of it are all 0."""
    weights = side.selection.study.settings.teacher_parameters
    params = side.selection.configurations[side.winner].params
    return bool(weights) and not any(params.get(name, 0) for name in weights)


def _seconds(side: Side, id_: int) -> float | None:
    seconds = [run.seconds for run in side.selection.of(id_, "confirm") if run.seconds is not None]
    return float(median(seconds)) if seconds else None


def _notes(found: Sequence[Side], judged: dict[str, _Judged], looks: tuple[int, ...]) -> list[str]:
    first, effect = found[0], min_effect(found[0].selection)
    notes = [
        f"first - row: {first.title}, the study named first, minus the row's, paired over common seeds, t interval. "
        f"Verdicts are the first's; equivalent is within {effect:g}, its min_effect. Holm p: t test, adjusted over "
        "all rows with a verdict. flip p: exact test of sign flips, from 6 pairs on.",
        "Which study is named first is to be said before the numbers are seen: to name the best one first picks it by "
        "these very seeds.",
        f"What is compared are these winners: of one search each, under the {_under(found)} of its study. Another "
        "search of the same method may find another winner.",
    ]
    shared = [row for row in judged.values() if row.units.shared]
    family = sum(row.verdict != NONE for row in judged.values())
    if shared:
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
        notes += _pair_notes(side, judged.get(side.selection.study.name), effect, looks, family)
    if any(row.raw.equal_few for row in judged.values()):
        notes.append(EQUAL_FEW)
    notes += _gains(found)
    for side in found:
        if _idle(side):
            notes.append(f"{side.title}: {void_ablation(side.selection)}.")
    if any(side.selection.diverged(side.winner, "confirm") for side in found):
        notes.append(f"Diverged runs count at chance level ({first.selection.study.chance:.4g}).")
    for side in found:
        words = [data_line(side.selection.study), spread_words(side.selection)]
        words += [*recipe_words(side.selection), *saw_words(side.selection)]
        notes.append(f"{side.title}: {'; '.join(words)}; {side.hours:.2f} hours of training.")
    return [*notes, *mean_notes(found)]


def _under(found: Sequence[Side]) -> str:
    """What another study would have of its own; a teacher only where one of these has one."""
    taught = any(drawn(side.selection).teachers != "none" for side in found)
    return "recipe, budget and teacher" if taught else "recipe and budget"


def _pair_notes(side: Side, judged: _Judged | None, effect: float, looks: tuple[int, ...], family: int) -> list[str]:
    if judged is None:
        return [f"{side.title}: no fresh seed ended in both, so there is no difference."]
    notes = []
    if judged.seeds < len(_results(side)):
        notes.append(f"{side.title}: {judged.seeds} of its {len(_results(side))} seeds ended in the first study too.")
    if judged.verdict == "undecided":
        words = resolving(judged.raw, effect, looks, family, judged.units)
        notes.append(f"{side.title}: not distinguishable from the first" + (f"; {words}." if words else "."))
    return notes


def _gains(found: Sequence[Side]) -> list[str]:
    """Each winner against itself without what teaches it, as its own report has it: recipes differ, gains less so."""
    said = []
    for side in found:
        row = judge(side.selection).rows.get(side.selection.study.ablation_id or -1)
        if row is not None and void_ablation(side.selection) is None:
            teachers = " teachers" if Units.of(side.selection).shared else ""
            gain = signed(row.difference, side.selection.digits)
            said.append(f"{side.title} {gain} (n = {row.difference.n}{teachers}), {row.verdict}")
    each = "Each winner minus itself without distillation, on its own fresh seeds"
    return [f"{each}: {'; '.join(said)}; each by its own study's rule, not adjusted over studies."] if said else []
