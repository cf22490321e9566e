"""A fresh seed that raises for every configuration is left out; it ends no worker."""

from __future__ import annotations

from typing import Any

from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.ledger import Ledger

BAD = 2**30 + 3


def test_a_seed_that_always_raises_ends_no_worker(ledger: Ledger) -> None:
    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        if seed == BAD:
            raise RuntimeError("this seed again")
        return float(params["x"]) + 0.01 * (seed % 5)

    baselines = {f"x={x}": {"x": x} for x in (0.1, 0.2, 0.3, 0.4)}
    study = kd.Study(
        "seeds",
        train,
        {"x": kd.uniform(0, 1)},
        baselines=baselines,
        budget=kd.Budget(runs=12),
        confirm=kd.Confirm(seeds=6, finalists=1),
    )
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, 2)
    DebugEngine(coordinator, Loaded(study)).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    assert results.study.phase == "finished"
    failed = [run for run in results.runs if run.state == "failed"]
    assert {run.seed for run in failed} == {BAD}
    assert len(failed) == 6  # winner, finalist and four baselines


def test_settings_that_always_raise_end_no_worker(ledger: Ledger) -> None:
    """A part of the space needs more memory than there is, say: at the end of the search only such runs are left."""

    def train(params: dict[str, Any], seed: int, report: Any) -> float:
        if params["x"] > 0.7:
            raise MemoryError("too large")
        return float(params["x"]) + 0.01 * (seed % 5)

    study = kd.Study(
        "settings",
        train,
        {"x": kd.uniform(0, 1)},
        search=kd.Fixed(seeds=2),
        budget=kd.Budget(runs=60),
        confirm=kd.Confirm(seeds=2, finalists=1),
    )
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 2), Loaded(study)).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    assert results.study.phase == "finished"
    large = {row.id for row in results.configurations.values() if row.params["x"] > 0.7}
    assert sum(run.state == "failed" for run in results.runs) >= 10
    assert all((run.state == "failed") == (run.configuration_id in large) for run in results.runs)
