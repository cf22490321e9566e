"""One study on several official splits: each split's mean, and mean and sd over them as the field reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdsearch.ledger.records import StudyResults
from kdsearch.report.across_studies.eligibility import Side, mean_notes, sentences, sides
from kdsearch.report.captions import data_line, items, listed, recipe_words, saw_words, spread_words, test_measure
from kdsearch.report.compared import BEST, WITHOUT, uses_teacher
from kdsearch.report.primary import primary_sentence
from kdsearch.report.splits import OFFICIAL, split_of
from kdsearch.report.tables import Column, Estimate, Report, Row, Table
from kdsearch.report.units import Units
from kdsearch.statistics import summarize


def build_splits(results: Sequence[StudyResults], *, mix_code: bool = False) -> Report:
    """Put one study's splits side by side, descriptive: no difference is tested and no verdict given.

    ``results``: studies for which ``differ_in_split`` holds. Raises as ``eligibility.sides``.
    """
    found = sorted(sides(results, mix_code, alike=False), key=_split)
    names = ", ".join(side.selection.study.name for side in found)
    return Report(
        title="Over splits",
        study=names,
        description=names,
        notes=(*sentences(found), *(f"{_split(side)}: {primary_sentence(side.selection)}" for side in found)),
        tables=(_table(found),),
    )


def _split(side: Side) -> str:
    return str(split_of(side.selection.study))


def _table(found: Sequence[Side]) -> Table:
    study, has_scores = found[0].selection.study, found[0].selection.has_scores
    # Spreads within a split are of the same kind in all, which are one study.
    return Table(
        key="splits",
        title="Mean over splits",
        caption=(
            f"{test_measure(study, has_scores)}; each column is one study, searched by itself on its split; within a "
            f"split, {spread_words(found[0].selection)}; n = runs, one a seed; over splits: sd of the splits' means."
        ),
        columns=(
            *(Column(_split(side), _split(side), "estimate") for side in found),
            Column("over", "over splits", "estimate"),
        ),
        rows=tuple(_rows(found)),
        notes=tuple(_notes(found)),
    )


def _rows(found: Sequence[Side]) -> list[Row]:
    """The rows that all studies have: the winners, those without distillation, baselines of one name."""
    named = [_configurations(side) for side in found]
    rows = []
    for label in named[0]:
        if not all(label in one for one in named):
            continue
        cells = [_estimate(side, one[label]) for side, one in zip(found, named, strict=True)]
        estimates = [cell for cell in cells if cell is not None]
        if len(estimates) == len(cells):
            over = summarize([cell.value for cell in estimates])
            counts = f"n = {', '.join(str(cell.n) for cell in estimates)}"
            lost = sum(_diverged(side, one[label]) for side, one in zip(found, named, strict=True))
            remark = f"{counts}; {lost} diverged" if lost else counts
            rows.append(Row(label, (*estimates, Estimate(over.mean, sd=over.sd, n=over.n)), remark))
    return rows


def _diverged(side: Side, id_: int) -> int:
    return sum(run.state == "diverged" for run in side.selection.of(id_, "confirm"))


def _configurations(side: Side) -> Mapping[str, int]:
    """Ids of what a study compares, by the name that it has in all studies."""
    selection, study = side.selection, side.selection.study
    named = {"winner": side.winner}
    if study.settings.teacher_parameters:
        # A winner that uses no teacher is itself without distillation.
        ablation = study.ablation_id if uses_teacher(selection, side.winner) else side.winner
        named |= {} if ablation is None else {WITHOUT: ablation}
    named |= {} if study.best_without_id is None else {BEST: study.best_without_id}
    baselines = [row for _, row in sorted(selection.configurations.items()) if row.kind == "baseline"]
    return {**named, **{row.name: row.id for row in baselines}}


def _estimate(side: Side, id_: int) -> Estimate | None:
    return Units.of(side.selection).estimate(side.selection.results(id_))


def _notes(found: Sequence[Side]) -> list[str]:
    first = found[0].selection.study
    notes = [
        f"Descriptive, without a verdict: the lists of the splits overlap, for {items(first)} that are tested in one "
        "train in another, so their means are not independent, and an sd over so few has no interval. Each split's "
        "own comparison stands above and in its own report.",
        "Each split has a search of its own, so that its winner has other parameters than those of the other splits.",
    ]
    missing = [split for split in OFFICIAL if split not in {_split(side) for side in found}]
    if missing:
        notes.append(
            f"The field reports the mean over all {len(OFFICIAL)} splits: without {listed(missing)} this is another "
            "number."
        )
    idle = [_split(side) for side in found if _idle(side)]
    if idle:
        notes.append(f"The winner of {listed(idle)} uses no teacher: it is itself without distillation.")
    for side in found:
        words = [data_line(side.selection.study), *recipe_words(side.selection), *saw_words(side.selection)]
        notes.append(
            f"{_split(side)} ({side.selection.study.name}): {'; '.join(words)}; {side.hours:.2f} hours of training."
        )
    if any(_diverged(side, id_) for side in found for id_ in _configurations(side).values()):
        notes.append(f"Diverged runs count at chance level ({_chances(found)}).")
    return [*notes, *mean_notes(found)]


def _idle(side: Side) -> bool:
    weights = side.selection.study.settings.teacher_parameters
    return bool(weights) and not uses_teacher(side.selection, side.winner)


def _chances(found: Sequence[Side]) -> str:
    return ", ".join(f"{side.selection.study.chance:.4g}" for side in found)
