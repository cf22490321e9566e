"""Facts of the official lists; skipped aloud where KDSEARCH_DATA names none. The videos are not needed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kdsearch.data import hmdb51, ucf101
from kdsearch.data.action.declaration import ActionVideos
from kdsearch.data.action.lists import read_lists
from kdsearch.data.action.sets import ACTION_SETS, ActionName
from kdsearch.data.roots import VARIABLE

pytestmark = pytest.mark.real_data

COUNTS: list[tuple[ActionName, int, int, int, int]] = [
    ("ucf101", 1, 9537, 3783, 1818),
    ("ucf101", 2, 9586, 3734, 1818),
    ("ucf101", 3, 9624, 3696, 1818),
    ("hmdb51", 1, 3570, 1530, 1433),
    ("hmdb51", 2, 3570, 1530, 1431),
    ("hmdb51", 3, 3570, 1530, 1419),
]
DECLARE: dict[ActionName, Callable[..., ActionVideos]] = {"ucf101": ucf101, "hmdb51": hmdb51}


@pytest.mark.parametrize(("name", "split", "train", "test", "groups"), COUNTS)
def test_official_numbers(whole: Path, name: ActionName, split: int, train: int, test: int, groups: int) -> None:
    data = DECLARE[name](split, root=whole)
    assert not data.is_synthetic
    parts, classes = data.parts(), ACTION_SETS[name].classes
    assert (len(parts.database), len(parts.query), len(parts.classes)) == (train, test, classes)
    assert len(parts.train) + len(parts.validation) == train
    assert 0.19 < len(parts.validation) / train < 0.22
    before = data.before_folds().parts()
    assert 0.08 < len(before.validation) / train < 0.12, "half as many"
    assert (np.bincount(parts.labels[parts.validation], minlength=classes) >= 1).all()
    assert len(data.fingerprint()) == 16
    assert f"official split {split}: {train} train (database), {test} test (query)" in data.description
    rows = read_lists(ACTION_SETS[name], whole / f"action_splits/{name}.csv", split)
    of = np.array([row.group for row in rows])
    assert len(set(of[parts.database])) == groups
    assert not set(of[parts.train]) & set(of[parts.validation])
    assert not set(of[parts.database]) & set(of[parts.query])


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_labels_and_groups_are_those_of_the_table(real_lists: Path, whole: Path, name: ActionName) -> None:
    data = DECLARE[name](root=whole)
    parts = data.parts()
    with open(real_lists / f"{name}.csv", newline="") as text:
        table = {row["video"]: row for row in csv.DictReader(text)}
    rows = read_lists(ACTION_SETS[name], real_lists / f"{name}.csv", 1)
    assert [int(table[row.name]["label"]) for row in rows] == parts.labels.tolist()
    assert [int(table[row.name]["split1"]) for row in rows] == [row.part for row in rows]
    if name == "ucf101":
        assert all(row.group == f"{row.class_name}/{table[row.name]['group']}" for row in rows)
        assert len({row.group for row in rows}) == 2525


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
@pytest.mark.parametrize("split", [1, 2, 3])
def test_archive_and_table_hold_the_same(real_lists: Path, name: ActionName, split: int) -> None:
    archive = real_lists / "official_lists.tar.gz"
    if not archive.is_file():
        pytest.skip(f"{VARIABLE} names no official_lists.tar.gz")
    dataset = ACTION_SETS[name]
    assert read_lists(dataset, archive, split) == read_lists(dataset, real_lists / f"{name}.csv", split)


def test_all_films_of_hmdb51(real_lists: Path) -> None:
    dataset = ACTION_SETS["hmdb51"]
    with open(real_lists / "hmdb51.csv", newline="") as text:
        groups = {dataset.group(row["class"], row["video"]) for row in csv.DictReader(text)}
    assert len(groups) == 2291


def test_classes_of_the_small_study_are_official(whole: Path) -> None:
    from kdsearch.engines.study_file import load_study

    data = load_study("studies/ucf101_weights.py", "cpu").task.data  # type: ignore[union-attr]
    small = ucf101(classes=data.only, root=whole)
    assert small.num_classes == len(data.only)
    assert len(small.parts().labels) > 400
