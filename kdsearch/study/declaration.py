"""What a user declares: a study. Its identity never changes under one name; its budget may."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Literal

from kdsearch.data.files import digest
from kdsearch.errors import StudyFileError
from kdsearch.space import Categorical, Dimension, complete_params, describe, unconditional
from kdsearch.study import files as given_file
from kdsearch.study.budget import Adaptive, Budget, Confirm, Fixed, Published
from kdsearch.study.checks import check, check_held, check_streams, known
from kdsearch.study.functions import DeclaredTask, check_all_set, check_defaults, function_task, with_folds
from kdsearch.study.without import NAMED, effective
from kdsearch.tasks.base import VARY, Scalar, Task
from kdsearch.tasks.function import FunctionTask

_HELD = {"one": frozenset({"split", "teacher"}), "given": frozenset({"teacher"})}
"""Random streams that do not follow the seed, by where teachers come from."""


class _AsTheTaskHasThem(dict[str, Scalar]):
    """Defaults that the task says: a copy of the study with another task or stream takes them anew."""


@dataclass(frozen=True)
class Study:
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
    in turn, for a function that takes a ``fold`` (``kdsearch.Fold``); of a task its data say it. Where ``defaults`` and
    ``folds`` are not given, a study has those of its task.
    """

    name: str
    task: DeclaredTask = DeclaredTask()  # noqa: RUF009 - a descriptor, not a default
    space: Mapping[str, Dimension] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    published: Sequence[Published] = ()
    budget: Budget = field(default_factory=Budget)
    confirm: Confirm = field(default_factory=Confirm)
    min_effect: float = 0.01
    vary: Sequence[str] | None = None
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preset: str | None = None
    teachers: Literal["several", "one", "per-seed"] | int | None = None
    preflight_seeds: int = 3
    search: Adaptive | Fixed = field(default_factory=Adaptive)
    seed: int = 0
    teacher: str | Path | None = None
    teacher_saw: Literal["train", "nothing"] | Sequence[str] | None = None
    question: Literal["itself", "best without"] = "itself"
    folder: Path | None = field(default=None, init=False, repr=False, compare=False)
    """Of the study file, where its files are looked for first."""
    chance: InitVar[float | None] = field(default=None, kw_only=True)
    without: Mapping[str, Scalar] | None = field(default=None, kw_only=True)
    defaults: Mapping[str, Scalar] = field(default_factory=dict, kw_only=True)
    folds: int = field(default=0, kw_only=True)

    def __post_init__(self, chance: float | None) -> None:
        object.__setattr__(self, "folder", given_file.folder_in_force())
        where = f"study {self.name!r}"
        given = {} if isinstance(self.defaults, _AsTheTaskHasThem) else dict(self.defaults)
        # Not isinstance: on a protocol it would read every property, and some read data.
        if not hasattr(type(self.task), "train"):
            if not callable(self.task):
                raise StudyFileError(
                    f"{where}: task must be a task of kdsearch.tasks or a callable (params, seed, report) -> "
                    f"objective, got {type(self.task).__name__}"
                )
            made = function_task(self.task, self.space, self.baselines, given, chance, where)
            object.__setattr__(self, "task", made)
        else:
            _said_by_task(where, chance, given)
        object.__setattr__(self, "task", with_folds(self.task, self.folds, where))
        if isinstance(self.vary, str):  # one name is what people write
            object.__setattr__(self, "vary", (self.vary,))
        if self.without == dict.fromkeys(self.task.teacher_parameters, 0):
            object.__setattr__(self, "without", None)  # what it is anyway
        self._take_over()
        check(self)
        if self.teacher is not None:
            # Found once: the working directory may be another one later.
            object.__setattr__(self, "teacher", given_file.find(self.teacher, self.folder))
        object.__setattr__(self, "task", _with_teachers(self))
        self._take_over()

    def _take_over(self) -> None:
        """Folds and defaults as the task has them."""
        object.__setattr__(self, "folds", int(getattr(self.task, "folds", 0)))
        defaults = _AsTheTaskHasThem(self.task.parameters)
        if VARY in defaults:
            vary = self._streams if self.vary is None else list(self.vary)
            defaults[VARY] = "+".join(name for name in vary if name not in self.held) or "nothing"
        object.__setattr__(self, "defaults", defaults)

    @property
    def stored_name(self) -> str:
        """Name in the ledger: study, data and protocol, preset."""
        return f"{self.name}@{self.task.label}" + (f"+{self.preset}" if self.preset else "")

    @property
    def description(self) -> str:
        """Data, networks and quirks in one line, with the name of the file where the teacher is given."""
        described = getattr(self.task, "described", None)
        if self.teacher is None or described is None:
            return self.task.description
        return str(described(self.teacher_file.name))

    def complete(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """All parameters of the task: its defaults, then those of ``params`` whose conditions hold."""
        complete = complete_params(self.space, params, self.defaults)
        return {**complete, **self._vary(complete)}

    def _vary(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The streams that vary in one order, so that equal sets are equal configurations."""
        if VARY not in params or VARY not in self.task.parameters:
            return {}
        named = str(params[VARY]).split("+")
        return {VARY: "+".join(name for name in self._streams if name in named) or "nothing"}

    @property
    def taught(self) -> str | int:
        """Where the teachers come from: the words of ``teachers``, ``given`` by file, or ``none``."""
        if not self.task.has_teacher:
            return "none"
        if self.teacher is not None:
            return "given"
        if self.teachers is None or (self.teachers == "per-seed" and self.folds):
            return "several" if self.folds else "one"
        return self.teachers if isinstance(self.teachers, str) else int(self.teachers)

    @property
    def off(self) -> dict[str, Scalar]:
        """The values of a run without distillation; empty where nothing says what that is."""
        if self.without is None:
            return dict.fromkeys(self.task.teacher_parameters, 0)
        return effective(self.space, self.without)

    @property
    def may_distil(self) -> bool:
        """Whether any run of the search can be one with distillation."""
        return any(name in self.space or self.defaults[name] != value for name, value in self.off.items())

    @property
    def held(self) -> frozenset[str]:
        """The streams that this study holds for all runs."""
        return _HELD.get(str(self.taught), frozenset())

    @property
    def _streams(self) -> list[str]:
        return str(self.task.parameters[VARY]).split("+")

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

    def explicit(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """All parameters of the task, where each of ``params`` stands as somebody wrote it, also where it is idle.

        Raises ``StudyFileError`` where a bare function, which has no defaults, would be called with a made-up number.
        """
        missing = tuple(getattr(self.task, "must_set", ()))
        values = {name: value for name, value in self.defaults.items() if name not in missing}
        check_all_set(self.space, missing, {**values, **params}, f"study {self.name!r}")
        return {**self.complete(params), **params, **self._vary(params)}

    def without_teacher(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The same numbers without distillation, and at its default what only mattered with it."""
        off = self.off
        idle = {name: self.defaults[name] for name in self.idle_without_teacher}
        return {**self.complete({**params, **off}), **idle, **off}

    @property
    def idle_without_teacher(self) -> tuple[str, ...]:
        """Parameters that matter to no run whose teacher weights are 0."""
        return tuple(getattr(self.task, "idle_without_teacher", ())) if self.folds else ()

    def uses_teacher(self, params: Mapping[str, Scalar]) -> bool:
        """Whether any teacher weight is not 0."""
        return self.task.has_teacher and any(params[name] != 0 for name in self.task.teacher_parameters)

    def identity(self) -> dict[str, Any]:
        """JSON values that make this study what it is; a change of any is another study."""
        return {
            "task": self.task.identity(),
            "space": {name: dimension.identity() for name, dimension in self.space.items()},
            "baselines": {name: dict(values) for name, values in self.baselines.items()},
            "data": self.task.fingerprint(),
            "teachers": self._given() if self.teacher is not None else self.taught,
            "preset": self.preset,
            "seed": self.seed,
            "vary": None if self.vary is None else list(self.vary),
            # What is compared first of all is said before fresh seeds are seen; older studies do not name it.
            **({} if self.question == "itself" else {"question": self.question}),
            **({} if self.without is None else {"without": self.off}),
        }

    @property
    def share_without(self) -> float:
        """The share of the budget that searches without distillation, see ``Budget``."""
        if self.budget.without is not None:
            return self.budget.without
        return 0.5 if self.question == "best without" else 0.1

    def settings(self) -> dict[str, Any]:
        """JSON values that may change while the study runs; each change is logged."""
        return {
            "title": self.name,
            "budget": {name: value for name, value in dataclasses.asdict(self.budget).items() if name != "without"},
            "without": self.share_without if self.may_distil else 0.0,
            "confirm": dataclasses.asdict(self.confirm),
            "preflight": {"seeds": self.preflight_seeds},
            "search": self.search.identity(),
            "min_effect": self.min_effect,
            "published": [dataclasses.asdict(figure) for figure in self.published],
            "preset": self.preset,
            "measured_on": getattr(self.task, "measured_on", self.task.fingerprint)(),
            "teachers": self.taught,
            "teacher_saw": "some" if isinstance(self.teacher_saw, tuple) else self.teacher_saw,
            "folds": self.folds,
            "question": self.question,
            "query_groups": getattr(self.task, "query_groups", lambda: None)(),
            **self.searched,
        }

    @property
    def searched(self) -> dict[str, Any]:
        """Of the settings what says which numbers each of the searches has, with and without distillation."""
        return {
            "idle_without_teacher": list(self.idle_without_teacher),
            "teacher_parameters": list(self.off),
            **({} if self.without is None else {NAMED: self.off}),
            "space": {name: dimension.identity() for name, dimension in self.space.items()},
            "dimensions": list(self.space),
        }

    def _given(self) -> dict[str, Any]:
        """The file of weights, by its content."""
        saw = list(self.teacher_saw) if isinstance(self.teacher_saw, tuple) else self.teacher_saw
        return {"file": self.teacher_content, "saw": saw}

    @property
    def teacher_file(self) -> Path:
        """The file of weights that the study was given."""
        assert self.teacher is not None
        return Path(self.teacher)

    @property
    def teacher_content(self) -> str:
        """Hash of the given file as it is now, 32 hex digits."""
        return digest(self.teacher_file)[:32]

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

    def before_draws(self, validation: float | None = None) -> Study | None:
        """This study as it was stored before runs drew folds and teachers; ``None`` where it could not have been.

        One that is stored so goes on so: one split for all runs, one teacher that was chosen on it. ``validation``: the
        share that was carved away, where it is not the data's usual one.
        """
        return None if self.asked_since_draws() else self.older(validation)

    def older(self, validation: float | None = None) -> Study | None:
        """As ``before_draws``, without what it could not say then; ``None`` for tasks and data that have no folds."""
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
            changes = {"folds": 0, **changes}  # as the new task has them
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
        changes = dict(self.presets[name])
        task = self.task.with_options(**changes.pop("task", {}))
        if isinstance(task, FunctionTask):
            task = _of_function(self, task, changes)
        allowed = {item.name for item in dataclasses.fields(self)} - {"name", "presets", "preset", "folder"}
        known(changes, allowed, f"preset {name!r} of study {self.name!r}")
        return self._replaced(task=task, preset=name, **changes)


def _said_by_task(where: str, chance: float | None, defaults: Mapping[str, Scalar]) -> None:
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
