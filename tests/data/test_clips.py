from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kdsearch.data import Clips, sample_uniform
from kdsearch.data.clips import ClipTable
from kdsearch.errors import DataError


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [
        (40, 10, [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]),
        (15, 10, [0, 2, 3, 4, 6, 8, 9, 10, 12, 14]),  # 1.5 -> 2, 4.5 -> 4, 7.5 -> 8: ties to even
        (7, 3, [0, 2, 5]),
        (3, 5, [0, 1, 1, 2, 2]),
        (2, 8, [0, 0, 0, 1, 1, 1, 1, 1]),  # 0.5 -> 0, 1.5 -> 2, clamped to the last frame
        (1, 4, [0, 0, 0, 0]),
        (5, 1, [0]),
    ],
)
def test_uniform_rule_by_hand(length: int, count: int, expected: list[int]) -> None:
    assert sample_uniform(length, count) == expected


def test_student_frames_are_every_second_teacher_frame() -> None:
    for length in range(1, 60):
        assert sample_uniform(length, 20)[::2] == sample_uniform(length, 10)


@pytest.mark.parametrize(("length", "count"), [(0, 3), (3, 0), (-1, 1)])
def test_nothing_to_sample_is_refused(length: int, count: int) -> None:
    with pytest.raises(DataError, match="at least one frame"):
        sample_uniform(length, count)


def test_groups_are_counted_over_sorted_classes_and_sources() -> None:
    rows = [("run", "b0", "run/B", [1, 2]), ("run", "a0", "run/A", [1, 1]), ("run", "b1", "run/B", [1, 2])]
    table = ClipTable.of(["clap", "run"], [*rows, ("clap", "a1", "clap/A", [2, 1])])
    assert table.groups.tolist() == [2, 1, 2, 0]
    assert table.labels.tolist() == [1, 1, 1, 0]
    assert table.splits[:, 1].tolist() == [2, 1, 2, 1]
    assert table.present == ("clap", "run")


@pytest.fixture
def clips() -> Clips:
    return Clips(
        inputs=np.zeros((6, 2, 15, 2), dtype=np.float32),
        labels=np.array([0, 0, 0, 1, 1, 1]),
        groups=np.array([0, 1, 2, 3, 4, 5]),
        names=tuple("abcdef"),
        classes=("x", "y"),
        train=np.array([0, 3]),
        validation=np.array([1, 4]),
        database=np.array([0, 1, 3, 4]),
        query=np.array([2, 5]),
    )


def test_whole_clips_pass(clips: Clips) -> None:
    assert clips.check() is clips
    assert len(clips) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": np.array([0, 4])}, "both train and validation"),
        ({"query": np.array([1, 5])}, "both query and database"),
        ({"database": np.array([0, 1, 3])}, "outside the database"),
        ({"query": np.array([], dtype=np.int64)}, "at least one index in query"),
        ({"query": np.array([2, 9])}, "below 6 in query"),
        ({"query": np.array([2, 2])}, "below 6 in query"),
        ({"groups": np.array([0, 0, 2, 3, 4, 5])}, "no source video may be in both train and validation"),
        ({"groups": np.array([0, 1, 0, 3, 4, 5])}, "no source video may be in both query and database"),
        ({"labels": np.array([0, 0, 0, 1, 1, 2])}, "labels below 2"),
        ({"labels": np.array([0, 1])}, "6 rows of labels"),
        ({"inputs": np.full((6, 2, 15, 2), np.nan)}, "finite inputs"),
    ],
)
def test_broken_promises_are_named(clips: Clips, change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(clips, **change).check()


def test_a_class_too_small_may_share_its_videos(clips: Clips) -> None:
    shared = replace(clips, groups=np.array([0, 1, 0, 3, 4, 5]), shared=("x",))
    assert shared.check() is shared
    with pytest.raises(DataError, match="both query and database"):
        replace(shared, shared=("y",)).check()
