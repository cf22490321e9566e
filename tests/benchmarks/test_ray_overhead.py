"""The benchmark of the engine ray times what it says: ends of search runs while all workers train."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.benchmarks.ray_overhead import pace


def test_pace_leaves_out_what_workers_do_first_and_last() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    slow = [start + timedelta(seconds=20 * number) for number in range(8)]
    inner = [slow[-1] + timedelta(seconds=30 + 2 * number) for number in range(11)]
    last = [inner[-1] + timedelta(seconds=60 * (number + 1)) for number in range(8)]
    assert pace([*slow, *inner, *last], workers=2) == pytest.approx(30.0)


def test_too_few_runs_have_no_pace() -> None:
    with pytest.raises(SystemExit, match="expected more than 17 finished runs"):
        pace([datetime(2026, 1, 1, tzinfo=UTC)] * 17, workers=2)
