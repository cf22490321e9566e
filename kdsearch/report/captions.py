"""The sentences that stand with every table: data, protocol, what spreads are over, what n counts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kdsearch.data.synthetic import WORDS
from kdsearch.ledger.data_line import data_line
from kdsearch.ledger.records import Pool, StudyRecord
from kdsearch.report.selection import Selection, task_of
from kdsearch.report.units import RandomFactors, random_factors
from kdsearch.report.wording import listed

SPREADS = {
    "one": "sd over student seeds with one teacher for all",
    "per-seed": "sd over seeds with one teacher a seed",
    "given": "sd over student seeds with the given teacher for all",
    "none": "sd over seeds, no teacher",
}
"""Where runs draw neither split nor teacher, by the study's teachers."""

SAW = {
    "train": "the teacher saw the {items} that validate, so gains on validation may be biased",
    "some": "{items} that the teacher saw validate no run",
    "nothing": "the teacher saw none of the {items} that validate",
}
"""Of a given teacher, by what its user says that it saw."""


def short_data(study: StudyRecord) -> str:
    """Name the data in a few words; synthetic data and re-encoded pixels are named as such.

    The whole line stands once in a report.
    """
    words = data_line(study)
    synthetic = words.startswith(WORDS) and ": " in words
    first, rest = words.split(": ", 1) if synthetic else ("", words)
    foreign = re.match(r".*?\(not the official pixels\)", rest)
    named = foreign[0] if foreign else re.split(r"[,;]", rest, maxsplit=1)[0].strip()
    return f"{first}: {named}" if synthetic else named


def caption(
    selection: Selection,
    measure: str,
    *,
    pool: Pool = "confirm",
    spread: str = "",
    counts: str = "n = runs, one a seed",
) -> str:
    """Return the caption of a table: the data in short, what is measured, what the sd is over, what n counts.

    ``pool``: whose runs the table is of, which draw alike or not.
    """
    words = [short_data(selection.study), measure, spread or describe_spread(selection, pool)]
    words += [*describe_recipe(selection), *describe_teacher_data(selection), counts]
    return f"{'; '.join(words)}."


def describe_spread(selection: Selection, pool: Pool = "confirm") -> str:
    """Say what an sd over the runs of a pool is over, and which of split and teacher they hold."""
    study, teachers = selection.study, str(selection.study.settings.teachers)
    if study.version == 1 or (not study.settings.folds and teachers in SPREADS):
        words = SPREADS.get(teachers, SPREADS["one"])
    else:
        words = _describe_factors(random_factors(selection), pool)
    # Of a function nobody knows whether it has a teacher.
    return words.replace(", no teacher", "") if selection.is_function else words


def _describe_factors(found: RandomFactors, pool: Pool) -> str:
    folds = found.folds(pool)
    partitions = found.split and pool == "confirm"
    over = ["student seeds"] if found.trains else []
    over += ["partitions"] if partitions else []
    over += [f"{folds} folds of one partition"] if folds > 1 else []
    own = found.teacher and (pool == "confirm" or not found.split)
    over += [f"{found.shared} teachers" if pool == "confirm" and found.shared else "teachers"] if own else []
    held = []
    if found.teachers == "none":
        held.append("no teacher")
    elif found.teachers == "given":
        held.append("the given teacher for all")
    elif not own:
        a_fold = found.teachers == "several" and (partitions or folds > 1)
        held.append("one teacher a fold" if a_fold else "one teacher for all")
    held += [] if partitions or folds > 1 else ["split held"]
    return ", ".join([f"sd over {listed(over) or 'runs of one seed'}", *held])


def describe_recipe(selection: Selection) -> list[str]:
    """Name the recipe of data that are split once for all runs, a share of train being held out to validate."""
    study, data = selection.study, task_of(selection.study).get("data")
    if not isinstance(data, Mapping) or data.get("validation") is None or not selection.has_scores:
        return []
    epochs = [] if epoch_on_test(study) else ["epochs"]
    teacher = ["teacher"] if study.settings.teachers == "one" else []
    chosen = listed([*epochs, *teacher])
    return [f"{chosen} chosen on validation, one split" if chosen else "one split"]


def describe_teacher_data(selection: Selection) -> list[str]:
    """Say what a given teacher saw of what validates; nothing where the study trains its teachers."""
    words = SAW.get(str(selection.study.settings.teacher_saw))
    return [] if words is None else [words.format(items=items(selection.study))]


def items(study: StudyRecord) -> str:
    """Name what the data consist of, as their description does."""
    words = study.description.lower()
    return next((word for word in ("clips", "images") if word in words), "data")


def test_measure(selection: Selection) -> str:
    """Say what the results on confirm seeds are."""
    study = selection.study
    if not selection.has_scores:
        return f"this task has no test part: {objective_name(selection)} on fresh seeds{better(selection)}"
    epoch = "at the best epoch on test (optimistic)" if epoch_on_test(study) else "at the epoch chosen on validation"
    if selection.is_function:
        epoch = "as the function returns it" if selection.own_word == "function" else "as the command gives it"
    return f"test {study.metric} {epoch}, fresh confirm seeds{better(selection)}"


def metric_name(selection: Selection) -> str:
    """``test mAP``, or the metric's own name where the task has no test part, said so that it is not taken for one."""
    metric = selection.study.metric
    return f"test {metric}" if selection.has_scores else f"{metric} (no test part)"


def better(selection: Selection) -> str:
    """Say which values are better where these are not the higher ones."""
    return ", lower is better" if selection.minimizes else ""


def objective_name(selection: Selection) -> str:
    """Name the objective: ``objective (validation mAP)``; without a test part there is no validation to tell apart."""
    metric = selection.study.metric
    if metric == "objective":
        return metric
    return f"objective ({'validation ' if selection.has_scores else ''}{metric})"


def objective_heading(selection: Selection) -> str:
    """Return the objective's heading of a column: ``validation mAP``, or ``objective mAP`` without a test part."""
    metric = selection.study.metric
    if metric == "objective":
        return metric
    return f"{'validation' if selection.has_scores else 'objective'} {metric}"


def result_heading(selection: Selection) -> str:
    """Return the heading of results on confirm seeds: ``test mAP``, or the objective's."""
    return f"test {selection.study.metric}" if selection.has_scores else objective_heading(selection)


def epoch_on_test(study: StudyRecord) -> bool:
    """Say whether scores stand at the best epoch on test: a quirk that the description names."""
    return "best epoch on test" in study.description.lower()
