"""SMAC3 itself, by ask and tell: random forest, expected improvement, intensification over seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick
from kdsearch.space import Categorical, Integer, Range
from kdsearch.tasks.base import Scalar

from .counts import highest_mean
from .landings import Answer, Place
from .optional import optional


class Smac:
    """``HyperparameterOptimizationFacade`` of SMAC3 2.4 with its defaults, ``deterministic=False``.

    (Lindauer et al. 2022, JMLR 23.) That is: a Sobol design of at most ten configurations a dimension and a quarter of
    ``budget``, then challengers with 1, 2, 3 seeds (``max_config_calls=3``) on the incumbent's seeds; a challenger goes
    as soon as its mean on shared seeds is not better, without a test. Costs are negated objectives. SMAC draws its
    seeds once and gives them to every configuration in the same order, so its n-th seed of a configuration is our index
    n. The leader is the incumbent, its estimate the mean over its seeds. A failed seed is told as crashed, with the
    highest cost so far. In a small discrete space SMAC ends when it finds nothing new: then there are no more picks.
    """

    def __init__(self, space: Mapping[str, Range], seed: int, budget: int) -> None:
        smac = optional("smac", "smac3")
        self.space = space
        self._runhistory = optional("smac.runhistory", "smac3")
        with tempfile.TemporaryDirectory(prefix="kdsearch-smac-") as folder:  # SMAC looks there for an earlier study
            scenario = smac.Scenario(
                configuration_space(space, seed),
                deterministic=False,
                n_trials=budget,
                seed=seed,
                output_directory=Path(folder),
            )
            facade = smac.HyperparameterOptimizationFacade
            self._facade: Any = facade(scenario, _nothing, overwrite=True, logging_level=False)
        self._positions: dict[Any, int] = {}
        self._asked: list[Any] = []  # of the last answer, in the order of its picks
        self._answer = Answer(space)
        self._running: dict[Place, Any] = {}
        self._worst: float | None = None

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """SMAC's next ``wanted`` asks."""
        self._tell(tried)
        picks: list[Pick] = []
        fresh: dict[Any, int] = {}
        self._asked.clear()
        while len(picks) < wanted:
            try:
                info = self._facade.ask()
            except StopIteration:
                break
            position = self._positions.get(info.config, fresh.get(info.config))
            if position is None:
                fresh[info.config] = len(tried) + len(fresh)
                picks.append(New(self._params(dict(info.config))))
            else:
                picks.append(Further(position))
            self._asked.append(info)
        self._answer.sent(tried, picks)
        return picks

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """SMAC's incumbent."""
        self._tell(tried)
        incumbents = self._facade.intensifier.get_incumbents()
        if not incumbents:
            return highest_mean(tried)
        cost = self._facade.runhistory.average_cost(incumbents[0])
        return Leader(self._positions[incumbents[0]], -float(cost))

    def _tell(self, tried: Sequence[Configuration]) -> None:
        for info, place in zip(self._asked, self._answer.landed(tried), strict=False):
            self._positions.setdefault(info.config, place[0])
            self._running[place] = info
        for place in sorted(self._running):
            setting = tried[place[0]]
            if place[1] in setting.objectives or place[1] in setting.failed:
                value = self._value(setting.objectives.get(place[1]))
                self._facade.tell(self._running.pop(place), value, False)

    def _value(self, objective: float | None) -> Any:
        if objective is None:
            return self._runhistory.TrialValue(cost=self._worst or 0.0, status=self._runhistory.StatusType.CRASHED)
        cost = -objective
        self._worst = cost if self._worst is None else max(self._worst, cost)
        return self._runhistory.TrialValue(cost=cost)

    def _params(self, values: Mapping[str, Any]) -> dict[str, Scalar]:
        return {name: _plain(dimension, values[name]) for name, dimension in self.space.items()}


def configuration_space(space: Mapping[str, Range], seed: int) -> Any:
    """The space in ConfigSpace's words; a choice is its index, as ConfigSpace would turn numbers to text."""
    words = optional("ConfigSpace", "smac3")
    found = words.ConfigurationSpace(seed=seed)
    for name, dimension in space.items():
        if isinstance(dimension, Categorical):
            found.add(words.Categorical(name, [str(index) for index in range(len(dimension.choices))]))
        else:
            kind = words.Integer if isinstance(dimension, Integer) else words.Float
            found.add(kind(name, (dimension.low, dimension.high), log=dimension.log))
    return found


def _plain(dimension: Range, value: Any) -> Scalar:
    if isinstance(dimension, Categorical):
        return dimension.choices[int(value)]
    return int(value) if isinstance(dimension, Integer) else float(value)


def _nothing(config: Any, seed: int = 0) -> float:
    raise AssertionError("SMAC is asked and told; it trains nothing itself")
