"""Runs of one configuration in which not all streams follow the seed, from ledger to table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.ledger import Ledger
from kdsearch.report import build, render
from kdsearch.report.tables import Estimate
from kdsearch.search.manual import add_configuration
from kdsearch.tasks.function import FunctionTask


def noisy(params: dict[str, Any], seed: int, report: Any) -> tuple[float, float]:
    """Initialisation moves the result three times as much as order does; nothing else moves it."""
    named = str(params["vary"]).split("+")
    first, second = (
        np.random.default_rng([stream, seed if name in named else 0]).normal()
        for stream, name in enumerate(("initialisation", "order"))
    )
    value = 0.5 + 0.03 * first + 0.01 * second - (params["x"] - 0.4) ** 2
    return value, value


def test_shares_of_initialisation_and_order_are_told(ledger: Ledger) -> None:
    task = FunctionTask(noisy, parameters={"x": 0.5, "vary": "initialisation+order"}, chance=0.0)
    study = kd.Study(
        "streams", task, {"x": kd.uniform(0, 1)}, budget=kd.Budget(runs=16), confirm=kd.Confirm(seeds=24, finalists=0)
    )
    record, _ = ledger.open_study(declaration(study))

    def finish() -> None:
        DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]

    finish()
    assert "sources" not in [table.key for table in build(ledger.results(record.id)).tables]
    winner = ledger.results(record.id).study.winner_id
    assert winner is not None
    params = ledger.results(record.id).configurations[winner].params
    for vary in ("initialisation", "order", "nothing"):
        add_configuration(ledger, study, record.id, {**params, "vary": vary}, 24)
    finish()
    results = ledger.results(record.id)
    report = build(results)
    assert not any("came after the choice" in note for note in report.notes), "they are no part of the search"
    table = report.table("sources")
    name = results.configurations[winner].name
    assert [row.label for row in table.rows] == [
        f"{name}: initialisation + order",
        f"{name}: initialisation",
        f"{name}: order",
        f"{name}: nothing",
    ]
    whole, initialisation, order, nothing = (cell for cell in table.column("sd") if isinstance(cell, Estimate))
    assert whole.low < 0.0316 < whole.high  # sqrt(0.03^2 + 0.01^2)
    assert initialisation.low < 0.03 < initialisation.high
    assert order.low < 0.01 < order.high
    assert nothing.value == pytest.approx(0.0, abs=1e-12)
    shares = [cell.value for cell in table.column("share") if isinstance(cell, Estimate)]
    assert shares[0] == 1.0
    assert shares[1] > 5 * shares[2]
    assert "Where the spread comes from" in render(report, "table", width=100)
