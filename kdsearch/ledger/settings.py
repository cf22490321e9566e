"""The settings of a study: what may change while it runs. Their JSON is read here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kdsearch.errors import LedgerError
from kdsearch.space import Dimension, dimension_from
from kdsearch.study.budget import Adaptive, Fixed, Published
from kdsearch.study.fields import WITHOUT_VALUES
from kdsearch.tasks.base import Scalar

NOT_STORED = ""
"""``measured_on`` of a study that was stored before studies told what they are measured on."""

_SINCE_DRAWS = frozenset({"folds", "without", "question", "idle_without_teacher", "query_groups", "teacher_saw"})


@dataclass(frozen=True)
class Limits:
    """What a search may spend, as ``kdsearch.Budget`` names it; no limit where ``None``.

    Not a ``Budget``: the share of a search may be one run or none, and what is stored needs no second check.
    """

    runs: int | None = None
    hours: float | None = None
    gpu_hours: float | None = None


@dataclass(frozen=True)
class FreshSeeds:
    """How many confirm seeds a study asks for, as ``kdsearch.Confirm`` names them; ``others``: ``None`` for all."""

    seeds: int = 0
    finalists: int = 0
    others: int | None = None

    @property
    def of_others(self) -> int:
        """How many of the seeds baselines and finalists have."""
        return self.seeds if self.others is None else min(self.seeds, self.others)


@dataclass(frozen=True)
class StudySettings:
    """What ``kdsearch.Study.settings`` stores. ``from_json`` and ``changed`` make it; ``to_json`` gives it back whole.

    ``stored``: the JSON itself, with keys that this version does not know. ``budget`` is that of both searches,
    ``without`` the share of the one without distillation. ``preflight_seeds``: ``None`` where nothing was stored.
    ``measured_on``: a hash, ``None`` of a function that does not name it, ``NOT_STORED`` in older studies.
    ``teachers``: where they come from, or how many the fresh seeds share. ``query_groups``: source of each test query,
    ``None`` where each is its own. ``without_values``: what the file names as without distillation;
    ``teacher_parameters``: the weights that are 0 there. ``dimensions``: names in the study file's order; ``cost``: a
    further metric that is better the lower it is. ``overrides``: what a launch set in place of what the file says.
    ``space_json``: name to ``Dimension.identity()``, in the order of JSON in Postgres.
    """

    stored: Mapping[str, Any] = field(repr=False)
    title: str
    budget: Limits
    without: float
    confirm: FreshSeeds
    preflight_seeds: int | None
    search: Adaptive | Fixed
    min_effect: float
    published: tuple[Published, ...]
    preset: str | None
    measured_on: str | None
    teachers: str | int
    teacher_saw: str | None
    folds: int
    question: str
    query_groups: Sequence[int] | None
    idle_without_teacher: tuple[str, ...]
    teacher_parameters: tuple[str, ...]
    without_values: Mapping[str, Scalar]
    space_json: Mapping[str, Any]
    dimensions: tuple[str, ...]
    run_timeout: float | None
    overrides: Mapping[str, Any]
    cost: str | None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], study: str = "a study") -> StudySettings:
        """Read what was stored; a key that is missing or null, as in older studies, has its default.

        Raises ``LedgerError`` that names the ``study`` and the key where a value is of another type.
        """
        read = _Reader(stored, study)
        return cls(
            stored=stored,
            title=read.text("title") or "",
            budget=_limits(read.inner("budget")),
            without=float(read.number("without") or 0.0),
            confirm=_fresh_seeds(read.inner("confirm")),
            preflight_seeds=read.inner("preflight").count("seeds"),
            search=_search(read.inner("search")),
            min_effect=float(read.number("min_effect") or 0.0),
            published=tuple(map(_published, read.rows("published"))),
            preset=read.text("preset"),
            measured_on=read.text("measured_on") if "measured_on" in stored else NOT_STORED,
            teachers=read.text_or_count("teachers") or "one",
            teacher_saw=read.text("teacher_saw"),
            folds=read.count("folds") or 0,
            question=read.text("question") or "itself",
            query_groups=read.list("query_groups"),
            idle_without_teacher=read.names("idle_without_teacher"),
            teacher_parameters=read.names("teacher_parameters"),
            without_values=read.mapping(WITHOUT_VALUES),
            space_json=read.mapping("space"),
            dimensions=read.names("dimensions"),
            run_timeout=read.number("run_timeout"),
            overrides=read.mapping("overrides"),
            cost=read.text("cost"),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON values that were read, all of them."""
        return dict(self.stored)

    def changed(self, **changes: Any) -> StudySettings:
        """The settings with some keys of their JSON replaced; all others are as they were stored."""
        return StudySettings.from_json({**self.stored, **changes})

    def budget_with(self, limits: Mapping[str, float]) -> dict[str, Any]:
        """JSON of the budget with these limits; what else it holds stays."""
        return {**(self.stored.get("budget") or {}), **limits}

    def confirm_with(self, seeds: int) -> dict[str, Any]:
        """JSON of the confirmation with so many seeds; what else it holds stays."""
        return {**(self.stored.get("confirm") or {}), "seeds": seeds}

    @property
    def space(self) -> dict[str, Dimension]:
        """What is searched, in the study file's order where it was stored: JSON in Postgres keeps none."""
        return {name: dimension_from(self.space_json[name]) for name in self.dimensions or self.space_json}

    @property
    def off(self) -> dict[str, Scalar]:
        """The values of a run without distillation; empty where the study has no notion of it."""
        return dict(self.without_values) or dict.fromkeys(self.teacher_parameters, 0)

    def before_draws(self) -> StudySettings:
        """What a study of version 1 says, whose runs draw no folds and teachers."""
        kept = {name: value for name, value in self.stored.items() if name not in _SINCE_DRAWS}
        confirm = self.stored.get("confirm") or {}
        return StudySettings.from_json(kept | {"confirm": {k: v for k, v in confirm.items() if k != "others"}})

    def relaunched(self, declared: StudySettings) -> StudySettings:
        """These settings once the study file is launched again, which declares others.

        What ``extend`` added stands: a larger budget in the ledger, or more fresh seeds, until the file asks for more.
        How a budget is shared between the two searches stays as it was when they began.
        """
        had, asked = asdict(self.budget), asdict(declared.budget)
        budget = {name: _larger(had[name], asked[name]) for name in asked}
        confirm = dict(declared.stored.get("confirm") or {})
        confirm["seeds"] = max(self.confirm.seeds, declared.confirm.seeds)
        if "others" in confirm:
            confirm["others"] = _larger(self.confirm.others, declared.confirm.others)
        shared = {"without": self.stored["without"]} if "without" in self.stored else {}
        return declared.changed(**shared, budget=budget, confirm=confirm)

    def larger_than(self, declared: StudySettings) -> Iterator[str]:
        """What a study file asks less of than the ledger has, such as ``budget.runs: 20 in the file, 40 in …``."""
        asked = {f"budget.{name}": value for name, value in asdict(declared.budget).items()}
        had = {f"budget.{name}": value for name, value in asdict(self.budget).items()}
        asked["confirm.seeds"], had["confirm.seeds"] = declared.confirm.seeds, self.confirm.seeds
        for name, now in asked.items():
            if now is not None and had[name] is not None and now < had[name]:
                yield f"{name}: {now:g} in the file, {had[name]:g} in the ledger stands"


