"""What a study file may not say, and how each mistake is told."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from kdsearch.errors import StudyFileError
from kdsearch.space import check_conditions, describe, wrong_kind
from kdsearch.study import files as given_file
from kdsearch.study.fields import StudyFields
from kdsearch.study.problems import Problems
from kdsearch.tasks.base import VARY, Task
from kdsearch.tasks.command.task import Command
from kdsearch.tasks.function import FunctionTask
from kdsearch.values import plain, shown


def check(study: StudyFields, problems: Problems) -> None:
    """Collect what cannot be launched: names that the task does not know, conditions, streams, teachers, question."""
    where, task = problems.where, study.task
    if not study.space:
        names = ", ".join(task.parameters) or "the parameters that the function reads"
        problems.add(f"the space is empty; search at least one of: {names}")
    with problems.collect():
        check_conditions(study.space)
    for values, said in _named(study, where):
        with problems.collect():
            known(values, task.parameters, said)
    with problems.collect():
        _check_cost(study, where)
    for index, params in enumerate(study.begin_with):
        with problems.collect():
            _check_first(study, params, f"{where}, begin_with, number {index + 1}")
    for part in (_check_baselines, _check_reserved, _check_without, _check_fold_stream, _check_vary, _check_teachers):
        with problems.collect():
            part(study, where)
    with problems.collect():
        _check_question(study, where)
    for name, preset in study.presets.items():
        with problems.collect():
            known(preset, preset_fields(study), f"{where}, preset {name!r}")
        with problems.collect():
            _check_options(study, preset.get("task", {}), f"{where}, preset {name!r}")


def _check_cost(study: StudyFields, where: str) -> None:
    """Of a command the metrics are known; a function may report whatever it likes."""
    if study.cost is None:
        return
    if not isinstance(study.cost, str) or not study.cost:
        raise StudyFileError(f"{where}: cost={shown(study.cost)}: expected the name of a metric that runs report")
    if isinstance(study.task, Command) and study.cost not in study.task.metrics:
        named = ", ".join(study.task.metrics) or "none"
        raise StudyFileError(f"{where}: cost={study.cost!r} is none of the command's metrics: {named}")


def _check_first(study: StudyFields, params: Any, where: str) -> None:
    """Refuse a configuration to begin with that the search could not have proposed."""
    if not isinstance(params, Mapping) or not params:
        raise StudyFileError(f"{where}: expected names with values, such as {{'alpha': 0.5}}, got {shown(params)}")
    known(params, study.space, where)
    for name, value in params.items():
        if not study.space[name].contains(plain(value)):
            raise StudyFileError(f"{where}: {name}={shown(value)} lies outside {describe(study.space[name])}")


def _named(study: StudyFields, where: str) -> Iterator[tuple[Iterable[str], str]]:
    """Names of parameters that the file gives, and where it gives them."""
    yield study.space, f"{where}, space"
    for label, values in study.baselines.items():
        yield values, f"{where}, baseline {label!r}"


def preset_fields(study: StudyFields) -> list[str]:
    """The fields of a study that a preset may replace."""
    kept = ("name", "presets", "preset", "folder", "overrides")
    return [item.name for item in dataclasses.fields(study) if item.name not in kept]


def _check_baselines(study: StudyFields, where: str) -> None:
    """Refuse a value of another kind than the task's default, where the number is not searched.

    A function may read whatever it likes; of its values only a number that is written as a text is refused.
    """
    placeholders = getattr(study.task, "must_set", ())
    for label, values in study.baselines.items():
        for name in values.keys() - study.space.keys() - set(placeholders):
            value, default = values[name], study.task.parameters.get(name)
            if isinstance(study.task, FunctionTask) and not (isinstance(value, str) and _is_numeric(value)):
                continue
            if wrong := wrong_kind(None, value, default):
                raise StudyFileError(f"{where}, baseline {label!r}: {name}={value!r} cannot be used: {wrong}")


def _is_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_reserved(study: StudyFields, where: str) -> None:
    """Of a function, ``vary`` is the parameter that names its random streams, and no other."""
    if not isinstance(study.task, FunctionTask) or VARY not in study.task.parameters:
        return
    given = study.space.get(VARY, study.task.parameters[VARY])
    if not isinstance(given, str):
        raise StudyFileError(
            f"{where}: the parameter {VARY!r} names the random streams of a function that follow a run's seed, such as "
            f"defaults={{{VARY!r}: 'initialisation+order'}}, and is not searched; give this one another name"
        )


def _check_options(study: StudyFields, options: Any, where: str) -> None:
    """Refuse options of a function's task; those of other tasks may ask for files of another machine."""
    if options and isinstance(options, Mapping) and isinstance(study.task, FunctionTask):
        try:
            study.task.with_options(**options)
        except StudyFileError as error:
            raise StudyFileError(f"{where}: {error}") from error


def _check_vary(study: StudyFields, where: str) -> None:
    if study.vary is not None:
        check_streams(study.vary, study.task, where)
        check_held(study, study.vary, where)


def _check_question(study: StudyFields, where: str) -> None:
    if study.question not in ("itself", "best without"):
        raise StudyFileError(f"{where}: question is 'itself' or 'best without', got {study.question!r}")
    if study.question == "best without" and not (study.share_without and study.may_distil):
        raise StudyFileError(
            f"{where}: question='best without' needs a search without teacher: weights of teacher terms, or of a "
            "function without={name: value}, and a share of the budget, such as kd.Budget(runs=200, without=0.1)"
        )


