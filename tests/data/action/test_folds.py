"""UCF101's and HMDB51's train lists as folds: made videos, synthetic data, and the official lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdsearch.data import clips, hmdb51, ucf101
from kdsearch.data.action.declaration import ActionVideos
from kdsearch.data.action.lists import read_lists
from kdsearch.data.action.sets import ACTION_SETS, ActionName
from kdsearch.data.folds import Fold
from kdsearch.data.jhmdb.names import film_of
from kdsearch.errors import DataError
from tests.data.action.layout import ucf_names, write_ucf
from tests.data.action.test_real import DECLARE


def check(data: ActionVideos, sources: np.ndarray, partition: int) -> list[np.ndarray]:
    """What the folds of a partition promise; the rows that validate in each."""
    assert data.folds is not None
    first, held = data.parts(), list[np.ndarray]()
    for number in range(data.folds):
        parts = data.parts(Fold(partition, number))
        assert np.array_equal(np.union1d(parts.train, parts.validation), first.database)
        assert not len(np.intersect1d(parts.train, parts.validation))
        assert not set(sources[parts.train]) & set(sources[parts.validation])
        assert np.array_equal(parts.query, first.query)
        assert (np.bincount(parts.labels[parts.train], minlength=len(parts.classes)) > 0).all()
        held.append(parts.validation)
    every = np.concatenate(held)
    assert len(np.unique(every)) == len(every)
    return held


def test_words_and_groups_of_made_videos(tmp_path: Path, home: Path) -> None:
    root = write_ucf(tmp_path / "data")
    data = ucf101(folds=3, split_seed=2, root=root)
    assert data.label == "ucf101-split1-3folds-partition2"
    assert data.description == (
        "UCF101 frames, 24 clips of 3 of 101 classes, official split 1: 18 train (database), 6 test (query); "
        "3 folds cut from train by source video (split seed 2), each validates in turn (6 clips)"
    ), "three groups of two clips in each class: one a fold"
    assert data.identity() == {
        "data": "ucf101", "modality": "frames", "split": 1, "split_seed": 2, "folds": 3, "classes": None,
        "source": "real",
    }  # fmt: skip
    groups = np.array([f"{c}/{name.split('_')[2]}" for c, name, _ in ucf_names()])
    for partition in range(4):
        assert [len(rows) for rows in check(data, groups, partition)] == [6, 6, 6]
    clips = data.load(2, 16)
    assert clips.validation.tolist() == data.parts().validation.tolist()
    assert data.query_groups().tolist() == clips.groups[clips.query].tolist()
    assert ucf101(folds=3, holdout="film", split_seed=2, root=root) == data, "a group is a film"
    some = data.parts().validation[0]
    kept = ucf101(folds=3, split_seed=2, always_train=[clips.names[some]], root=root)
    assert kept.identity()["always_train"] == [clips.names[some]]
    for partition in range(3):
        assert all(groups[some] not in groups[rows] for rows in check(kept, groups, partition))
    with pytest.raises(DataError, match="of the test list"):
        ucf101(folds=3, always_train=[clips.names[clips.query[0]]], root=root).parts()
    with pytest.raises(DataError, match=r"validation= alone is the older recipe"):
        ucf101(validation=0.1, always_train=[clips.names[some]])


def test_synthetic_data_have_folds(tmp_path: Path) -> None:
    for data in (ucf101(root=tmp_path), hmdb51(2, holdout="film", root=tmp_path), hmdb51(folds=1, root=tmp_path)):
        groups = data.table().groups
        for partition in range(3):
            held = check(data, groups, partition)
            assert sum(map(len, held)) == len(data.parts().database) or data.folds == 1
    assert hmdb51(2, holdout="film", root=tmp_path).label == "standin-hmdb51-split2-5folds-film"
    assert hmdb51(folds=1, root=tmp_path).label == "standin-hmdb51-split1-1fold"


@pytest.mark.real_data
@pytest.mark.parametrize("split", [1, 2, 3])
@pytest.mark.parametrize(("name", "holdout"), [("ucf101", "video"), ("hmdb51", "video"), ("hmdb51", "film")])
def test_folds_of_the_official_lists(whole: Path, name: ActionName, split: int, holdout: str) -> None:
    data = DECLARE[name](split, holdout=holdout, root=whole)
    rows = read_lists(ACTION_SETS[name], whole / f"action_splits/{name}.csv", split)
    films = holdout == "film"
    sources = np.array([film_of(row.name, row.class_name) if films else row.group for row in rows])
    labels, listed = data.parts().labels, data.parts().database
    largest = [np.unique(sources[own], return_counts=True)[1].max() for own in by_class(labels, listed)]
    for partition in range(3):
        held = check(data, sources, partition)
        assert sum(map(len, held)) == len(listed)
        shares = [len(rows) / len(listed) for rows in held]
        assert 0.19 < min(shares) <= max(shares) < 0.215
        counts = np.stack([np.bincount(labels[rows], minlength=len(largest)) for rows in held])
        spread = counts.max(0) - counts.min(0)
        # Films bring other classes with them, so that a class may have to stand back.
        assert (spread <= np.array(largest) + (0.1 * counts.sum(0) if films else 0)).all()


def by_class(labels: np.ndarray, listed: np.ndarray) -> list[np.ndarray]:
    return [listed[labels[listed] == label] for label in range(labels.max() + 1)]


@pytest.mark.real_data
def test_films_of_hmdb51_on_both_sides(whole: Path) -> None:
    rows = read_lists(ACTION_SETS["hmdb51"], whole / "action_splits/hmdb51.csv", 1)
    films = np.array([film_of(row.name, row.class_name) for row in rows])
    video, film = (hmdb51(holdout=holdout, root=whole) for holdout in ("video", "film"))
    for number in range(5):
        shared, none = (
            np.isin(films[parts.validation], films[parts.train]).mean()
            for parts in (data.parts(Fold(0, number)) for data in (video, film))
        )
        assert 0.3 < shared < 0.6
        assert none == 0


@pytest.mark.real_data
def test_words_of_the_official_lists(whole: Path) -> None:
    data = hmdb51(holdout="film", root=whole)
    assert data.label == "hmdb51-split1-5folds-film"
    assert data.description.endswith(
        "official split 1: 3570 train (database), 1530 test (query); 5 folds cut from train by whole film "
        "(split seed 0), each validates in turn (710 to 726 clips)"
    )
    assert len(set(ucf101(root=whole).query_groups().tolist())) == 707


def test_clips_for_classification_have_the_folds_of_their_videos(tmp_path: Path) -> None:
    data = clips(ucf101(classes=["a", "b"], root=tmp_path, folds=3), frames=4)
    assert (data.folds, data.label) == (3, "standin-ucf101-split1-2classes-3folds-4frames")
    for fold in (Fold(0, 0), Fold(0, 2), Fold(4, 1)):
        own, theirs = data.parts(fold), data.videos.parts(fold)
        assert own.validation.tolist() == theirs.validation.tolist()
        assert own.train.tolist() == theirs.train.tolist()
        assert own.test.tolist() == theirs.query.tolist()
    assert data.query_groups().tolist() == data.videos.query_groups().tolist()
    before = data.before_folds()
    assert (before.folds, before.identity()["clips"]["validation"]) == (None, 0.1)
    assert before.before_folds() is before
    assert data.with_folds(5).folds == 5
