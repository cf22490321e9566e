"""The benchmark of two workers times what it says: search runs alone, from first end to last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.benchmarks import two_workers


def test_pace_counts_the_gaps_between_ends() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ends = [start + timedelta(seconds=seconds) for seconds in (30, 0, 10, 20)]
    assert two_workers.pace([*ends, None]) == pytest.approx(6.0)  # 3 gaps in 30 seconds


def test_one_finished_run_has_no_pace() -> None:
    with pytest.raises(SystemExit, match="got 1"):
        two_workers.pace([datetime(2026, 1, 1, tzinfo=UTC), None])


@pytest.mark.slow
def test_the_launched_study_trains_the_runs_it_is_timed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    monkeypatch.setenv("KDSEARCH_HOME", "replaced by the benchmark, restored afterwards")
    monkeypatch.setenv("KDSEARCH_STORAGE", "removed by the benchmark, restored afterwards")
    runs = two_workers.launched(workers=2, runs=4)
    search = [run for run in runs if run.pool == "search"]
    assert len(search) == 4
    assert all(run.state == "done" for run in runs)
    assert two_workers.pace(run.finished_at for run in search) > 0
