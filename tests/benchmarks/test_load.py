"""The benchmark of load fills a ledger that all commands read, and counts what it says, in a small form."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.ledger.ledger import Ledger
from tests.benchmarks.load import commands, filling, workers


@pytest.mark.slow
def test_workers_claim_from_a_filled_ledger_and_commands_read_it(home: Path) -> None:
    from kdsearch.ledger import embedded

    home.mkdir(mode=0o711)
    try:
        ledger = Ledger.connect()
        study_id = filling.fill(ledger, configurations=6, runs=30, queued=60)
        load = workers.Load(workers=4, length=0.5, connections=2, seconds=2, warm_up=0.5, whole=1)
        ledger.database.dispose()
        found = workers.simulate(study_id, load)
        assert len(found.simulated.claims) >= 8
        assert len(found.whole.claims) >= 2
        assert found.simulated.empty == found.whole.empty == 0
        assert found.connections == 3
        claims = len(found.simulated.claims) + len(found.whole.claims)
        assert f"found nothing    0 of {claims} claims" in workers.lines(load, found)
        states = [run.state for run in ledger.results(study_id).runs]
        assert states.count("done") >= 30 + len(found.simulated.results) + len(found.whole.results)
        assert "leased" not in states
        costs = list(commands.measure(ledger, study_id, only=["list"]))
        assert [cost.command for cost in costs] == ["list"]
        assert 0 < costs[0].cpu < costs[0].wall * 16
        assert [line.split()[0] for line in commands.lines(costs)] == ["command", "list"]
        ledger.database.dispose()
    finally:
        embedded.stop()
