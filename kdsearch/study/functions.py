"""A user's function as the task of a study: its parameters with their defaults, and whether it takes a fold."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from kdsearch.errors import StudyFileError
from kdsearch.space import Dimension, active, midpoint, wrong_kind
from kdsearch.tasks.base import Direction, Scalar, Task
from kdsearch.tasks.bound_values import attributes
from kdsearch.tasks.command.task import Command
from kdsearch.tasks.function import FunctionTask, wrong_function
from kdsearch.values import LARGEST, is_number, shown


class DeclaredTask:
    """The field ``task`` of a study: it takes a task or a function, and reads as the task that this has become."""

    def __get__(self, study: object | None, owner: type) -> Task:
        if study is None:
            raise AttributeError("task")  # how dataclasses learn that the field has no default
        task: Task = vars(study)["task"]
        return task

    def __set__(self, study: object, value: Task | Callable[..., Any]) -> None:
        vars(study)["task"] = value


_OF_A_TASK = (
    "label",
    "description",
    "metric",
    "chance",
    "parameters",
    "teacher_parameters",
    "has_teacher",
    "identity",
    "fingerprint",
    "sources",
    "with_options",
)


def wrong_task(task: Any) -> str:
    """Why this can be no task of a study: neither a task nor a function that can be called as one; or nothing."""
    if inspect.isclass(task):
        return f"task is the class {task.__name__}; expected an object of it, such as {task.__name__}(...)"
    # Not isinstance: on a protocol it would read every property, and some read data.
    if hasattr(type(task), "train"):
        missing = [name for name in _OF_A_TASK if not hasattr(type(task), name) and name not in attributes(task)]
        if not missing or hasattr(type(task), "__getattr__"):
            return ""
        return f"a task of {type(task).__name__} has no {', '.join(missing)}, which kdsearch.tasks.base.Task asks for"
    if not callable(task):
        return (
            "task must be a task of kdsearch.tasks or a callable (params, seed, report) -> objective, got "
            f"{type(task).__name__}"
        )
    return wrong_function(task)


def wrong_chance(chance: Any) -> str:
    """Why a plain value cannot be what a run that diverges counts as; or nothing."""
    if chance is None or (is_number(chance) and -LARGEST <= chance <= LARGEST):
        return ""
    return f"chance={shown(chance)}: expected a finite number, from -{LARGEST:g} to {LARGEST:g}"


def function_task(
    function: Callable[..., Any],
    space: Mapping[str, Dimension],
    baselines: Mapping[str, Mapping[str, Scalar]],
    defaults: Mapping[str, Scalar],
    chance: float | None,
    where: str,
) -> FunctionTask:
    """A bare function: baselines set all that has no default and is not idle; an idle number is a middle one."""
    check_defaults(space, defaults, where)
    named = dict.fromkeys([*space, *defaults, *(name for values in baselines.values() for name in values)])
    missing = [name for name in named if name not in defaults]
    middles = _middles(missing, space, baselines, defaults, where)
    return FunctionTask(
        function,
        parameters={name: defaults[name] if name in defaults else middles[name] for name in named},
        chance=0.0 if chance is None else float(chance),
        chance_assumed=chance is None,
        must_set=tuple(missing),
    )


def command_task(
    command: Command,
    space: Mapping[str, Dimension],
    baselines: Mapping[str, Mapping[str, Scalar]],
    defaults: Mapping[str, Scalar],
    where: str,
) -> Command:
    """A command with the study's defaults, and a middle number for each parameter that is searched and has none."""
    check_defaults(space, defaults, where)
    placed = {name: value for name, value in command.parameters.items() if name not in command.must_set}
    given = {**placed, **defaults}
    missing = [name for name in command.named if name not in given]
    unset = [name for name in missing if name not in space]
    if unset:
        raise StudyFileError(
            f"{where}: the command has the placeholder {{{unset[0]}}}, and nothing sets it: search it in space, or "
            f"give kd.Study(..., defaults={{{unset[0]!r}: VALUE}})"
        )
    middles = _middles(missing, space, baselines, given, where)
    return command.with_defaults({**defaults, **middles}, missing)


