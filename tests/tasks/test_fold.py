"""The fold of a user's function: cut as kdsearch's own data are, by hand, golden and at its limits."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

import kdsearch as kd
from kdsearch.data.clips import ClipTable
from kdsearch.data.folds import Fold as Place
from kdsearch.data.partitions import Cutting, cut
from kdsearch.data.splits import stream_of
from kdsearch.errors import DataError


def validation(fold: kd.Fold, labels: Any, groups: Any = None) -> list[int]:
    """The validating indices, the others being those that train."""
    train, held = fold.split(labels, groups)
    everything = labels if isinstance(labels, int) else len(labels)
    assert sorted([*train, *held]) == list(range(everything))
    return [int(index) for index in held]


def folds(count: int = 5, partition: int = 0) -> list[kd.Fold]:
    return [kd.Fold(number, partition, count) for number in range(count)]


def test_one_sample_of_each_class_a_fold_by_hand() -> None:
    labels = ["cat", "dog"] * 5
    parts = [validation(fold, labels) for fold in folds()]
    assert sorted(row for part in parts for row in part) == list(range(10))
    assert all(sorted(labels[row] for row in part) == ["cat", "dog"] for part in parts)


def test_a_class_of_one_sample_trains_always() -> None:
    labels = [0, 0, 0, 0, 7]
    parts = [validation(fold, labels) for fold in folds(2)]
    assert sorted(map(len, parts)) == [2, 2]
    assert 4 not in parts[0] + parts[1]


def test_golden_cuts() -> None:
    assert [validation(fold, 10) for fold in folds()] == [[0, 4], [1, 2], [3, 9], [5, 8], [6, 7]]
    labels, groups = [0, 1, 2] * 4, list("aabbccddeeff")
    found = [validation(fold, labels, groups) for fold in folds(3, 2)]
    assert found == [[0, 1, 4, 5], [2, 3, 8, 9], [6, 7, 10, 11]]


@pytest.mark.parametrize("partition", [0, 3])
def test_it_is_the_cut_of_kdsearchs_own_data(partition: int) -> None:
    draws = np.random.default_rng(5)
    labels = np.sort(draws.integers(0, 4, 120))
    groups = labels * 100 + draws.integers(0, 9, 120)
    classes = tuple(f"class{i}" for i in range(4))
    names = tuple(f"clip{i}" for i in range(120))
    table = ClipTable(classes, names, labels, np.ones((120, 3), int), groups)
    for fold in folds(5, partition):
        own = Cutting(5).validating(table, np.arange(120), Place(partition, fold.number))
        assert validation(fold, [classes[label] for label in labels], groups) == own.tolist()


def test_a_group_of_several_classes_is_on_one_side() -> None:
    labels, groups = [0, 1] * 10, [(row // 2, "speaker") for row in range(20)]
    for fold in folds():
        held = set(validation(fold, labels, groups))
        assert all((2 * pair in held) == (2 * pair + 1 in held) for pair in range(10))
        assert len(held) == 4


def test_what_counts_is_the_data_and_not_how_they_are_written() -> None:
    labels = [2, 2, 0, 0, 0, 2, 1, 1, 2, 1]
    for fold in folds(2):
        assert validation(fold, labels) == validation(fold, np.array(labels, dtype=np.float32))
        assert validation(fold, labels, list("abcdefghij")) == validation(fold, labels, range(10))


def test_partitions_are_other_cuts_and_one_fold_is_a_fifth_of_each() -> None:
    cuts = {tuple(validation(kd.Fold(0, partition, 5), 30)) for partition in range(10)}
    assert len(cuts) == 10
    assert validation(kd.Fold(0, 4, 1), 30) == validation(kd.Fold(0, 4, 5), 30)


def test_single_samples_are_placed_one_after_the_other_where_fewest_are() -> None:
    labels = np.repeat([0, 1], [31, 7])
    found = cut(labels, np.arange(38), ("a", "b"), 4, 0, 1)
    for label, first, size in ((0, 0, 31), (1, 31, 7)):
        draws = stream_of(0, "folds", 1, zlib.crc32(b"ab"[label : label + 1]))
        order, ties, filled = draws.permutation(size), draws.permutation(4), [0] * 4
        for row in order:
            least = next(int(fold) for fold in ties if filled[fold] == min(filled))
            filled[least] += 1
            assert found[first + row] == least


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([[1, 0], [0, 1]], None, r"came an array of shape \(2, 2\) of int64. Give the number of samples"),
        ([0.5, 1.2, 3.0], None, "as whole numbers or words"),
        ([0, 1, 0], [1, 2], "expected the group of each of 3 samples, came 2"),
        (3, None, "fold . of 5 would have no sample"),
        (["a", "b", "c"], None, "Ask for fewer folds"),
        (0, None, "came 0 samples"),
    ],
)
def test_what_cannot_be_cut_is_said(labels: Any, groups: Any, message: str) -> None:
    def every() -> None:
        for fold in folds():
            fold.split(labels, groups)

    with pytest.raises(DataError, match=message):
        every()
