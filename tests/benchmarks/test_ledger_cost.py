"""The benchmark of the ledger's cost runs and measures what it says, in a small form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import ledger_cost


def test_the_benchmark_trains_every_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    ours, plain = ledger_cost.measure(configurations=6, seeds=5)
    ledger_cost.report(ours, plain, 30)
    ratio = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("ratio"))
    assert float(ratio.split()[4]) == pytest.approx(ours / plain, abs=5e-4)
