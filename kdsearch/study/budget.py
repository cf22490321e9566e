"""What a study may spend and how, on which seeds it is confirmed, and which figures stand beside it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from typing_extensions import override

from kdsearch.study.problems import Problems
from kdsearch.tasks.bound_values import bound_values, name_of
from kdsearch.values import LARGEST, Declared, is_number, is_whole, plain, shown, whole, wrong_text

MOST_RUNS = 10_000_000
"""Of a budget: a ledger of 100,000 runs is read in seconds, one of so many in minutes."""

MOST_SEEDS = 100_000
"""Fresh seeds of one configuration: with 10,000 the interval of a mean is a fiftieth of the sd of its runs."""

_MOST_HOURS = 1_000_000


class _Checked(Declared):
    """Settings that are checked when they are made; scalars of numpy become plain Python values."""

    WHOLE: ClassVar[tuple[str, ...]] = ()
    """Fields that are whole numbers, also where somebody writes ``1e3``."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            object.__setattr__(self, item.name, whole(value) if item.name in self.WHOLE else plain(value))
        problems = Problems(f"kd.{type(self).__name__}")
        for problem in self._problems():
            problems.add(problem)
        problems.raise_if_any()

    def _problems(self) -> Iterator[str]:
        """What is wrong, each with its name, its value and what is expected."""
        raise NotImplementedError

    def _whole(self, name: str, least: int, most: int, why: str = "") -> Iterator[str]:
        value = getattr(self, name)
        if not is_whole(value, least, most):
            yield f"{name}={shown(value)}: expected a whole number from {least} to {most}{why}"


@dataclass(frozen=True)
class Budget(_Checked):
    """What the search may spend; the first limit to be reached ends it. Without any: 200 runs.

    ``runs``: search runs. ``hours``: time in which search runs were under way, so that a stopped study does not age.
    ``gpu_hours``: the search runs' own times added up (core-hours where runs train on CPU cores). Confirm, teacher and
    pre-flight runs come on top. ``without``: the share of it that searches without distillation (all teacher weights 0,
    or what the study names by its ``without``), so that distillation is held against the best that there is without it.
    Where nothing is said a tenth, and half of it where that is what the study asks first of all: the best of a few runs
    is no match for the best of many, whatever distillation does.
    """

    WHOLE = ("runs",)

    runs: int | None = None
    hours: float | None = None
    gpu_hours: float | None = None
    without: float | None = None

    def __post_init__(self) -> None:
        if self.runs is None and self.hours is None and self.gpu_hours is None:
            object.__setattr__(self, "runs", 200)
        super().__post_init__()

    @override
    def _problems(self) -> Iterator[str]:
        if self.runs is not None:
            if is_whole(self.runs, most=1):
                yield f"runs={self.runs}: a budget needs at least 2 search runs"
            else:
                yield from self._whole("runs", 2, MOST_RUNS)
        if self.without is not None and not (is_number(self.without) and 0 <= self.without <= 0.5):
            yield f"without is the share of the budget without a teacher, 0 to 0.5; got {shown(self.without)}"
        for name in ("hours", "gpu_hours"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and 0 < value <= _MOST_HOURS):
                yield f"{name}={shown(value)}: a budget of {name} must be a number above 0, at most {_MOST_HOURS:,}"


@dataclass(frozen=True)
class Adaptive(_Checked):
    """Seeds and settings are chosen by what they are worth for the decision (``kdsearch.search.policies.adaptive``).

    ``stop_early``: end the search when what more runs can still gain is small against ``min_effect``.
    """

    stop_early: bool = True

    @override
    def _problems(self) -> Iterator[str]:
        given: object = self.stop_early
        if not isinstance(given, bool):
            yield f"stop_early={shown(given)}: expected True or False"

    def identity(self) -> dict[str, Any]:
        """JSON values for the ledger."""
        return {"policy": "adaptive", "stop_early": self.stop_early}


@dataclass(frozen=True)
class Fixed(_Checked):
    """Quasi-random settings with the same number of ``seeds`` each: a design to look at, not to find the best."""

    WHOLE = ("seeds",)

    seeds: int = 5

    @override
    def _problems(self) -> Iterator[str]:
        if is_whole(self.seeds, most=1):
            yield f"Fixed needs 2 seeds or more, since one seed is not a result; got {self.seeds}"
        else:
            yield from self._whole("seeds", 2, MOST_SEEDS)

    def identity(self) -> dict[str, Any]:
        """JSON values for the ledger."""
        return {"policy": "fixed", "seeds": self.seeds}


