"""Cuts into folds: by hand where no draw decides, and what every cut promises."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.data.clips import ClipTable
from kdsearch.data.declaration import fields_of
from kdsearch.data.folds import FIRST, Fold, checked_recipe
from kdsearch.data.partitions import Cutting, _cut_class, checked_sources, cut, films_of
from kdsearch.errors import DataError


def table_of(groups: list[list[int]]) -> ClipTable:
    """One class for each list of numbers of source videos."""
    labels = np.array([label for label, own in enumerate(groups) for _ in own])
    flat = np.array([group for own in groups for group in own])
    names = tuple(f"clip{i}" for i in range(len(flat)))
    return ClipTable(tuple(f"class{i}" for i in range(len(groups))), names, labels, np.ones((len(flat), 3), int), flat)


def random_table(seed: int, classes: int = 8, across: bool = False) -> ClipTable:
    draws = np.random.default_rng(seed)
    groups, first = list[list[int]](), 0
    for _ in range(classes):
        count = int(draws.integers(1, 30))
        sizes = draws.geometric(0.5, count)
        own = draws.choice(60, count, replace=False) if across else first + np.arange(count)
        groups.append(np.repeat(own, sizes).tolist())
        first += count
    return table_of(groups)


def folds_of(table: ClipTable, folds: int, partition: int = 0, across: bool = False) -> np.ndarray:
    return cut(table.labels, table.groups, table.classes, folds, 0, partition, across=across)


def test_large_groups_come_first_and_each_goes_where_its_class_is_least_filled() -> None:
    # Of 10 clips: 4, then 2 and 2 beside it, then 1 and 1: whichever comes first, each fold has 5.
    table = table_of([[0] * 4 + [1] * 2 + [2] * 2 + [3, 4]])
    for partition in range(20):
        numbers = folds_of(table, 2, partition)
        assert len(set(numbers[:4])) == 1
        assert set(numbers[4:8]) == {1 - numbers[0]}
        assert {numbers[8], numbers[9]} == {0, 1}
    assert {folds_of(table, 2, partition)[0] for partition in range(20)} == {0, 1}


def test_three_groups_of_three_sizes_in_three_folds() -> None:
    numbers = folds_of(table_of([[0] * 5 + [1] * 2 + [2]]), 3)
    assert sorted(np.bincount(numbers).tolist()) == [1, 2, 5]


def test_a_class_of_one_group_validates_no_run_and_two_groups_validate_two_folds() -> None:
    table = table_of([[0, 0, 0], [1, 2], [3, 4, 5, 6, 7]])
    for across in (False, True):
        numbers = folds_of(table, 5, across=across)
        assert numbers[:3].tolist() == [-1, -1, -1]
        assert numbers[3] != numbers[4]
        assert sorted(numbers[5:].tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("folds", [2, 3, 5, 10])
@pytest.mark.parametrize("seed", range(6))
def test_promises_of_every_cut(seed: int, folds: int, across: bool) -> None:
    table = random_table(seed, across=across)
    for partition in range(5):
        numbers = folds_of(table, folds, partition, across)
        assert (numbers >= -1).all()
        assert (numbers < folds).all()
        for group in np.unique(table.groups):
            assert len(set(numbers[table.groups == group])) == 1, "no group on two sides"
        for label in range(8):
            own = numbers[table.labels == label]
            for fold in range(folds):
                assert (own != fold).any(), "every class trains in every fold"
            if not across:
                sizes = np.unique(table.groups[table.labels == label], return_counts=True)[1]
                assert (own == -1).all() == (len(sizes) == 1)
                counts = np.bincount(own[own >= 0], minlength=folds)
                # A fold is never filled further while another has less, so they differ by one group at most.
                assert counts.max() - counts.min() <= sizes.max()


def test_no_fold_takes_what_does_not_divide_of_every_class() -> None:
    table = table_of([[*range(c * 6, c * 6 + 6)] for c in range(200)])
    # Six groups a class in five folds: the sixth is in any of them.
    counts = np.bincount(folds_of(table, 5))
    assert counts.sum() == 1200
    assert counts.min() > 215
    assert counts.max() < 265


def test_partitions_and_seeds_are_cuts_of_their_own_and_repeat() -> None:
    table = table_of([list(range(50))])
    cuts = [
        tuple(cut(table.labels, table.groups, table.classes, 5, seed, partition))
        for seed, partition in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    assert cuts[0] == cuts[3]
    assert len(set(cuts)) == 3
    # Of pairs of groups that share a fold of one partition, as many share one of the next as chance says: 9 of 49.
    together = 0
    for partition in range(100):
        a, b = (folds_of(table, 5, p) for p in (2 * partition, 2 * partition + 1))
        both = (a[:, None] == a) & (b[:, None] == b)
        together += (both.sum() - 50) / 2
    assert 0.17 < together / 100 / 225 < 0.2


def test_a_class_is_cut_alike_whatever_stands_beside_it() -> None:
    table = random_table(3)
    whole = folds_of(table, 5, 7)
    for label in range(8):
        own = table.labels == label
        alone = cut(np.zeros(own.sum(), int), table.groups[own] * 3 + 1, [f"class{label}"], 5, 0, 7)
        assert whole[own].tolist() == alone.tolist()


def test_across_classes_the_shares_are_near_to_equal() -> None:
    table = random_table(1, across=True)
    numbers = folds_of(table, 5, across=True)
    counts = np.bincount(numbers[numbers >= 0], minlength=5)
    assert counts.max() - counts.min() <= 4
    # By hand: two films of both classes and two of one each; each fold can have one of either.
    table = table_of([[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 3, 3]])
    for partition in range(10):
        numbers = folds_of(table, 2, partition, across=True)
        assert numbers[0] != numbers[2]
        assert numbers[4] != numbers[10], "the fourth goes to the smaller part"


@pytest.mark.parametrize("seed", range(20))
def test_few_films_of_many_classes_leave_every_class_to_train(seed: int) -> None:
    draws = np.random.default_rng(seed)
    groups = [
        draws.choice(12, int(draws.integers(2, 5)), replace=False).repeat(draws.integers(1, 4)).tolist()
        for _ in range(8)
    ]
    table = table_of(groups)
    for folds in (2, 3):
        for partition in range(5):
            numbers = folds_of(table, folds, partition, across=True)
            for label in range(8):
                assert all((numbers[table.labels == label] != fold).any() for fold in range(folds))


def test_sources_that_always_train() -> None:
    table = table_of([[0, 0, 1, 2, 3, 4], [5, 6, 6]])
    listed = np.arange(9)
    for folds, partition in ((2, 0), (2, 1), (1, 0), (1, 4)):
        cutting = Cutting(folds, always_train=("clip1", "clip6"), share=0.4)
        held = [cutting.validating(table, listed, Fold(partition, k)).tolist() for k in range(folds)]
        if folds == 2:
            assert sorted(row for rows in held for row in rows) == [2, 3, 4, 5, 7, 8], "clip0 is of clip1's video"
        else:
            # 2 of the four other videos of class0, and the one other of class1: clip6 remains to train.
            assert len(held[0]) == 4
            assert set(held[0]) >= {7, 8}
    with pytest.raises(
        DataError, match=r"always_train: expected names of clips such as clip0; came a, b, c and 1 more"
    ):
        Cutting(2, always_train=("a", "b", "c", "d")).validating(table, listed, FIRST)
    with pytest.raises(DataError, match="leave some to validate; these are of every source"):
        Cutting(2, always_train=table.names).validating(table, listed, FIRST)


def test_one_part_is_held_out_anew_for_every_partition() -> None:
    table = table_of([list(range(20)), list(range(20, 50))])
    parts = [Cutting(1).validating(table, np.arange(50), Fold(partition, 0)) for partition in range(6)]
    assert [np.bincount(table.labels[part]).tolist() for part in parts] == [[4, 6]] * 6
    assert len({tuple(part) for part in parts}) == 6
    films = Cutting(1, holdout="film").validating(table, np.arange(50), FIRST)
    assert np.bincount(table.labels[films]).tolist() == [4, 6], "one of five folds"


def test_folds_that_are_not_there() -> None:
    table = table_of([[0, 1, 2], [3, 4]])
    empty = int(np.setdiff1d(np.arange(9), folds_of(table, 9))[0])
    words = rf"folds=9: fold {empty} of partition 0 would have no clip.*has 5 videos\. Ask for fewer folds"
    with pytest.raises(DataError, match=words):
        Cutting(9).validating(table, np.arange(5), Fold(0, empty))
    for fold in (Fold(0, 2), Fold(-1, 0), Fold(0, -1)):
        with pytest.raises(DataError, match="a partition from 0 and a number from 0 to 1"):
            Cutting(2).validating(table, np.arange(5), fold)
    with pytest.raises(DataError, match=r"one fixed split \(validation=\)"):
        Fold(1, 0).check(None)
    FIRST.check(None)


def test_choices_of_a_declaration() -> None:
    assert checked_recipe(np.int64(3), None) == (3, None)
    assert type(checked_recipe(np.int64(3), None)[0]) is int
    assert checked_recipe(None, 0.3) == (None, 0.3)
    assert [fields_of(options, 5)["folds"] for options in ({}, {"folds": 3}, {"validation": 0.3})] == [5, 3, None]
    with pytest.raises(DataError, match=r"folds=5, validation=0.2: expected one of them. Drop validation="):
        checked_recipe(5, 0.2)
    for wrong in (0, -1, 2.0, True, "5"):
        with pytest.raises(DataError, match="expected a whole number of folds, 1 or more"):
            checked_recipe(wrong, None)
    assert checked_sources("film", ["b", "a", "b"], 5) == ("film", ("a", "b"))
    with pytest.raises(DataError, match="holdout='videos': expected video or film"):
        checked_sources("videos", (), 5)
    with pytest.raises(DataError, match="expected a list of clip names"):
        checked_sources("video", "clip1", 5)
    for options in (("film", ()), ("video", ("clip1",))):
        with pytest.raises(DataError, match="give folds= instead"):
            checked_sources(*options, None)


def test_films_are_counted_across_classes() -> None:
    tags = "f_cm_np1_fr_med"
    names = (f"Net_catch_{tags}_0", f"NET_2_kick_ball_{tags}_1", f"Zone_kick_ball_{tags}_0")
    table = ClipTable(("catch", "kick_ball"), names, np.array([0, 1, 1]), np.ones((3, 3), int), np.array([0, 1, 2]))
    assert films_of(table).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("count", "folds"), [(2, 2), (7, 3), (101, 5)])
def test_groups_of_one_are_placed_as_the_rule_says(count: int, folds: int) -> None:
    everywhere = np.ones(count, dtype=bool)
    found = _cut_class(np.arange(count), folds, np.random.default_rng(count), everywhere)
    draws = np.random.default_rng(count)
    order, ties, filled = draws.permutation(count), draws.permutation(folds), [0] * folds
    for clip in order:
        fold = min(ties, key=lambda number: filled[number])  # the first of the least filled, in the order of the ties
        filled[fold] += 1
        assert found[clip] == fold