def _middles(
    names: Sequence[str],
    space: Mapping[str, Dimension],
    baselines: Mapping[str, Mapping[str, Scalar]],
    defaults: Mapping[str, Scalar],
    where: str,
) -> dict[str, Scalar]:
    """A middle number for names without a default, which hold a place; each baseline must set those that matter."""
    for label, values in baselines.items():
        check_all_set(space, names, {**defaults, **values}, f"{where}, baseline {label!r}")
    return {name: midpoint(space[name]) if name in space else 0.0 for name in names}


def check_defaults(space: Mapping[str, Dimension], defaults: Mapping[str, Scalar], where: str) -> None:
    """Raise ``StudyFileError`` for a value of another kind than its dimension's, or of none that can be stored."""
    for name, value in defaults.items():
        if wrong := wrong_kind(space.get(name), value):
            raise StudyFileError(f"{where}, defaults: {name}={value!r} cannot be used: {wrong}")


def check_all_set(
    space: Mapping[str, Dimension], names: Iterable[str], values: Mapping[str, Scalar], where: str
) -> None:
    """Raise ``StudyFileError`` where one of ``names`` is read and no value is there for it."""
    idle = set(space) - set(active(space, values))
    missing = [name for name in names if name not in values and name not in idle]
    if not missing:
        return
    for unknown in (name for name in values if name not in space):
        near = difflib.get_close_matches(unknown, missing, n=1)
        if near:
            raise StudyFileError(f"{where}: unknown parameter {unknown!r}; did you mean {near[0]!r}?")
    raise StudyFileError(
        f"{where}: there are no defaults but those of the study, and nothing is set for "
        f"{', '.join(missing)}; set them, or give kd.Study(..., defaults={{{missing[0]!r}: VALUE}})"
    )


def with_direction(task: Task, direction: Direction | None, where: str) -> Task:
    """The task with the direction that the study file gives; ``None``: as the task itself has it.

    Raises ``StudyFileError`` for a task whose metric has a direction of its own, and for a function that minimizes and
    does not say what a run that diverges counts as.
    """
    own = getattr(task, "direction", "maximize")
    if direction not in (None, own):
        if not isinstance(task, FunctionTask | Command):
            raise StudyFileError(_own_direction(task, own, direction, where))
        task = task.with_options(direction=direction)
    if isinstance(task, FunctionTask) and task.direction == "minimize" and task.chance_assumed:
        raise StudyFileError(
            f"{where}: with direction='minimize' expected chance=NUMBER, the value that a run which diverges counts "
            "as, got none; give what a model that has learnt nothing reaches, a number above all good runs, such as "
            "the first loss"
        )
    return task


def _own_direction(task: Task, own: str, direction: str | None, where: str) -> str:
    return (
        f"{where}: direction={direction!r} is for a function or a command; {task.metric} of this task is "
        f"{'maximized' if own == 'maximize' else 'minimized'}"
    )


def with_folds(task: Task, folds: Any, where: str) -> Task:
    """The task with so many folds as the study file asks for; 0: as the task itself has them.

    Raises ``StudyFileError`` where a task of data is to be cut otherwise than its data say, and where a function gets
    a fold that it does not take, or takes one that it does not get.
    """
    own = int(getattr(task, "folds", 0))
    if isinstance(folds, bool) or not isinstance(folds, Integral) or folds < 0:
        raise StudyFileError(f"{where}: folds is a whole number, 1 or more, got {folds!r}")
    if folds not in (0, own):
        if not isinstance(task, FunctionTask):
            raise StudyFileError(
                f"{where}: folds={folds} is for a function, which cuts its data itself; of this task the data say it, "
                f"and they have {own or 'none'}"
            )
        if own:
            raise StudyFileError(f"{where}: folds={folds} beside a function task with folds={own}; drop one of them")
        task = task.with_options(folds=int(folds))
    if isinstance(task, FunctionTask):
        task.check_fold(where)
    return task
