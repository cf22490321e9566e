"""What a study file says, field by field, and what follows from it; ``Study`` checks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Literal

from kdsearch.data.files import digest
from kdsearch.space import Dimension, complete_params, possible_values, typed
from kdsearch.study.budget import Adaptive, Budget, Confirm, Fixed, OptunaSearch, Published
from kdsearch.study.functions import DeclaredTask, check_all_set
from kdsearch.tasks.base import VARY, Direction, Scalar
from kdsearch.values import Declared

WITHOUT_VALUES = "without_values"
"""Key of a stored study's settings, where its file names what is without distillation."""

_HELD = {"one": frozenset({"split", "teacher"}), "given": frozenset({"teacher"})}
"""Random streams that do not follow the seed, by where teachers come from."""


@dataclass(frozen=True)
class StudyFields(Declared):
    """The fields of :class:`~kdsearch.study.declaration.Study`, which documents them, and what follows from them."""

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
    search: Adaptive | Fixed | OptunaSearch = field(default_factory=Adaptive)
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
    direction: Direction | None = field(default=None, kw_only=True)
    run_timeout: float | None = field(default=None, kw_only=True)
    cost: str | None = field(default=None, kw_only=True)
    begin_with: Sequence[Mapping[str, Scalar]] = field(default=(), kw_only=True)
    overrides: Mapping[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)
    """What a launch has set in place of what the file says; see ``kdsearch.study.overrides``."""

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
        return possible_values(self.space, self.without)

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

    def explicit(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """All parameters of the task, where each of ``params`` stands as somebody wrote it, also where it is idle.

        Raises ``StudyFileError`` where a bare function, which has no defaults, would be called with a made-up number.
        """
        params = typed(self.space, params)
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
            **({} if self.direction == "maximize" else {"direction": self.direction}),
            **({"begin_with": self.first_configurations} if self.begin_with else {}),
        }

    @property
    def first_configurations(self) -> list[dict[str, Scalar]]:
        """What the search tries before it proposes anything itself, each once."""
        complete = [self.complete(typed(self.space, params)) for params in self.begin_with]
        return [params for place, params in enumerate(complete) if params not in complete[:place]]

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
            "measured_on": getattr(self.task, "evaluation_fingerprint", self.task.fingerprint)(),
            "teachers": self.taught,
            "teacher_saw": "some" if isinstance(self.teacher_saw, tuple) else self.teacher_saw,
            "folds": self.folds,
            "question": self.question,
            "query_groups": getattr(self.task, "query_groups", lambda: None)(),
            **({} if self.run_timeout is None else {"run_timeout": float(self.run_timeout)}),
            **({"cost": self.cost} if self.cost is not None else {}),
            **({"overrides": dict(self.overrides)} if self.overrides else {}),
            **self.searched,
        }

    @property
    def searched(self) -> dict[str, Any]:
        """Of the settings what says which numbers each of the searches has, with and without distillation."""
        return {
            "idle_without_teacher": list(self.idle_without_teacher),
            "teacher_parameters": list(self.off),
            **({} if self.without is None else {WITHOUT_VALUES: self.off}),
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
