"""What a user declares: a study. Its identity never changes under one name; its budget may."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import InitVar
from dataclasses import dataclass
from dataclasses import field
from numbers import Integral
from pathlib import Path
from typing import Any
from typing import Literal
from typing import cast

from kdsearch import given as given_file
from kdsearch.data.files import digest
from kdsearch.errors import StudyFileError
from kdsearch.space import Categorical
from kdsearch.space import Dimension
from kdsearch.space import active
from kdsearch.space import check_conditions
from kdsearch.space import middle
from kdsearch.space import plain
from kdsearch.space import settled
from kdsearch.space import words
from kdsearch.spending import Adaptive
from kdsearch.spending import Budget
from kdsearch.spending import Confirm
from kdsearch.spending import Fixed
from kdsearch.spending import Published
from kdsearch.tasks.base import VARY
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.base import Task
from kdsearch.tasks.function import FunctionTask

_HELD = {"one": frozenset({"split", "teacher"}), "given": frozenset({"teacher"})}
"""Random streams that do not follow the seed, by where teachers come from."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


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
    """

    name: str
    task: Task | Callable[..., Any]
    space: Mapping[str, Dimension]
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

    def __post_init__(self, chance: float | None) -> None:
        object.__setattr__(self, "folder", given_file.folder_in_force())
        # Not isinstance: on a protocol it would read every property, and some read data.
        if not hasattr(type(self.task), "train"):
            if not callable(self.task):
                raise StudyFileError(
                    f"study {self.name!r}: task must be a task of kdsearch.tasks or a callable "
                    f"(params, seed, report) -> objective, got {type(self.task).__name__}"
                )
            object.__setattr__(self, "task", _function_task(self, chance))
        elif chance is not None:
            raise StudyFileError(
                f"study {self.name!r}: chance is for a bare function, got chance={chance!r} beside a task that says it "
                "itself; leave it out here"
            )
        if isinstance(self.vary, str):  # one name is what people write
            object.__setattr__(self, "vary", (self.vary,))
        _check(self)
        if self.teacher is not None:
            # Found once: the working directory may be another one later.
            object.__setattr__(self, "teacher", given_file.find(self.teacher, self.folder))
        object.__setattr__(self, "task", _with_teachers(self))

    @property
    def trained(self) -> Task:
        """The task, typed."""
        return cast("Task", self.task)

    @property
    def stored_name(self) -> str:
        """Name in the ledger: study, data and protocol, preset."""
        return f"{self.name}@{self.trained.label}" + (f"+{self.preset}" if self.preset else "")

    @property
    def description(self) -> str:
        """Data, networks and quirks in one line, with the name of the file where the teacher is given."""
        described = getattr(self.task, "described", None)
        if self.teacher is None or described is None:
            return self.trained.description
        return str(described(self.teacher_file.name))

    def complete(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """All parameters of the task: its defaults, then those of ``params`` whose conditions hold."""
        complete = settled(self.space, params, self.defaults)
        return {**complete, **self._vary(complete)}

    def _vary(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The streams that vary in one order, so that equal sets are equal configurations."""
        if VARY not in params or VARY not in self.trained.parameters:
            return {}
        named = str(params[VARY]).split("+")
        return {VARY: "+".join(name for name in self._streams if name in named) or "nothing"}

    @property
    def defaults(self) -> dict[str, Scalar]:
        """The task's parameters as this study has them where nothing is said."""
        defaults = dict(self.trained.parameters)
        if VARY not in defaults:
            return defaults
        vary = self._streams if self.vary is None else list(self.vary)
        return {**defaults, VARY: "+".join(name for name in vary if name not in self._held) or "nothing"}

    @property
    def taught(self) -> str | int:
        """Where the teachers come from: the words of ``teachers``, ``given`` by file, or ``none``."""
        if not self.trained.has_teacher:
            return "none"
        if self.teacher is not None:
            return "given"
        if self.teachers is None or (self.teachers == "per-seed" and self.folds):
            return "several" if self.folds else "one"
        return self.teachers if isinstance(self.teachers, str) else int(self.teachers)

    @property
    def folds(self) -> int:
        """Parts of the train list, each of which validates in turn; 0 where one split stands for all runs."""
        return int(getattr(self.trained, "folds", 0))

    @property
    def _may_listen(self) -> bool:
        """Whether any run of the search can have a teacher weight that is not 0."""
        weights = self.trained.teacher_parameters
        return any(name in self.space or self.defaults[name] != 0 for name in weights)

    @property
    def _held(self) -> frozenset[str]:
        """The streams that this study holds for all runs."""
        return _HELD.get(str(self.taught), frozenset())

    @property
    def _streams(self) -> list[str]:
        return str(self.trained.parameters[VARY]).split("+")

    def check(self, params: Mapping[str, Scalar], *, inside: bool = False) -> None:
        """Raise ``StudyFileError`` for a value that cannot be trained or, with ``inside``, lies outside the space."""
        for name, value in params.items():
            if name == VARY and VARY in self.trained.parameters:
                streams = [] if value == "nothing" else str(value).split("+")
                _check_streams(streams, self.trained, "vary")
                _check_held(self, streams, "vary")
            dimension, default = self.space.get(name), self.trained.parameters[name]
            numeric = isinstance(default, int | float) and not isinstance(default, bool)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if dimension is not None and isinstance(plain(dimension), Categorical):
                numeric = False
            bound = inside or (dimension is not None and isinstance(plain(dimension), Categorical))
            if (numeric and not number) or (bound and dimension is not None and not dimension.contains(value)):
                wanted = words(dimension) if dimension is not None else "a finite number"
                raise StudyFileError(f"{name}={value!r} cannot be used: expected {wanted}")

    def explicit(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """All parameters of the task, where each of ``params`` stands as somebody wrote it, also where it is idle.

        Raises ``StudyFileError`` where a bare function, which has no defaults, would be called with a made-up number.
        """
        _all_set(self.space, getattr(self.task, "must_set", ()), params, f"study {self.name!r}")
        return {**self.complete(params), **params, **self._vary(params)}

    def without_teacher(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The same numbers with every teacher weight 0, and at its default what only mattered with a teacher."""
        zeros = dict.fromkeys(self.trained.teacher_parameters, 0)
        idle = {name: self.defaults[name] for name in self.idle_without_teacher}
        return {**self.complete({**params, **zeros}), **idle, **zeros}

    @property
    def idle_without_teacher(self) -> tuple[str, ...]:
        """Parameters that matter to no run whose teacher weights are 0."""
        return tuple(getattr(self.trained, "idle_without_teacher", ())) if self.folds else ()

    def uses_teacher(self, params: Mapping[str, Scalar]) -> bool:
        """Whether any teacher weight is not 0."""
        return self.trained.has_teacher and any(params[name] != 0 for name in self.trained.teacher_parameters)

    def identity(self) -> dict[str, Any]:
        """JSON values that make this study what it is; a change of any is another study."""
        return {
            "task": self.trained.identity(),
            "space": {name: dimension.identity() for name, dimension in self.space.items()},
            "baselines": {name: dict(values) for name, values in self.baselines.items()},
            "data": self.trained.fingerprint(),
            "teachers": self._given() if self.teacher is not None else self.taught,
            "preset": self.preset,
            "seed": self.seed,
            "vary": None if self.vary is None else list(self.vary),
            # What is compared first of all is said before fresh seeds are seen; older studies do not name it.
            **({} if self.question == "itself" else {"question": self.question}),
        }

    def settings(self) -> dict[str, Any]:
        """JSON values that may change while the study runs; each change is logged."""
        return {
            "title": self.name,
            "budget": {name: value for name, value in dataclasses.asdict(self.budget).items() if name != "without"},
            "without": self.budget.without if self._may_listen else 0.0,
            "confirm": dataclasses.asdict(self.confirm),
            "preflight": {"seeds": self.preflight_seeds},
            "search": self.search.identity(),
            "min_effect": self.min_effect,
            "published": [dataclasses.asdict(figure) for figure in self.published],
            "preset": self.preset,
            "measured_on": getattr(self.task, "measured_on", self.trained.fingerprint)(),
            "teachers": self.taught,
            "teacher_saw": "some" if isinstance(self.teacher_saw, tuple) else self.teacher_saw,
            "folds": self.folds,
            "question": self.question,
            "query_groups": getattr(self.trained, "query_groups", lambda: None)(),
            "idle_without_teacher": list(self.idle_without_teacher),
            "teacher_parameters": list(self.trained.teacher_parameters),
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
        if not self.folds or not hasattr(self.trained, "before_folds"):
            return None
        asked = self.asked_since_draws()
        teachers = self.teachers if self.teachers in ("one", "per-seed") else "one"
        changes: dict[str, Any] = {"teachers": teachers, "teacher": None, "teacher_saw": None, "question": "itself"}
        if "vary" in asked:
            changes["vary"] = None
        return self._replaced(task=self.trained.before_folds(validation), **changes)

    def _replaced(self, **changes: Any) -> Study:
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
        task = self.trained.with_options(**changes.pop("task", {}))
        allowed = {item.name for item in dataclasses.fields(self)} - {"name", "presets", "preset", "folder"}
        _known(changes, allowed, f"preset {name!r} of study {self.name!r}")
        return self._replaced(task=task, preset=name, **changes)


def _function_task(study: Study, chance: float | None) -> FunctionTask:
    """A bare function has no defaults: baselines must set all that is not idle; an idle number is a middle one."""
    assert callable(study.task)
    names = dict.fromkeys([*study.space, *(name for values in study.baselines.values() for name in values)])
    for label, values in study.baselines.items():
        _all_set(study.space, names, values, f"study {study.name!r}, baseline {label!r}")
    defaults = {name: middle(study.space[name]) if name in study.space else 0.0 for name in names}
    return FunctionTask(
        study.task,
        parameters=defaults,
        chance=0.0 if chance is None else float(chance),
        chance_assumed=chance is None,
        must_set=tuple(names),
    )


def _all_set(space: Mapping[str, Dimension], names: Iterable[str], values: Mapping[str, Scalar], where: str) -> None:
    idle = set(space) - set(active(space, values))
    missing = [name for name in names if name not in values and name not in idle]
    if not missing:
        return
    for unknown in (name for name in values if name not in space):
        near = difflib.get_close_matches(unknown, missing, n=1)
        if near:
            raise StudyFileError(f"{where}: unknown parameter {unknown!r}; did you mean {near[0]!r}?")
    raise StudyFileError(
        f"{where}: a bare function has no defaults and nothing is set for {', '.join(missing)}; set them, or pass "
        "kd.tasks.FunctionTask(function, parameters={name: default}, chance=0.0)"
    )


def _check(study: Study) -> None:
    where = f"study {study.name!r}"
    if not _NAME.fullmatch(study.name):
        raise StudyFileError(f"{where}: a name has letters, digits, '_', '.' and '-' and begins with a letter or digit")
    task = study.trained
    if not study.space:
        raise StudyFileError(f"{where}: the space is empty; search at least one of: {', '.join(task.parameters)}")
    for name, dimension in study.space.items():
        if not isinstance(dimension, Dimension):
            raise StudyFileError(f"{where}: {name} must be kd.uniform, kd.log, kd.integer, kd.categorical or kd.when")
    try:
        check_conditions(study.space)
    except ValueError as error:
        raise StudyFileError(f"{where}: {error}") from error
    _known(study.space, task.parameters, f"{where}, space")
    for label, values in study.baselines.items():
        _known(values, task.parameters, f"{where}, baseline {label!r}")
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise StudyFileError(f"{where}, baseline {label!r}: {name} must be finite, got {value}")
    if not isinstance(study.search, Adaptive | Fixed):
        raise StudyFileError(f"{where}: search is kd.Adaptive() or kd.Fixed(seeds=5), got {study.search!r}")
    if study.vary is not None:
        _check_streams(study.vary, task, where)
        _check_held(study, study.vary, where)
    if not study.min_effect > 0:
        raise StudyFileError(f"{where}: min_effect must be above 0, got {study.min_effect}")
    _check_teachers(study, where)
    if study.question not in ("itself", "best without"):
        raise StudyFileError(f"{where}: question is 'itself' or 'best without', got {study.question!r}")
    if study.question == "best without" and not (study.budget.without and study._may_listen):
        raise StudyFileError(
            f"{where}: question='best without' needs a search without teacher: weights of teacher terms, and a share "
            "of the budget, such as kd.Budget(runs=200, without=0.1)"
        )


def _check_teachers(study: Study, where: str) -> None:
    given: Any = study.teachers
    saw = study.teacher_saw
    number = isinstance(given, Integral) and not isinstance(given, bool)
    if number and not 2 <= given <= study.confirm.seeds:
        raise StudyFileError(
            f"{where}: a number of teachers is 2 to {study.confirm.seeds}, the fresh seeds that share them, got {given}"
        )
    if not number and given not in (None, "several", "one", "per-seed"):
        raise StudyFileError(f"{where}: teachers is 'several', a number or 'one', got {given!r}")
    named = VARY in study.trained.parameters
    if named and not study.folds and (number or given == "several"):
        raise StudyFileError(
            f"{where}: teachers={given!r} trains each of them outside a fold, and these data have one fixed split: "
            "declare them with folds=5 in place of validation="
        )
    if study.teacher is None:
        if saw is not None:
            raise StudyFileError(f"{where}: teacher_saw is of a teacher that is given, teacher=FILE; leave it out")
        return
    if not study.trained.has_teacher:
        raise StudyFileError(f"{where}: this task listens to no teacher; leave teacher={str(study.teacher)!r} out")
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


def _with_teachers(study: Study) -> Task:
    """The task with data that fit its teachers: one part held out for the one that is kept; what a given one saw."""
    task = study.trained
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


def _check_held(study: Study, vary: Iterable[str], where: str) -> None:
    """Refuse streams that the study's teachers hold for all runs."""
    given = f"teacher={str(study.teacher)!r}" if study.teacher is not None else f"teachers={study.teachers!r}"
    for name in vary:
        if name in study._held:
            raise StudyFileError(f"{where}: {given} holds the {name} for all runs; leave {name!r} out of vary")


def _check_streams(vary: Iterable[str], task: Task, where: str) -> None:
    streams = str(task.parameters.get(VARY, "")).split("+")
    if VARY not in task.parameters:
        raise StudyFileError(f"{where}: vary is for tasks that name their random streams; this one does not")
    for name in [vary] if isinstance(vary, str) else vary:
        if name not in streams:
            raise StudyFileError(
                f"{where}: expected streams that follow the seed, out of {', '.join(streams)}; got {name!r}"
            )


def _known(names: Iterable[str], allowed: Iterable[str], where: str) -> None:
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise StudyFileError(f"{where}: unknown {name!r}{hint} Known: {', '.join(allowed)}")