def _larger(stored: float | None, declared: float | None) -> float | None:
    """The larger limit; a limit that the file does not set is none."""
    return declared if stored is None or declared is None else max(stored, declared)


def _limits(read: _Reader) -> Limits:
    return Limits(read.count("runs"), read.number("hours"), read.number("gpu_hours"))


def _fresh_seeds(read: _Reader) -> FreshSeeds:
    return FreshSeeds(read.count("seeds") or 0, read.count("finalists") or 0, read.count("others"))


def _search(read: _Reader) -> Adaptive | Fixed:
    if read.text("policy") in ("fixed", "optuna"):  # who proposes is in the study file, what is proposed in the ledger
        return Fixed(read.count("seeds") or 0)  # which refuses less than two
    return Adaptive(stop_early=read.flag("stop_early"))


def _published(read: _Reader) -> Published:
    label = read.value("label", (str, int, float), "a text", needed=True)
    value = read.value("value", (int, float), "a number", needed=True)
    return Published(str(label), float(value), read.text("note") or "")


class _Reader:
    """Values of a JSON object by their type; one that is missing or null is ``None`` or empty."""

    def __init__(self, values: Mapping[str, Any], study: str, path: str = "") -> None:
        self._values, self._study, self._path = values, study, path

    def value(self, name: str, types: type | tuple[type, ...], wanted: str, *, needed: bool = False) -> Any:
        """Raises ``LedgerError`` where a value is of none of these types; true and false are no numbers."""
        found = self._values.get(name)
        fits = isinstance(found, types) and (types is bool or not isinstance(found, bool))
        if fits or (found is None and not needed):
            return found
        raise LedgerError(
            f"the settings of {self._study} cannot be read: expected {wanted} for {self._path}{name}, got {found!r}. "
            "Open the ledger with the version of kdsearch that stored it, or correct the value in the column settings "
            "of the table kdsearch.study"
        )

    def text(self, name: str) -> str | None:
        found: str | None = self.value(name, str, "a text")
        return found

    def number(self, name: str) -> float | None:
        found: float | None = self.value(name, (int, float), "a number")
        return found

    def count(self, name: str) -> int | None:
        found = self.value(name, (int, float), "a whole number")
        return None if found is None else int(found)

    def flag(self, name: str) -> bool:
        return bool(self.value(name, bool, "true or false"))

    def text_or_count(self, name: str) -> str | int | None:
        found: str | int | None = self.value(name, (str, int), "a text or a whole number")
        return found

    def list(self, name: str) -> Sequence[Any] | None:
        found: Sequence[Any] | None = self.value(name, (list, tuple), "a list")
        return found

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(map(str, self.list(name) or ()))

    def mapping(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self.value(name, Mapping, "an object")
        return {} if found is None else found

    def inner(self, name: str) -> _Reader:
        return _Reader(self.mapping(name), self._study, f"{self._path}{name}.")

    def rows(self, name: str) -> Iterator[_Reader]:
        for index, row in enumerate(self.list(name) or ()):
            place = f"{name}[{index}]"
            yield _Reader({place: row}, self._study, self._path).inner(place)