def _check_teachers(study: StudyFields, where: str) -> None:
    given: Any = study.teachers
    saw = study.teacher_saw
    number = isinstance(given, Integral) and not isinstance(given, bool)
    if number and not 2 <= given <= study.confirm.seeds:
        raise StudyFileError(
            f"{where}: a number of teachers is 2 to {study.confirm.seeds}, the fresh seeds that share them, got {given}"
        )
    if not number and given not in (None, "several", "one", "per-seed"):
        raise StudyFileError(f"{where}: teachers is 'several', a number or 'one', got {given!r}")
    named = VARY in study.task.parameters
    if named and not study.folds and (number or given == "several"):
        raise StudyFileError(
            f"{where}: teachers={given!r} trains each of them outside a fold, and these data have one fixed split: "
            "declare them with folds=5 in place of validation="
        )
    if study.teacher is None:
        if saw is not None:
            raise StudyFileError(f"{where}: teacher_saw is of a teacher that is given, teacher=FILE; leave it out")
        return
    if not study.task.has_teacher:
        raise StudyFileError(f"{where}: this task has no teacher; leave teacher={str(study.teacher)!r} out")
    if given is not None:
        raise StudyFileError(f"{where}: teacher=FILE and teachers={given!r} contradict each other; drop one of them")
    if saw is None:
        raise StudyFileError(
            f"{where}: teacher=FILE needs teacher_saw, what the teacher was trained on: 'train' (the train list, as "
            "published weights), 'nothing' of it, or a list of the names of its clips"
        )
    if not isinstance(study.teacher, str | Path):
        raise StudyFileError(f"{where}: teacher is the path of a file of weights, got {study.teacher!r}")
    if not isinstance(saw, str | list | tuple) or not saw:
        raise StudyFileError(f"{where}: teacher_saw is 'train', 'nothing' or a list of clips, got {saw!r}")
    if isinstance(saw, str) and saw not in ("train", "nothing"):
        raise StudyFileError(f"{where}: teacher_saw is 'train', 'nothing' or a list of clips, got {saw!r}")
    if given_file.find(study.teacher, study.folder) is None:
        tried = given_file.said(study.teacher, study.folder)
        raise StudyFileError(f"{where}: expected a file of weights at {tried}, found none")


def _check_without(study: StudyFields, where: str) -> None:
    """Refuse names and values that a configuration cannot have, and what would be so of every run."""
    named: Any = study.without
    weights = study.task.teacher_parameters
    if named is None:
        return
    if not isinstance(named, Mapping) or not named:
        raise StudyFileError(f"{where}: without is a mapping such as {{'alpha': 0}}, got {named!r}")
    if weights:
        raise StudyFileError(
            f"{where}: of this task 'without distillation' is {dict.fromkeys(weights, 0)}, every teacher weight 0, and "
            f"is not given otherwise; got without={dict(named)}. Leave it out"
        )
    known(named, study.task.parameters, f"{where}, without")
    for name, value in named.items():
        if wrong := wrong_kind(study.space.get(name), value, study.task.parameters[name]):
            raise StudyFileError(f"{where}, without: {name}={value!r} cannot be used: {wrong}")
    if not study.may_distil:
        raise StudyFileError(
            f"{where}: by without={dict(named)} every run is without distillation, for nothing of it is searched and "
            "the defaults are the same; search one of these, or leave without out"
        )


def _check_fold_stream(study: StudyFields, where: str) -> None:
    """A function that names its random streams names the fold among them, or no run would draw one."""
    streams = str(study.task.parameters.get(VARY, "split")).split("+")
    if isinstance(study.task, FunctionTask) and study.folds and "split" not in streams:
        raise StudyFileError(
            f"{where}: with folds the split follows a run's seed too, and the streams that the function names do not "
            f"hold it: write {VARY}={'+'.join([*streams, 'split'])!r}, and hold it by Study(vary=...) where you want to"
        )


def check_held(study: StudyFields, vary: Iterable[str], where: str) -> None:
    """Refuse streams that the study's teachers hold for all runs."""
    given = f"teacher={str(study.teacher)!r}" if study.teacher is not None else f"teachers={study.teachers!r}"
    for name in vary:
        if name in study.held:
            raise StudyFileError(f"{where}: {given} holds the {name} for all runs; leave {name!r} out of vary")


def check_streams(vary: Iterable[str], task: Task, where: str) -> None:
    """Refuse streams that the task does not name."""
    streams = str(task.parameters.get(VARY, "")).split("+")
    if VARY not in task.parameters:
        raise StudyFileError(f"{where}: vary is for tasks that name their random streams; this one does not")
    for name in [vary] if isinstance(vary, str) else vary:
        if name not in streams:
            raise StudyFileError(
                f"{where}: expected streams that follow the seed, out of {', '.join(streams)}; got {name!r}"
            )


def known(names: Iterable[str], allowed: Iterable[str], where: str) -> None:
    """Refuse names that are not allowed, with the nearest one that is."""
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise StudyFileError(f"{where}: unknown {name!r}{hint} Known: {', '.join(allowed)}")
