from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kdsearch.data.clips import ClipTable
from kdsearch.data.splits import hold_out, make_parts


def table_of(names: list[str], labels: list[int], groups: list[int], splits: np.ndarray, classes: int) -> ClipTable:
    return ClipTable(
        classes=tuple(f"class{i}" for i in range(classes)),
        names=tuple(names),
        labels=np.array(labels),
        splits=splits,
        groups=np.array(groups),
    )


def one_clip_a_group(sizes: list[int], clips_a_group: int = 1) -> ClipTable:
    """Classes of the given sizes, source videos of equal size; every fourth video tests in every split."""
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    groups, group = list[int](), 0
    for size in sizes:
        groups += [group + i // clips_a_group for i in range(size)]
        group += -(-size // clips_a_group)
    splits = np.where(np.array(groups) % 4 == 3, 2, 1)[:, None].repeat(3, axis=1)
    return table_of([f"v{i}" for i in range(len(labels))], labels, groups, splits, len(sizes))


def held_out(table: ClipTable, share: float, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    return lambda listed: hold_out(table, listed, share, seed)


def test_official_parts_are_the_lists() -> None:
    table = one_clip_a_group([8, 8])
    parts = make_parts(table, "split2", 0, held_out(table, 0.25))
    assert parts.query.tolist() == [3, 7, 11, 15]
    assert parts.database.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]
    assert np.union1d(parts.train, parts.validation).tolist() == parts.database.tolist()
    assert len(np.intersect1d(parts.train, parts.validation)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_holding_out_takes_whole_videos_of_every_class(seed: int) -> None:
    table = one_clip_a_group([20, 10, 6], clips_a_group=2)
    rows = np.arange(36)
    held = hold_out(table, rows, 0.2, seed)
    # 2 of 10, 1 of 5 and 1 of 3 videos: 4, 2 and 2 clips (of 6, 0.2 is 1.2 clips, and 2 is nearer than 0).
    assert np.bincount(table.labels[held]).tolist() == [4, 2, 2]
    assert len(np.intersect1d(table.groups[held], table.groups[np.setdiff1d(rows, held)])) == 0


def test_one_video_gives_no_validation_and_two_give_the_smaller() -> None:
    labels, groups = [0] * 5 + [1] * 9, [0] * 5 + [1] * 4 + [2] * 5
    table = table_of([f"v{i}" for i in range(14)], labels, groups, np.ones((14, 3), dtype=np.int64), 2)
    for seed in range(6):
        assert hold_out(table, np.arange(14), 0.1, seed).tolist() == [5, 6, 7, 8]


def test_holding_out_is_a_function_of_the_seed() -> None:
    table = one_clip_a_group([30, 30])
    first = [hold_out(table, np.arange(60), 0.2, seed).tolist() for seed in (0, 0, 1)]
    assert first[0] == first[1]
    assert first[0] != first[2]


def test_holding_out_of_a_class_does_not_depend_on_other_classes() -> None:
    both, alone = one_clip_a_group([12, 16]), one_clip_a_group([12])
    together = hold_out(both, np.arange(28), 0.25, 3)
    assert together[together < 12].tolist() == hold_out(alone, np.arange(12), 0.25, 3).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_seed_protocol_counts_and_disjoint_videos(seed: int) -> None:
    table = one_clip_a_group([36, 40, 55], clips_a_group=3)
    parts = make_parts(table, "seed", seed, held_out(table, 0.2, seed))
    for part, count in ((parts.database, 20), (parts.query, 10)):
        assert np.bincount(table.labels[part]).tolist() == [count] * 3
    listed = np.union1d(parts.train, parts.validation)
    assert np.bincount(table.labels[listed]).tolist() == [10] * 3
    assert np.isin(listed, parts.database).all()
    assert len(np.intersect1d(table.groups[parts.query], table.groups[parts.database])) == 0
    assert (parts.small, parts.shared) == ((), ())


def test_classes_too_small_are_named() -> None:
    labels = [0] * 36 + [1] * 12
    groups = [0] * 25 + [1] * 11 + list(range(2, 14))
    splits = np.ones((48, 3), dtype=np.int64)
    table = table_of([f"v{i}" for i in range(48)], labels, groups, splits, 2)
    parts = make_parts(table, "seed", 0, held_out(table, 0.2))
    assert parts.small == ("class1",)
    assert parts.shared == ()
    assert len(parts.query) == 10 + 4
    one_video = table_of([f"v{i}" for i in range(48)], labels, [0] * 36 + groups[36:], splits, 2)
    shared = make_parts(one_video, "seed", 0, held_out(one_video, 0.2))
    assert shared.shared == ("class0",)
    assert len(np.intersect1d(shared.query, shared.database)) == 0
