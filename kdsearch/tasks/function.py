"""A user's own trainer as a task: any callable ``(params, seed, report[, fold]) -> objective[, score]``."""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from kdsearch.data.files import combined
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import CURVES, DIRECTIONS, Direction, RunContext, RunRequest, RunResult, Scalar, Task
from kdsearch.tasks.bound_values import Bound, bound_values, name_of, source_files
from kdsearch.tasks.fold import Fold
from kdsearch.tasks.unchanged_process import users_code
from kdsearch.values import (
    LARGEST,
    Declared,
    is_number,
    is_whole,
    measured,
    plain,
    plain_values,
    shown,
    whole,
    wrong_json,
    wrong_name,
    wrong_text,
)

_LARGEST_EPOCH = 2**31 - 1


@dataclass(frozen=True)
class FunctionTask(Declared):
    """Wraps a callable that trains once and returns its objective, or objective and score.

    Higher is better, or with ``direction="minimize"`` lower, as of a loss.

    The callable gets ``params`` (dict), ``seed`` (int) and ``report(epoch, objective)``, which it may call after each
    evaluation. ``report(epoch, accuracy=0.8, loss=0.3)`` names further metrics: the first value is the objective, the
    others of the last report stand in tables and exports. A value that is not finite, or beyond 1e50 either way, makes
    the run ``diverged``, with ``chance`` as its objective; one that is nearer to 0 than 1e-50 counts as 0. Where it
    returns no score, reports compare objectives on fresh seeds. Numbers are Python's, numpy's or torch's.
    ``chance``: required; what a model that has learnt nothing reaches, and no better than any run that went well.
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
    direction: Direction = field(default="maximize", kw_only=True)
    teacher_parameters: tuple[str, ...] = field(default=(), init=False)
    has_teacher: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        where = f"function task {self._name}"
        object.__setattr__(self, "chance", plain(self.chance))
        object.__setattr__(self, "folds", whole(self.folds))
        if not (is_number(self.chance) and -LARGEST <= self.chance <= LARGEST):
            nothing = isinstance(self.chance, float) and math.isnan(self.chance)
            raise StudyFileError(
                f"{where}: expected chance=NUMBER, the value that a run which diverges counts as, "
                f"got {'none' if nothing else shown(self.chance)}; give what a model that has learnt nothing "
                "reaches, such as chance=0.0 for an accuracy, and a number below all good runs for a negative metric"
            )
        if self.direction not in DIRECTIONS:
            raise StudyFileError(f"{where}: direction is 'maximize' or 'minimize', got {shown(self.direction)}")
        if not is_whole(self.folds, 0):
            raise StudyFileError(f"{where}: folds is a whole number, 1 or more, got {shown(self.folds)}")
        if wrong := wrong_function(self.function):
            raise StudyFileError(f"{where}: {wrong}")
        for name in ("metric", "label", "description", "data_version"):
            value = plain(getattr(self, name))
            object.__setattr__(self, name, value)
            if wrong := wrong_text(value) if isinstance(value, str) else "expected a text":
                raise StudyFileError(f"{where}: {name}={shown(value)}: {wrong}")
        object.__setattr__(self, "parameters", self._plain_parameters(where))
        if not self.description:
            object.__setattr__(self, "description", f"values of {self._name}, as it returns them")

    def _plain_parameters(self, where: str) -> dict[str, Scalar]:
        if not isinstance(self.parameters, Mapping):
            raise StudyFileError(f"{where}: parameters is a dict of names with defaults, got {shown(self.parameters)}")
        parameters = plain_values(self.parameters)
        for name, value in parameters.items():
            if wrong := wrong_name(name) or wrong_json(value):
                raise StudyFileError(f"{where}: parameter {shown(name)}={shown(value)}: {wrong}")
        return parameters

    @property
    def _name(self) -> str:
        return name_of(self.function)

    def identity(self) -> dict[str, Any]:
        """Name of the callable and its defaults."""
        return {
            "task": "function",
            "function": self._name,
            "defaults": dict(self.parameters),
            "metric": self.metric,
            "chance": self.chance,
            **({"folds": self.folds} if self.folds else {}),
            **({"direction": self.direction} if self.direction != "maximize" else {}),
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
        """The files that define the callable, and the class of an object that is called."""
        return source_files(self.function)

    def bound(self) -> Bound:
        """What the callable carries with it beside its source: arguments, attributes, values that it closes over."""
        return bound_values(self.function)

    def with_options(self, **options: Any) -> Task:
        """The same task with other fields."""
        given = {"chance_assumed": False} if "chance" in options else {}
        try:
            return replace(self, **{**given, **options})
        except (TypeError, ValueError) as error:
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

        def report(epoch: int, objective: Any = _NOTHING, **metrics: Any) -> None:
            at, values = _epoch(epoch, self._name), _metrics(objective, metrics, self._name)
            _append(curve, {"epoch": at, **values})
            context.report(epoch, values["objective"])

        begin = time.perf_counter()
        own = request.fold
        fold = {"fold": Fold(own.number, own.partition, self.folds)} if self.folds else {}
        with users_code():
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
            metrics={name: values[-1] for name, values in curve.items() if name not in CURVES},
            seconds=time.perf_counter() - begin,
            device=context.device,
        )


_NOTHING: Any = object()


def _metrics(objective: Any, further: Mapping[str, Any], name: str) -> dict[str, float]:
    """The values of one report, the objective first; without it the first of the others is the objective."""
    if objective is _NOTHING:
        if not further:
            raise TypeError(f"{name} called report(epoch) without a value; expected report(epoch, objective)")
        first, *others = further.items()
        objective, further = first[1], dict(others)
    for key in further:
        if wrong := "it is a name of kdsearch's own" if key in CURVES else wrong_name(key):
            raise ValueError(f"{name} called report with the metric {shown(key)}: {wrong}")
    return {"objective": _objective(objective, name), **{key: _objective(further[key], name, key) for key in further}}


def _append(curve: dict[str, list[float]], values: Mapping[str, float]) -> None:
    """One more row of a curve; what a report does not name is not a number there."""
    rows = len(curve["epoch"])
    for name in values:
        curve.setdefault(name, [math.nan] * rows)
    for name, column in curve.items():
        column.append(values.get(name, math.nan))


def wrong_function(function: Any) -> str:
    """Why a callable cannot be called as ``function(params, seed, report)`` for its value; or nothing."""
    if inspect.isclass(function):
        return f"task is the class {function.__name__}; expected an object of it, such as {function.__name__}(...)"
    if not callable(function):
        return f"expected a callable (params, seed, report) -> objective, got {type(function).__name__}"
    called = function.func if isinstance(function, functools.partial) else function
    called = called if inspect.isroutine(called) else type(called).__call__
    name = name_of(function)
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        return f"{name} is an async function; expected one that returns its value: call asyncio.run(...) inside it"
    if inspect.isgeneratorfunction(called):
        return f"{name} yields; expected a function that returns its value, and calls report(epoch, value) meanwhile"
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # what is called, not what it wraps
    except (TypeError, ValueError):  # of some that are written in C
        return ""
    fold = {} if takes_fold(function) == "no" else {"fold": None}
    try:
        signature.bind({}, 0, None, **fold)
    except TypeError as error:
        return (
            f"{name}{signature} is called as {name}(params, seed, report{', fold=fold' if fold else ''}), which "
            f"it does not take: {error}"
        )
    return ""


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
    numbers = [number for part in parts if (number := _number(part)) is not None]
    if len(numbers) != len(parts) or len(numbers) not in (1, 2):
        raise TypeError(f"{name} must return a number (objective) or two (objective, score), got {shown(value)}")
    return numbers[0], numbers[1] if len(numbers) == 2 else None


def _number(value: Any) -> float | None:
    """A value as a float, as statistics can take it; ``None`` where it is no number.

    Arrays and tensors of one element are the number that they hold. Texts, and True and False, are no numbers.
    """
    if getattr(value, "shape", ()) != () and callable(getattr(value, "item", None)):
        if math.prod(value.shape) != 1:
            return None
        value = value.item()
    value = plain(value)
    if isinstance(value, int | float | Real | Decimal) and not isinstance(value, bool):
        try:
            number = float(value)
        except (OverflowError, ValueError):  # a whole number or a fraction beyond any float
            return -math.inf if value < 0 else math.inf
        return measured(number)
    return None


def _objective(value: Any, name: str, metric: str = "objective") -> float:
    number = _number(value)
    if number is None:
        raise TypeError(
            f"{name} called report(epoch, objective) with {metric}={shown(value)}, of type {type(value).__name__}; "
            "expected a number"
        )
    return number


def _epoch(value: Any, name: str) -> float:
    """An epoch or step as a float; the ledger's column takes whole numbers of 32 bits."""
    number = _number(value)
    if number is None or not abs(number) <= _LARGEST_EPOCH:
        raise ValueError(
            f"{name} called report(epoch, objective) with epoch={shown(value)}; expected a number from "
            f"-{_LARGEST_EPOCH} to {_LARGEST_EPOCH}. Count in thousands or in epochs where steps go beyond"
        )
    return number
