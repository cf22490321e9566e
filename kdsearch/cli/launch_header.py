"""What ``kdsearch launch`` prints before the first run: the study, its data, its budget and what is random in a run."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from kdsearch import environment
from kdsearch.cli.common import folded
from kdsearch.data.synthetic import says_synthetic
from kdsearch.engines.launch import Launch
from kdsearch.ledger.records import StudyRecord
from kdsearch.report.units import FEWEST_TEACHERS
from kdsearch.search.budget import describe
from kdsearch.search.searches import shares_of
from kdsearch.space import Categorical, unconditional
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import VARY, Scalar
from kdsearch.tasks.command.task import Command
from kdsearch.texts import one_line, shortened


def print_header(console: Console, opened: Launch) -> None:
    """Print one labelled line per item. A terminal wraps it between words, aligned with its text."""
    width = console.width if console.is_terminal else None
    for label, text in header(opened):
        line = folded(f"{label:<10}{one_line(shortened(text))}", width, indent=10)
        console.print(line, markup=False, emoji=False)


def header(opened: Launch) -> Iterator[tuple[str, str]]:
    """Label and text of each line."""
    study, record, workers = opened.loaded.study, opened.record, len(opened.places)
    yield "study", record.name + (f" (preset {study.preset})" if study.preset else "")
    yield "data", study.description
    if says_synthetic(study.description) and (root := environment.data_root()) is not None:
        yield "note", f"{environment.DATA}={root} does not contain these data, so synthetic data are used"
    yield "budget", _budget(study, record)
    yield "draws", _draws(study, record)
    if first := study.first_configurations:
        source = " of the study that --begin-with names" if "begin_with" in record.settings.overrides else ""
        shown = "; ".join(", ".join(_shortly(*pair) for pair in params.items()) for params in first)
        yield "begins", f"with {len(first)} configuration{'' if len(first) == 1 else 's'}{source}: {shown}"
    if words := describe_without(study):
        yield "without", words
    where = {
        "debug": "in this process",
        "local": f"{workers} worker process{'' if workers == 1 else 'es'}",
        "ray": "workers on a cluster",
    }[opened.engine]
    yield "engine", f"{opened.engine}, {where}"
    if isinstance(study.taught, int) and study.taught < FEWEST_TEACHERS:
        yield (
            "note",
            f"the report gives no verdict: all fresh seeds share {study.taught} teachers, and a verdict needs "
            f"{FEWEST_TEACHERS} or more",
        )
    if unseen := opened.loaded.unseen:
        yield (
            "note",
            f"no code hash covers what {', '.join(unseen)} {'hold' if len(unseen) > 1 else 'holds'}; give the study a "
            "new name when that changes, or say data_version in kd.tasks.FunctionTask",
        )
    for change in opened.changes:
        yield "changed", change


def _budget(study: Study, record: StudyRecord) -> str:
    """The budget of the search, and how many fresh seeds are compared after it."""
    confirm, without = record.settings.confirm, shares_of(record.settings).get("without")
    share = f", of which {describe(without)} without distillation" if without else ""
    first = 1 + bool(study.off) + bool(without)
    others = len(study.baselines) + confirm.finalists
    seeds, fewer = confirm.seeds, confirm.others or confirm.seeds
    fresh = f"{seeds} fresh seeds for each of up to {first + others} configurations"
    if fewer < seeds and others:
        fresh = f"{seeds} fresh seeds for each of the {first} compared first, {fewer} for each of up to {others} others"
    return f"{describe(record.settings.budget)} over {', '.join(study.space)}{share}; then {fresh}"


def _draws(study: Study, record: StudyRecord) -> str:
    """What differs between runs besides initialisation and order, and what is the same for all."""
    taught, vary = record.settings.teachers, str(study.defaults.get(VARY, "split+teacher")).split("+")
    if not study.folds:
        if taught == "none":
            what = "command" if isinstance(study.task, Command) else "function"
            return (
                "one validation split for all runs" if VARY in study.defaults else f"what the {what} does with its seed"
            )
        teachers = {"one": "one teacher", "given": "one teacher, from a file"}.get(str(taught), "one teacher per seed")
        return f"one validation split for all runs, {teachers}"
    split = "one fold validates all runs"
    if "split" in vary:
        split = f"{study.folds} folds validate in turn" if study.folds > 1 else "one held-out part validates"
        split += ", with new partitions for fresh seeds"
    if taught == "none":
        return split
    if taught == "given":
        return f"{split}; one teacher, from a file"
    if taught == "one":
        return f"{split}; one teacher, trained without what validates"
    shared = ""
    if "teacher" in vary:
        shared = f", {taught} for the fresh seeds" if isinstance(taught, int) else " and per fresh seed"
    return f"{split}; one teacher per fold{shared}, trained without that fold"


def describe_without(study: Study) -> str:
    """What a study file names, or how to name it where it does not; empty of tasks that say it themselves."""
    if study.without is not None:
        return f"distillation: {', '.join(_named(study, name, value) for name, value in study.off.items())}"
    if study.off:
        return ""
    return (
        'distillation: not named; kd.Study(..., without={"alpha": 0}) says which values switch it off, and the winner '
        "is then compared with itself at these values"
    )


def _shortly(name: str, value: Scalar) -> str:
    return f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"


def _named(study: Study, name: str, value: Scalar) -> str:
    """A value in words; one that is no choice of its dimension is said to be none, for it may be a slip."""
    dimension = study.space.get(name)
    inner = None if dimension is None else unconditional(dimension)
    foreign = isinstance(inner, Categorical) and not inner.contains(value)
    return f"{name}={value}" + (" (none of the choices that are searched)" if foreign else "")
