"""The searches that the planner benchmark has stored are those of the present policy: a few are run again."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kdsearch.search.gp.threads import one_thread
from tests.benchmarks.planner import archive, measure
from tests.benchmarks.planner.policies import OURS

AGAIN = [
    measure.Job("smooth-s1-r0", OURS, 0, 200),
    measure.Job("smooth-s0.5-r0.3", OURS, 17, 200),
    measure.Job("independent-s1-r0.3", OURS, 240, 200),
    measure.Job("left-tailed-s3-r0", OURS, 399, 200),
    measure.Job("jhmdb", OURS, 3, 200),
    measure.Job("jhmdb-surrogate", OURS, 42, 200),
    measure.Job("smooth-s1-r0", OURS, 5, 200, workers=8),
    measure.Job("left-tailed-s2-r0.3", OURS, 99, 200, workers=8),
]


@cache
def stored() -> dict[measure.Key, dict[str, Any]]:
    """The kept searches of the policy, by key."""
    return {measure.key_of(row): row for row in archive.read() if row["policy"] == OURS}


def test_what_is_stored_is_of_the_present_version() -> None:
    assert len(stored()) == 28 * 400 + 4 * 100
    assert all(measure.current(row) for row in stored().values()), (
        "the policy has a new version: python -m tests.benchmarks.planner --policies ours --keep measures it anew"
    )


@pytest.mark.parametrize("job", AGAIN, ids=lambda job: f"{job.world}-{job.index}-by-{job.workers}")
def test_a_stored_search_comes_out_again(job: measure.Job, tmp_path: Path) -> None:
    one_thread()
    again = measure.search(job)
    assert "error" not in again, again["error"]
    archive.write([again], tmp_path / "again.npz")
    (found,) = archive.read(tmp_path / "again.npz")
    assert {**found, "wall": 0} == {**stored()[job.key], "wall": 0}, (
        "the policy searches in another way than the stored searches; raise adaptive.VERSION if it is to"
    )
