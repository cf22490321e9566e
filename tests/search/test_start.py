"""A search whose first configurations fail goes on to others."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.failures import NothingWorks
from kdsearch.ledger.ledger import Ledger
from kdsearch.report import build
from kdsearch.search.observations import Configuration
from kdsearch.search.policies.adaptive import AdaptivePolicy
from kdsearch.search.policies.base import Further, New

SPACE = {"x": kd.uniform(0, 1), "y": kd.uniform(0, 1)}


def lost(x: float) -> Configuration:
    return Configuration({"x": x, "y": 0.5}, {}, failed=frozenset({0}))


@pytest.mark.parametrize("budget", [8, 12, 60, None])
def test_what_failed_makes_room_for_others(budget: int | None) -> None:
    policy = AdaptivePolicy(SPACE, 0, budget)
    tried = [lost(0.1 * place) for place in range(policy.start)]
    picks = policy.choose(tried, 2)
    assert [type(pick) for pick in picks] == [New, New]
    one = [*tried, Configuration({"x": 0.9, "y": 0.9}, {1: 0.5, 2: 0.6})]
    assert any(isinstance(pick, New) for pick in policy.choose(one, 2))
    waiting = [*tried, *(Configuration({"x": 0.9, "y": 0.1 * i}, {}, frozenset({i})) for i in range(2))]
    assert all(isinstance(pick, New) or pick.position >= len(tried) for pick in policy.choose(waiting, 4))
    assert Further(0) not in policy.choose(waiting, 4)


def test_a_study_whose_first_configurations_fail_has_its_whole_search(ledger: Ledger) -> None:
    first: list[float] = []

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        if params["x"] not in first and len(first) < 3:
            first.append(params["x"])
        if params["x"] in first:
            raise RuntimeError(f"not yet, {params['x']}")
        return float(params["x"])

    study = kd.Study("late", train, SPACE, budget=kd.Budget(runs=12), confirm=kd.Confirm(seeds=2, finalists=0))
    record, _ = ledger.open_study(declaration(study))
    for _ in range(9):  # a launch ends where nothing works, and the next one goes on
        with contextlib.suppress(NothingWorks):
            DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
            break
    results = ledger.results(record.id)
    search = [run for run in results.runs if run.pool == "search"]
    assert sum(run.state == "failed" for run in search) == 3
    assert len({run.configuration_id for run in search if run.state == "done"}) >= 3
    assert any("the budget of 12 search runs is spent" in note for note in build(results).notes)
