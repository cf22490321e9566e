"""The benchmark of claims runs and counts what it says, in a small form."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tests.benchmarks import claims


@pytest.mark.slow
def test_every_worker_claims_once_a_second_and_decisions_are_timed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    found, decisions = claims.measure(configurations=10, runs=50, workers=3, seconds=4, busy=1)
    assert len(found) == 3 * 4
    assert any(claim.found for claim in found)
    assert decisions
    assert min(decisions) > 0
    told = argparse.Namespace(configurations=10, runs=50, workers=3, seconds=3, warm_up=1, busy=1)
    claims.report(found, decisions, told)
    said = capsys.readouterr().out
    assert "1 busy processes beside" in said
    assert "of 9 claims" in said
    assert f"{sum(claim.found for claim in found if claim.second >= 1)} of 9 claims" in said
