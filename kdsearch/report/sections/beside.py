"""The winners of several studies on common fresh seeds, the first against each other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from kdsearch.ledger.records import StudyResults
from kdsearch.report.beside import Side
from kdsearch.report.beside import sentences
from kdsearch.report.beside import sides
from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import TEACHERS
from kdsearch.report.captions import data_line
from kdsearch.report.captions import min_effect
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import test_measure
from kdsearch.report.compared import void_primary
from kdsearch.report.ended import search_runs
from kdsearch.report.judged import judge
from kdsearch.report.looks import at_look
from kdsearch.report.looks import confidence_at
from kdsearch.report.looks import earlier_looks
from kdsearch.report.looks import resolving
from kdsearch.report.primary import signed
from kdsearch.report.tables import Cell
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Report
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import Difference
from kdsearch.statistics import Probability
from kdsearch.statistics import family_verdicts
from kdsearch.statistics import paired_difference
from kdsearch.statistics import paired_probability
from kdsearch.statistics import summarize


@dataclass(frozen=True)
class _Judged:
    """The first study's winner minus another's on common fresh seeds, as it came and as the present look may say."""

    raw: Difference
    shown: Difference
    probability: Probability
    verdict: str
    holm: float


def build_beside(results: Sequence[StudyResults], *, mix_code: bool = False) -> Report:
    """Put the winners of studies side by side, each chosen by its own search without a look at the seeds shown.

    Differences are the first study's winner minus each other's, paired over common fresh seeds: who names the studies
    says which one the question is about, no best of them is picked. Raises as :func:`~kdsearch.report.beside.sides`.
    """
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
    return sorted(_results(first).keys() & _results(other).keys())


def _results(side: Side) -> dict[int, float]:
    return side.selection.results(side.winner)


def _judge(found: Sequence[Side], looks: tuple[int, ...]) -> dict[str, _Judged]:
    """Each comparison by the other study's name; none for one without a common seed."""
    first, pairs = found[0], {}
    for side in found[1:]:
        if seeds := _common(first, side):
            ours, theirs = _results(first), _results(side)
            pairs[side.selection.study.name] = [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]
    raw = {name: paired_difference(*values) for name, values in pairs.items()}
    verdicts, holm = family_verdicts(list(raw.values()), min_effect(first.selection), looks=looks)
    return {
        name: _Judged(
            raw[name], at_look(raw[name], looks), paired_probability(*values, confidence_at(looks)), verdict, adjusted
        )
        for (name, values), verdict, adjusted in zip(pairs.items(), verdicts, holm, strict=True)
    }


def _table(found: Sequence[Side], judged: dict[str, _Judged], looks: tuple[int, ...]) -> Table:
    first, confidence = found[0].selection, confidence_at(looks)
    heading = f"test {first.study.metric}" if first.has_scores else objective_title(first.study, first.has_scores)
    rows = [_row(side, judged.get(side.selection.study.name)) for side in found]
    rows += [row for side in found if (row := _without(side)) is not None]
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
    selection, values = side.selection, list(_results(side).values())
    cells: tuple[Cell, ...] = (
        len(values),
        Estimate.of(summarize(values)),
        Estimate.between(judged.shown) if judged else None,
        judged.raw.n if judged else None,
        sum(run.state == "diverged" for run in selection.of(side.winner, "confirm")),
        judged.shown.p if judged else None,
        judged.holm if judged else None,
        Estimate.chance(judged.probability) if judged else None,
        judged.shown.sign_flip_p if judged else None,
        judged.verdict if judged else None,
        search_runs(side.results),
        _seconds(side, side.winner),
        side.hours,
    )
    remarks = [selection.diverged(side.winner, "confirm"), "without its method" if _idle(side) else ""]
    return Row(side.label, cells, ", ".join(filter(None, remarks)))


def _without(side: Side) -> Row | None:
    """A study's winner without what teaches it: context."""
    selection, id_ = side.selection, side.selection.study.ablation_id
    if id_ is None or void_primary(selection) is not None or not selection.results(id_):
        return None
    values = list(selection.results(id_).values())
    diverged = sum(run.state == "diverged" for run in selection.of(id_, "confirm"))
    cells: tuple[Cell, ...] = (len(values), Estimate.of(summarize(values)), None, None, diverged)
    cells += (None, None, None, None, "context", None, _seconds(side, id_), None)
    return Row(f"{side.title} without distillation", cells, selection.diverged(id_, "confirm"), context=True)


def _idle(side: Side) -> bool:
    """Whether a study that has a method found no use for it: its winner's weights of it are all 0."""
    weights = [str(name) for name in side.selection.study.settings.get("teacher_parameters", ())]
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
        "all rows with a verdict. flip p: exact sign flips, from 6 pairs.",
        "Which study is named first is to be said before the numbers are seen: to name the best one first picks it by "
        "these very seeds.",
        "What is compared are these winners: of one search each, under the recipe, budget and teacher of its study. "
        "Another search of the same method may find another winner.",
    ]
    if len(looks) > 1:
        earlier = ", ".join(map(str, looks[:-1]))
        notes.append(f"Seeds of these studies were looked at before ({earlier} of them): intervals and p values allow.")
    for side in found[1:]:
        notes += _pair_notes(side, judged.get(side.selection.study.name), effect, looks, len(judged))
    notes += _gains(found)
    for side in found:
        if _idle(side):
            notes.append(f"{side.title}: {void_primary(side.selection)}.")
    if any(side.selection.diverged(side.winner, "confirm") for side in found):
        notes.append(f"Diverged runs count at chance level ({first.selection.study.chance:.4g}).")
    for side in found:
        teachers = TEACHERS.get(str(side.selection.study.settings.get("teachers", "one")), TEACHERS["one"])
        notes.append(
            f"{side.title}: {data_line(side.selection.study)}; {teachers}; {side.hours:.2f} hours of training."
        )
    return [*notes, MEAN_INTERVAL]


def _pair_notes(side: Side, judged: _Judged | None, effect: float, looks: tuple[int, ...], family: int) -> list[str]:
    if judged is None:
        return [f"{side.title}: no fresh seed ended in both, so there is no difference."]
    notes = []
    if judged.raw.n < len(_results(side)):
        notes.append(f"{side.title}: {judged.raw.n} of its {len(_results(side))} seeds ended in the first study too.")
    if judged.verdict == "undecided":
        words = resolving(judged.raw, effect, looks, family)
        notes.append(f"{side.title}: not distinguishable from the first" + (f"; {words}." if words else "."))
    return notes


def _gains(found: Sequence[Side]) -> list[str]:
    """Each winner against itself without what teaches it, as its own report has it: recipes differ, gains less so."""
    said = []
    for side in found:
        row = judge(side.selection).rows.get(side.selection.study.ablation_id or -1)
        if row is not None and void_primary(side.selection) is None:
            said.append(f"{side.title} {signed(row.difference)} (n = {row.difference.n}), {row.verdict}")
    each = "Each winner minus itself without distillation, on its own fresh seeds"
    return [f"{each}: {'; '.join(said)}; each by its own study's rule, not adjusted over studies."] if said else []
