"""What a user declares: a study. Its identity never changes under one name; its budget may."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdsearch.errors import StudyFileError
from kdsearch.space import Categorical, describe, typed, unconditional, wrong_kind
from kdsearch.study import files as given_file
from kdsearch.study.checks import check, check_held, check_streams
from kdsearch.study.fields import StudyFields
from kdsearch.study.functions import (
    DeclaredTask,
    check_defaults,
    command_task,
    function_task,
    with_direction,
    with_folds,
    wrong_chance,
    wrong_task,
)
from kdsearch.study.kinds import AsTheTaskHasThem, settle
from kdsearch.study.problems import Problems
from kdsearch.tasks.base import VARY, Scalar, Task
from kdsearch.tasks.command.task import Command
from kdsearch.tasks.function import FunctionTask
from kdsearch.values import plain, plain_values, shown


@dataclass(frozen=True)
class Study(StudyFields):
    """A search declared in a study file.

    ``space``: name to dimension. ``baselines``: name to the numbers it sets, the rest being the task's defaults.
    ``teachers``: ``several`` speaks of teachers trained so: each belongs to a fold and is trained outside it, and each
    fresh seed has one of its own; a number is that of the teachers which the fresh seeds share; ``one`` speaks of the
    one that is trained and kept, and holds the split. ``teacher``: a file of weights in place of these, of the task's
    teacher as ``torch.save({"state": network.state_dict()}, path)`` writes it, looked for beside the study file and in
    the working directory; with ``teacher_saw``, what it was trained on: ``train`` (the whole train list), ``nothing``
    of it, or names of its clips.
    ``question``: what the winner is first compared with, ``itself`` with teacher weights 0 or the ``best without``
    distillation. ``search``: how the budget is spent. ``min_effect``: the smallest difference of the metric that
    matters to you. ``vary``: the random streams that follow a run's seed, where not all shall; the others are held.
    ``presets``: name to fields of this study (``task`` as options of the task) that it replaces. ``chance``: of a bare
    function, what a run that diverges counts as; without it 0, and the study ends where the function returns less.
    ``without``: of a function, the values that make a run one without distillation, such as ``{"alpha": 0}``; they may
    lie outside the space. Of kdsearch's tasks it is every teacher weight 0. ``defaults``: of a bare function, values of
    parameters that are not searched, and of others where nothing is set. ``folds``: how many parts of its data validate
    in turn, for a function that takes a ``fold`` (``kdsearch.Fold``); of a task its data say it. ``direction``:
    ``minimize`` where lower values are better, of a function or a command. Where ``defaults``, ``folds`` and
    ``direction`` are not given, a study has those of its task. ``cost``: a further metric that is better the
    lower it is, such as latency: the report shows what nothing beats in both. ``begin_with``: configurations that the
    search tries first, inside the space; what they leave out is as by default.
    """

    task: DeclaredTask = DeclaredTask()  # noqa: RUF009 - a descriptor; again, for mypy forgets it in a subclass

    def __post_init__(self, chance: float | None) -> None:
        object.__setattr__(self, "folder", given_file.folder_in_force())
        problems = Problems(f"study {shown(self.name, 60)}")
        sound = settle(self, problems)
        chance = plain(chance)
        if wrong := wrong_chance(chance):
            problems.add(wrong)
            chance = None
        if wrong := wrong_task(self.task):
            problems.add(wrong)
            sound = False
        if not sound:  # the rest would be checked against nothing
            problems.raise_if_any()
        with problems.collect():
            self._take_task(chance, problems.where)
            check(self, problems)
        problems.raise_if_any()
        if self.teacher is not None:
            # Found once: the working directory may be another one later.
            object.__setattr__(self, "teacher", given_file.find(self.teacher, self.folder))
        object.__setattr__(self, "task", _with_teachers(self))
        self._take_over()

    def _take_task(self, chance: float | None, where: str) -> None:
        """The function as a task; folds, streams and defaults as the task has them."""
        given = {} if isinstance(self.defaults, AsTheTaskHasThem) else dict(self.defaults)
        # Not isinstance: on a protocol it would read every property, and some read data.
        if isinstance(self.task, Command):
            _said_by_task(where, chance, None)
            command = command_task(self.task, self.space, self.baselines, given, where)
            if command.needs_teacher and command.teacher is None and self.teacher is None:
                raise StudyFileError(
                    f"{where}: the command reads a teacher's file, and there is none: say how one is trained, by "
                    "kd.tasks.Command(..., teacher=kd.tasks.TeacherCommand(...)), or give kd.Study(..., teacher=FILE)"
                )
            object.__setattr__(self, "task", command.beside(self.folder))
        elif hasattr(type(self.task), "train"):
            _said_by_task(where, chance, given)
        else:
            made = function_task(self.task, self.space, self.baselines, given, chance, where)  # type: ignore[arg-type]
            object.__setattr__(self, "task", made)
        object.__setattr__(self, "task", with_direction(self.task, self.direction, where))
        object.__setattr__(self, "task", with_folds(self.task, self.folds, where))
        if isinstance(self.vary, str):  # one name is what people write
            object.__setattr__(self, "vary", (self.vary,))
        if self.without == dict.fromkeys(self.task.teacher_parameters, 0):
            object.__setattr__(self, "without", None)  # what it is anyway
        self._take_over()

    def _take_over(self) -> None:
        """Folds, defaults and direction as the task has them."""
        object.__setattr__(self, "direction", getattr(self.task, "direction", "maximize"))
        object.__setattr__(self, "folds", int(getattr(self.task, "folds", 0)))
        defaults = AsTheTaskHasThem(plain_values(self.task.parameters))
        if VARY in defaults:
            vary = self._streams if self.vary is None else list(self.vary)
            defaults[VARY] = "+".join(name for name in vary if name not in self.held) or "nothing"
        object.__setattr__(self, "defaults", defaults)

    def check(self, params: Mapping[str, Scalar], *, inside: bool = False) -> None:
        """Raise ``StudyFileError`` for a value that cannot be trained or, with ``inside``, lies outside the space."""
        for name, value in params.items():
            if name == VARY and VARY in self.task.parameters:
                streams = [] if value == "nothing" else str(value).split("+")
                check_streams(streams, self.task, "vary")
                check_held(self, streams, "vary")
            dimension, default = self.space.get(name), self.task.parameters[name]
            numeric = isinstance(default, int | float) and not isinstance(default, bool)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if dimension is not None and isinstance(unconditional(dimension), Categorical):
                numeric = False
            bound = inside or (dimension is not None and isinstance(unconditional(dimension), Categorical))
            if (numeric and not number) or (bound and dimension is not None and not dimension.contains(value)):
                wanted = describe(dimension) if dimension is not None else "a finite number"
                raise StudyFileError(f"{name}={value!r} cannot be used: expected {wanted}")
            if wrong := wrong_kind(dimension, value):
                raise StudyFileError(f"{name}={shown(value)} cannot be used: {wrong}")

    def asked_since_draws(self) -> dict[str, Any]:
        """What is said here that no study could say before runs drew folds and teachers, by its name."""
        data: Any = getattr(self.task, "data", None)
        data = getattr(data, "videos", data)  # clips as images
        holdout, always = getattr(data, "holdout", "video"), getattr(data, "always_train", ())
        said = {
            "teacher": None if self.teacher is None else str(self.teacher),
            "teachers": None if self.teachers in (None, "one", "per-seed") else self.taught,
            "question": None if self.question == "itself" else self.question,
            "vary": list(self.vary) if self.vary and {"split", "teacher"} & set(self.vary) else None,
            "holdout": None if holdout == "video" else holdout,
            "always_train": list(always) or None,
        }
        return {name: value for name, value in said.items() if value is not None}

    def older(self, validation: float | None = None) -> Study | None:
        """This study as it was stored before runs drew folds and teachers; ``None`` for tasks and data without folds.

        One that is stored so goes on so: one split for all runs, one teacher that was chosen on it. What it could not
        say then is left out. ``validation``: the share that validated, where it is not the data's usual one.
        """
        if not self.folds or not hasattr(self.task, "before_folds"):
            return None
        asked = self.asked_since_draws()
        teachers = self.teachers if self.teachers in ("one", "per-seed") else "one"
        changes: dict[str, Any] = {"teachers": teachers, "teacher": None, "teacher_saw": None, "question": "itself"}
        if "vary" in asked:
            changes["vary"] = None
        return self._replaced(task=self.task.before_folds(validation), **changes)

    def _replaced(self, **changes: Any) -> Study:
        if "task" in changes:
            changes = {"folds": 0, "direction": None, **changes}  # as the new task has them
        with given_file.beside(self.folder):
            return dataclasses.replace(self, **changes)

    def with_preset(self, name: str | None) -> Study:
        """The study as one of its presets changes it; ``None`` leaves it as declared."""
        if name is None:
            return self
        if name not in self.presets:
            raise StudyFileError(
                f"study {self.name!r} has no preset {name!r}; it has: {', '.join(self.presets) or 'none'}"
            )
        return self.with_changes({**self.presets[name], "preset": name})

    def with_changes(self, given: Mapping[str, Any]) -> Study:
        """The study with some fields replaced; ``task``: options of the task, ``defaults``: some of them."""
        changes = dict(given)
        if "defaults" in changes:
            changes["defaults"] = typed(changes.get("space") or self.space, changes["defaults"])
        task = self.task.with_options(**changes.pop("task", {}))
        if isinstance(task, FunctionTask):
            task = _of_function(self, task, changes)
        elif isinstance(task, Command):
            task = task.with_defaults(changes.pop("defaults", {}))
        return self._replaced(task=task, **changes)


def _said_by_task(where: str, chance: float | None, defaults: Mapping[str, Scalar] | None) -> None:
    """Refuse what belongs to a bare function beside a task."""
    for name, value, place in (("chance", chance, ""), ("defaults", defaults or None, " (parameters)")):
        if value is not None:
            raise StudyFileError(
                f"{where}: {name} is for a bare function, got {name}={value} beside a task that says it itself{place}; "
                "leave it out here"
            )


def _of_function(study: Study, task: FunctionTask, changes: dict[str, Any]) -> FunctionTask:
    """The function's task with what a preset says of its folds and defaults, taken out of ``changes``."""
    if "folds" in changes:
        task = dataclasses.replace(task, folds=changes.pop("folds"))
    if "defaults" in changes:
        defaults = changes.pop("defaults")
        check_defaults(changes.get("space", study.space), defaults, f"study {study.name!r}, preset")
        task = task.with_defaults(defaults)
    return task


def _with_teachers(study: Study) -> Task:
    """The task with data that fit its teachers: one part held out for the one that is kept; what a given one saw."""
    task = study.task
    data: Any = getattr(task, "data", None)
    if study.taught == "one" and study.folds > 1 and hasattr(data, "with_folds"):
        return task.with_options(data=data.with_folds(1))
    if study.teacher is not None and not isinstance(study.teacher_saw, str):
        names = tuple(sorted({*map(str, study.teacher_saw or ())}))
        object.__setattr__(study, "teacher_saw", names)
        if not hasattr(data, "always_train") or not study.folds:
            raise StudyFileError(
                f"study {study.name!r}: clips that a teacher saw can be named of JHMDB, UCF101 and HMDB51 with folds; "
                "say 'train' or 'nothing' of other data"
            )
        saw = tuple(sorted({*data.always_train, *names}))
        return task.with_options(data=dataclasses.replace(data, always_train=saw))
    return task