@dataclass(frozen=True)
class OptunaSearch(_Checked):
    """A sampler of Optuna proposes settings, and is told the mean of each over ``seeds`` seeds.

    ``sampler``: a class of sampler, or a function that gives one for ``seed``, such as ``optuna.samplers.TPESampler``
    or ``functools.partial(TPESampler, multivariate=True)``: the search goes on after an interruption as it would have
    without one.

    ``pruner``: of Optuna; it may stop runs of the search by their curves, each run being a trial to it. A run that it
    stops has no value: means and the choice rest on runs that were trained to their end.
    """

    WHOLE = ("seeds",)

    sampler: Any
    seeds: int = 2
    pruner: Any = None

    @override
    def _problems(self) -> Iterator[str]:
        yield from self._wrong_sampler()
        if self.pruner is not None and (inspect.isclass(self.pruner) or not hasattr(self.pruner, "prune")):
            yield f"pruner={shown(self.pruner)}: expected a pruner of Optuna, such as optuna.pruners.MedianPruner()"
        if is_whole(self.seeds, most=1):
            yield f"OptunaSearch needs 2 seeds or more, since one seed is not a result; got {self.seeds}"
        else:
            yield from self._whole("seeds", 2, MOST_SEEDS)

    def _wrong_sampler(self) -> Iterator[str]:
        expected = "expected a sampler of Optuna, such as optuna.samplers.TPESampler"
        if hasattr(self.sampler, "sample_relative") and not inspect.isclass(self.sampler):
            kind = type(self.sampler).__name__
            yield (
                f"sampler={kind}(...): expected the class, or a function of a seed, for a search that goes on after "
                f"an interruption makes its sampler anew: sampler={kind}, with options functools.partial({kind}, ...)"
            )
            return
        try:
            made = self.sampler(seed=0) if callable(self.sampler) else None
        except Exception as error:  # whatever a function of the user's raises
            yield f"sampler={shown(self.sampler)} called with seed=0: {type(error).__name__}: {error}; {expected}"
            return
        if not hasattr(made, "sample_relative"):
            yield f"sampler={shown(self.sampler)}: {expected}"

    def identity(self) -> dict[str, Any]:
        """JSON values for the ledger."""
        identity = {"policy": "optuna", "sampler": self._described, "seeds": self.seeds}
        return identity if self.pruner is None else {**identity, "pruner": _pruner(self.pruner)}

    @property
    def _described(self) -> str:
        if inspect.isclass(self.sampler):
            return self.sampler.__name__
        if isinstance(self.sampler, functools.partial):
            given = [
                *map(_text, self.sampler.args),
                *(f"{key}={_text(value)}" for key, value in self.sampler.keywords.items()),
            ]
            return f"{name_of(self.sampler.func)}({', '.join(given)})"
        code = getattr(self.sampler, "__code__", None)
        said = "" if code is None else f"({', '.join(map(str, (*code.co_names, *code.co_consts[1:])))})"
        return f"{name_of(self.sampler)}{said} {bound_values(self.sampler).text}".strip()


def _text(value: Any) -> str:
    """An option as text that is the same in every process."""
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text


def _pruner(pruner: Any) -> str:
    """Its kind and its options, which Optuna keeps in attributes."""
    options = {name.lstrip("_"): value for name, value in sorted(vars(pruner).items()) if plain(value) is not None}
    inner = [f"{name}={value!r}" for name, value in options.items() if isinstance(value, bool | int | float | str)]
    nested = [f"{name}={_pruner(value)}" for name, value in sorted(vars(pruner).items()) if hasattr(value, "prune")]
    return f"{type(pruner).__name__}({', '.join([*inner, *nested])})"


@dataclass(frozen=True)
class Confirm(_Checked):
    """Fresh seeds of the winner and of what it is first compared with, and what else stands beside them.

    ``seeds``: of the winner, of itself without distillation and of the best without distillation. ``others``: of the
    baselines and of the ``finalists``, the runners-up that are shown as context; ``None``: as many.
    """

    WHOLE = ("seeds", "finalists", "others")

    seeds: int = 10
    finalists: int = 3
    others: int | None = None

    @override
    def _problems(self) -> Iterator[str]:
        numbers = is_whole(self.seeds) and is_whole(self.finalists)
        if numbers and (self.seeds < 2 or self.finalists < 0):
            yield f"confirm needs seeds >= 2 and finalists >= 0, got {self}"
        else:
            yield from self._whole("seeds", 2, MOST_SEEDS)
            yield from self._whole("finalists", 0, MOST_SEEDS)
        if self.others is not None and not is_whole(self.others, 2, self.seeds if numbers else MOST_SEEDS):
            yield f"others is 2 to {self.seeds}, the number of seeds; got {shown(self.others)}"


@dataclass(frozen=True)
class Published(_Checked):
    """A figure somebody published, printed beside ours."""

    label: str
    value: float
    note: str = ""

    @override
    def _problems(self) -> Iterator[str]:
        for name in ("label", "note"):
            value = getattr(self, name)
            if wrong := wrong_text(value) if isinstance(value, str) else "expected a text":
                yield f"{name}={shown(value)}: {wrong}"
        if not (is_number(self.value) and abs(self.value) <= LARGEST):
            yield f"value={shown(self.value)}: expected a finite number"
