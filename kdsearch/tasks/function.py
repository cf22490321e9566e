"""A user's own trainer as a task: any callable ``(params, seed, report[, fold]) -> objective[, score]``."""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from kdsearch.data.files import combined
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import RunContext, RunRequest, RunResult, Scalar, Task
from kdsearch.tasks.fold import Fold


@dataclass(frozen=True)
class FunctionTask:
    """Wraps a callable that trains once and returns its objective, or objective and score, higher being better.

    The callable gets ``params`` (dict), ``seed`` (int) and ``report(epoch, objective)``, which it may call after each
    evaluation. A value that is not finite makes the run ``diverged``, with ``chance`` as its objective. Where it
    returns no score, reports compare objectives on fresh seeds.
    ``chance``: required; what a model that has learnt nothing reaches, and no more than any run that went well.
    ``chance_assumed``: the study does not give it, so that a value below it ends the study: diverging would be better.
    ``parameters``: every name it reads, with its default. ``must_set``: those whose default is only a placeholder.
    ``folds``: how many parts of its data validate in turn; the callable then gets ``fold`` too, a
    :class:`~kdsearch.tasks.fold.Fold` by that name.
    ``data_version``: a new one for other data; studies of functions stand side by side where label, metric and version
    are the same.
    """

    function: Callable[..., Any]
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    chance: float = field(default=math.nan, kw_only=True)
    metric: str = "objective"
    label: str = "function"
    description: str = ""
    data_version: str = "none"
    must_set: tuple[str, ...] = ()
    chance_assumed: bool = False
    folds: int = 0
    teacher_parameters: tuple[str, ...] = field(default=(), init=False)
    has_teacher: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.chance):
            raise StudyFileError(
                f"function task {self._name}: expected chance=NUMBER, the value that a run which diverges counts as, "
                f"got {'none' if math.isnan(self.chance) else self.chance}; give what a model that has learnt nothing "
                "reaches, such as chance=0.0 for an accuracy, and a number below all good runs for a negative metric"
            )
        folds: Any = self.folds
        if isinstance(folds, bool) or not isinstance(folds, Integral) or folds < 0:
            raise StudyFileError(f"function task {self._name}: folds is a whole number, 1 or more, got {folds!r}")
        if not self.description:
            object.__setattr__(self, "description", f"values of {self._name}, as it returns them")

    @property
    def _name(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__name__)

    def identity(self) -> dict[str, Any]:
        """Name of the callable and its defaults."""
        return {
            "task": "function",
            "function": self._name,
            "defaults": dict(self.parameters),
            "metric": self.metric,
            "chance": self.chance,
            **({"folds": self.folds} if self.folds else {}),
        }

    def fingerprint(self) -> str:
        """Hash of what the user said the data's version is."""
        return hashlib.sha256(self.data_version.encode()).hexdigest()[:16]

    def evaluation_fingerprint(self) -> str | None:
        """Hash of what its values are measured on; ``None`` where the user does not say what the data's version is."""
        if self.data_version == "none":
            return None
        return combined([self.label, self.metric, self.data_version])

    def sources(self) -> Sequence[Path]:
        """The file that defines the callable."""
        file = inspect.getsourcefile(inspect.unwrap(self.function)) if inspect.isroutine(self.function) else None
        return [Path(file)] if file else []

    def with_options(self, **options: Any) -> Task:
        """The same task with other fields."""
        given = {"chance_assumed": False} if "chance" in options else {}
        try:
            return replace(self, **{**given, **options})
        except TypeError as error:
            raise StudyFileError(f"a function task has no such option: {error}") from error

    def with_defaults(self, defaults: Mapping[str, Scalar]) -> FunctionTask:
        """The same task with some defaults given."""
        must_set = tuple(name for name in self.must_set if name not in defaults)
        return replace(self, parameters={**self.parameters, **defaults}, must_set=must_set)

    def check_fold(self, where: str) -> None:
        """Raise ``StudyFileError`` where the callable gets a fold that it does not take, or takes one it does not get.

        ``where``: what the message begins with.
        """
        takes = takes_fold(self.function)
        if self.folds and takes == "no":
            raise StudyFileError(
                f"{where}: with folds={self.folds} each run is given its fold, and {self._name} takes none by that "
                f"name. Write def {self._name}(params, seed, report, fold) and validate on what fold.split(labels) "
                "gives, or leave folds out"
            )
        if not self.folds and takes == "must":
            raise StudyFileError(
                f"{where}: {self._name} takes a fold and the study has none to give. Say how many parts of the data "
                "validate in turn, such as folds=5, or drop fold from the function"
            )

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        """Call the function once."""
        curve: dict[str, list[float]] = {"epoch": [], "objective": []}

        def report(epoch: int, objective: float) -> None:
            curve["epoch"].append(float(epoch))
            curve["objective"].append(float(objective))
            context.report(epoch, float(objective))

        begin = time.perf_counter()
        own = request.fold
        fold = {"fold": Fold(own.number, own.partition, self.folds)} if self.folds else {}
        value = self.function(dict(request.params), request.seed, report, **fold)
        objective, score = _split(value, self._name)
        finite = math.isfinite(objective) and (score is None or math.isfinite(score))
        if finite and self.chance_assumed and min(objective, objective if score is None else score) < self.chance:
            raise StudyFileError(_below_chance(self._name, value))
        return RunResult(
            state="done" if finite else "diverged",
            objective=objective if finite else self.chance,
            score=score if finite or score is None else self.chance,
            epoch=int(curve["epoch"][-1]) if curve["epoch"] else 0,
            epochs=int(curve["epoch"][-1]) if curve["epoch"] else 0,
            curve=curve,
            seconds=time.perf_counter() - begin,
            device=context.device,
        )


def takes_fold(function: Callable[..., Any]) -> Literal["must", "may", "no"]:
    """Whether a callable takes a keyword ``fold``: it must be given one, may be given one, or takes none."""
    if isinstance(function, functools.partial) and "fold" in function.keywords:
        return "no"  # it is bound to one already
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some that are written in C
        return "no"
    own = parameters.get("fold")
    if own is not None and own.kind in (own.POSITIONAL_OR_KEYWORD, own.KEYWORD_ONLY):
        return "must" if own.default is own.empty else "may"
    return "may" if any(row.kind == row.VAR_KEYWORD for row in parameters.values()) else "no"


def _below_chance(name: str, value: Any) -> str:
    return (
        f"{name} returned {value!r}; expected no value below 0, since the study does not say what a run that diverges "
        "counts as: 0 is assumed, which would be better than this. Say it by kd.Study(..., chance=NUMBER), a number "
        "below all good runs; a study that was launched needs a new name then, for chance is part of what it is"
    )


def _split(value: Any, name: str) -> tuple[float, float | None]:
    parts = value if isinstance(value, tuple) else (value,)
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 2):
        raise TypeError(f"{name} must return a number (objective) or two (objective, score), got {value!r}")
    return numbers[0], numbers[1] if len(numbers) == 2 else None
