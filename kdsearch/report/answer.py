"""The answer of a finished study: verdict, winner, how to train it, and what the verdict averages over."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Container, Mapping
from pathlib import Path

from kdsearch.ledger.records import StudyRecord
from kdsearch.report.comparisons import Comparisons, compare
from kdsearch.report.configurations import best_without_id, label_of
from kdsearch.report.estimand import average_sentence
from kdsearch.report.finding import (
    Finding,
    better_baselines,
    describe_other,
    effort_sentences,
    finding,
    flips_sentence,
    itself_sentences,
    scale_sentence,
)
from kdsearch.report.notes import alarms
from kdsearch.report.sections.transfer import transfer, transfer_sentence
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Answer, Edge
from kdsearch.search.searches import without_space
from kdsearch.space import Categorical, Dimension, Integer, active, unconditional
from kdsearch.study.set_text import write
from kdsearch.tasks.base import VARY, Scalar

NEAR = 0.02
"""Share of a range, on the scale that is searched, within which a number stands at its edge."""


def answer(selection: Selection) -> Answer | None:
    """Return what a study found; ``None`` while confirm runs are to end, and where no run of the winner counts."""
    winner = selection.study.winner_id
    if not selection.finished or winner is None or not selection.results(winner):
        return None
    comparisons = compare(selection)
    found = finding(selection, comparisons)
    return Answer(
        sentence=found.sentence,
        verdict=found.verdict,
        winner=selection.name(winner),
        parameters=searched_numbers(selection),
        average=average_sentence(selection),
        train=train_command(selection),
        export=export_command(selection),
        remarks=tuple(_remarks(selection, comparisons, found)),
        edges=edges(selection),
        comparison=found.numbers,
        alarmed=bool(alarms(selection)),
    )


def _remarks(selection: Selection, comparisons: Comparisons, found: Finding) -> list[str]:
    off, remarks = selection.study.settings.off, better_baselines(selection, comparisons, found)
    if found.other is not None:
        remarks += effort_sentences(selection, found.other)
        remarks += itself_sentences(selection, comparisons, found.other)
        remarks += [*flips_sentence(comparisons.rows[found.other]), *scale_sentence(selection)]
        gain = transfer(selection, comparisons, found.other) if off else None
        if gain is not None and gain.differs:
            remarks.append(transfer_sentence(selection, gain, describe_other(selection, found.other)))
    if not off and selection.is_function:
        remarks.append(
            f"The study file does not say what its {selection.own_word} is without distillation. To compare the winner "
            'with itself without it, name that in the study: kd.Study(..., without={"alpha": 0}).'
        )
    return remarks


def train_command(selection: Selection) -> str | None:
    """Return ``kdsearch train STUDY.py ...`` for the winner; ``None`` where the study came from no file."""
    study, winner = selection.study, selection.winner
    if winner is None or not study.source_file:
        return None
    # By its name it is trained as the launch changed it.
    named = [study.name] if study.settings.overrides else [_path(study.source_file), *preset_options(study)]
    words = ["kdsearch", "train", *named, "--seed", "0"]
    for name, value in settings_of(selection, winner.params).items():
        words += ["--set", f"{name}={write(value, study.settings.space.get(name))}"]
    return shlex.join(words)


def export_command(selection: Selection) -> str | None:
    """Return ``kdsearch export model NAME -o winner.pt``; ``None`` where the first fresh seed keeps no weights."""
    study = selection.study
    if study.winner_id is None:
        return None
    first = study.draws.first_confirm_seed
    kept = any(run.seed == first and run.artifact for run in selection.of(study.winner_id, "confirm"))
    return f"kdsearch export model {shlex.quote(study.name)} -o winner.pt" if kept else None


def settings_of(selection: Selection, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return what has to be set for these numbers: the searched ones that are read, and others that differ.

    A configuration that somebody added may set what the space does not hold.
    """
    space = selection.study.settings.space
    set_ = {name: params[name] for name in active(space, params) if name in params}
    usual = next((row.params for row in selection.configurations.values() if row.origin == "sampler"), params)
    others = {name: value for name, value in params.items() if name not in space and usual.get(name, value) != value}
    return {**set_, **others}


def searched_numbers(selection: Selection) -> dict[str, Scalar]:
    """Return the winner's searched numbers, without those that nothing reads."""
    numbers = {} if selection.winner is None else settings_of(selection, selection.winner.params)
    return {name: value for name, value in numbers.items() if name != VARY}


def _path(source: str) -> str:
    """The file as one types it: from here, where it lies below the working directory; never like an option."""
    path = Path(source)
    try:
        typed = os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else source
    except OSError:  # the working directory is gone
        typed = source
    return f"./{typed}" if typed.startswith("-") else typed


def preset_options(study: StudyRecord) -> list[str]:
    """Always named where the file has any: what is chosen by hardware may be another one here."""
    preset = study.settings.preset
    if preset:
        return ["--preset", preset]
    try:
        some = "presets" in Path(study.source_file).read_text(errors="replace")
    except OSError:
        some = True
    return ["--preset", "none"] if some else []


def edges(selection: Selection) -> tuple[Edge, ...]:
    """Return the numbers at an edge, of the winner and of the best without distillation where it is another."""
    settings, winner, best = selection.study.settings, selection.winner, best_without_id(selection)
    space, found = settings.space, list[Edge]()
    if winner is not None:
        # Distillation that is off cannot be less.
        off = {name for name, value in settings.off.items() if winner.params.get(name) == value}
        if off == settings.off.keys():
            off |= set(settings.idle_without_teacher)
        found += edges_of(space, winner.params, f"winner {selection.name(winner.id)}", set(space) - off)
    if best is not None:
        params = selection.configurations[best].params
        found += edges_of(space, params, label_of(selection, best), without_space(settings))
    return tuple(found)


def edges_of(
    space: Mapping[str, Dimension], params: Mapping[str, Scalar], whose: str, names: Container[str]
) -> list[Edge]:
    """Return those of ``names`` at an edge in a configuration; none that nothing reads, none outside of its range.

    Named values have no order, and so no edge.
    """
    found = []
    for name in active(space, params):
        value, inner = params.get(name), unconditional(space[name])
        if name not in names or value is None or isinstance(inner, Categorical):
            continue
        if (side := edge_side(inner, value)) is not None:
            found.append(Edge(whose, name, value, side, inner.low if side == "lower" else inner.high))
    return found


def edge_side(dimension: Dimension, value: Scalar) -> str | None:
    """Return ``lower`` or ``upper`` where a value lies within 2 % of that end, on a logarithm's scale where it is one.

    A choice between two whole numbers has nothing but ends, and so none to speak of.
    """
    inner = unconditional(dimension)
    if isinstance(inner, Categorical) or not inner.contains(value):
        return None
    if isinstance(inner, Integer) and inner.high == inner.low + 1:
        return None
    low, high, at = (float(number) for number in (inner.low, inner.high, value))
    if inner.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    share = (at - low) / (high - low)
    if share <= NEAR:
        return "lower"
    return "upper" if share >= 1 - NEAR else None
