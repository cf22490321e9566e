"""One study on several official splits: each split's mean, and mean and sd over them as the field reports."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.report.across_studies.eligibility import Side, mean_notes, sentences, sides
from kdsearch.report.captions import describe_spread, items, test_measure
from kdsearch.report.configurations import BEST, WITHOUT, uses_teacher
from kdsearch.report.finding import primary_sentence
from kdsearch.report.selection import task_of
from kdsearch.report.tables import Column, Estimate, Report, Row, Table
from kdsearch.report.units import Units
from kdsearch.report.wording import listed
from kdsearch.statistics import summarize

OFFICIAL = ("split1", "split2", "split3")
"""JHMDB, UCF101 and HMDB51 have so many, and the field reports the mean over them."""

_KEYS = ("protocol", "split")


def differ_in_split(results: Sequence[StudyResults]) -> bool:
    """Whether two studies or more are the same in all but the split of their data, and each is of another split."""
    splits = [split_of(result.study) for result in results]
    if len(results) < 2 or None in splits or len(set(splits)) < len(splits):
        return False
    rests = [_but_for_split(result.study) for result in results]
    return all(rest == rests[0] for rest in rests[1:])


def split_of(study: StudyRecord) -> str | None:
    """Return ``split1``, ``split2`` or ``split3``; ``None`` for data without official splits."""
    data = _data(study)
    named = next((data[key] for key in _KEYS if data.get(key) is not None), None)
    match = re.fullmatch(r"(?:split)?([123])", str(named))
    return f"split{match[1]}" if match else None


def _data(study: StudyRecord) -> Mapping[str, Any]:
    data = task_of(study).get("data")
    return data if isinstance(data, Mapping) else {}


def _but_for_split(study: StudyRecord) -> dict[str, Any]:
    """The identity without its split, and without the preset's name: what the preset changed is in the rest."""
    data = {key: value for key, value in _data(study).items() if key not in _KEYS}
    rest = {key: value for key, value in study.identity.items() if key != "preset"}
    if "split" in _data(study):
        del rest["data"]  # the fingerprint is of the split's own lists
    return {**rest, "task": {**study.identity["task"], "data": data}}


def build_splits(results: Sequence[StudyResults], *, mix_code: bool = False) -> Report:
    """Put one study's splits into one table, descriptive: no difference is tested and no verdict given.

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
    first = found[0].selection
    # Spreads within a split are of the same kind in all, which are one study.
    return Table(
        key="splits",
        title="Mean over splits",
        caption=(
            f"{test_measure(first)}; each column is one study, searched by itself on its split; within a "
            f"split, {describe_spread(first)}; n = runs, one a seed; over splits: sd of the splits' means."
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
        ids = [(side.selection, one[label]) for side, one in zip(found, named, strict=True)]
        cells = [Units.of(selection).estimate(selection.results(id_)) for selection, id_ in ids]
        estimates = [cell for cell in cells if cell is not None]
        if len(estimates) == len(cells):
            over = summarize([cell.value for cell in estimates])
            counts = f"n = {', '.join(str(cell.n) for cell in estimates)}"
            lost = sum(selection.diverged(id_) for selection, id_ in ids)
            note = f"{counts}; {lost} diverged" if lost else counts
            rows.append(Row(label, (*estimates, Estimate(over.mean, sd=over.sd, n=over.n)), note))
    return rows


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
    idle = [_split(side) for side in found if side.without_method]
    if idle:
        notes.append(f"The winner of {listed(idle)} uses no teacher: it is itself without distillation.")
    notes += [f"{_split(side)} ({side.selection.study.name}): {side.describe()}" for side in found]
    if any(side.selection.diverged(id_) for side in found for id_ in _configurations(side).values()):
        chances = ", ".join(f"{side.selection.study.chance:.4g}" for side in found)
        notes.append(f"Diverged runs count at chance level ({chances}).")
    return [*notes, *mean_notes(found)]
