"""JHMDB's train lists as folds, on synthetic data and on the real archives."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from kdsearch.data import jhmdb
from kdsearch.data.folds import FIRST, Fold
from kdsearch.data.jhmdb.declaration import Jhmdb
from kdsearch.data.partitions import films_of
from kdsearch.data.splits import Parts
from kdsearch.errors import DataError

PARTITIONS = 6


def crc(rows: np.ndarray) -> int:
    return zlib.crc32(rows.astype("<i8").tobytes())


def check(data: Jhmdb, sources: np.ndarray, partition: int) -> list[Parts]:
    """What the folds of a partition promise."""
    assert data.folds is not None
    folds = [data.parts(Fold(partition, number)) for number in range(data.folds)]
    first = data.parts()
    classes = len(first.classes)
    listed = np.union1d(first.train, first.validation)
    for parts in folds:
        assert np.array_equal(np.union1d(parts.train, parts.validation), listed)
        assert not len(np.intersect1d(parts.train, parts.validation))
        assert not set(sources[parts.train]) & set(sources[parts.validation])
        assert np.array_equal(parts.database, first.database)
        assert np.array_equal(parts.query, first.query)
        assert (np.bincount(parts.labels[parts.train], minlength=classes) > 0).all()
    held = np.concatenate([parts.validation for parts in folds])
    assert len(np.unique(held)) == len(held), "each clip validates in one fold at most"
    return folds


def test_words_and_identity_of_folds() -> None:
    data = jhmdb()
    assert data.folds == 5
    assert data.label == "standin-poses-split1-5folds"
    assert data.description == (
        "synthetic data, not JHMDB: drawn figures as poses, 609 clips of 14 classes, split 1: 431 "
        "train (database), 178 test "
        "(query); 5 folds cut from train by source video (split seed 0), each validates in turn (82 to 93 clips)"
    )
    assert data.identity() == {
        "data": "jhmdb", "modality": "poses", "protocol": "split1", "split_seed": 0, "folds": 5, "source": "stand-in",
    }  # fmt: skip
    one = jhmdb("seed", folds=1, holdout="film", split_seed=7)
    assert one.label == "standin-poses-seed7-1fold-film"
    assert one.description.endswith(
        f"; one part of {len(one.parts().validation)} clips held out of train by whole film (split seed 7)"
    )
    other = jhmdb("split2", folds=np.int64(3), split_seed=7, holdout="film")
    assert other.label == "standin-poses-split2-3folds-film-partition7"
    assert other.identity() == {
        "data": "jhmdb", "modality": "poses", "protocol": "split2", "split_seed": 7, "folds": 3, "holdout": "film",
        "source": "stand-in",
    }  # fmt: skip
    assert json.loads(json.dumps(other.identity())) == other.identity()
    assert other.fingerprint() == data.fingerprint(), "of the content alone"


def test_cuts_stay_as_they_are() -> None:
    """Stored studies go on with the same folds: numbers of the first release that had any."""
    parts = [jhmdb().parts(fold).validation for fold in (FIRST, Fold(0, 4), Fold(3, 2))]
    assert [len(rows) for rows in parts] == [84, 90, 86]
    assert [crc(rows) for rows in parts] == [3404129095, 1032592987, 1634075769]
    one, film = (jhmdb(**options).parts().validation for options in ({"folds": 1}, {"holdout": "film"}))
    assert [(len(rows), crc(rows)) for rows in (one, film)] == [(88, 270075150), (86, 3903648406)]


@pytest.mark.parametrize("options", [{}, {"protocol": "seed"}, {"holdout": "film"}, {"folds": 2}, {"folds": 1}])
def test_every_fold_is_a_split_of_the_list(options: dict[str, object]) -> None:
    data = jhmdb(**options)  # type: ignore[arg-type]
    for partition in range(PARTITIONS):
        folds = check(data, data.table().groups, partition)
        if len(folds) > 1:
            assert sum(len(parts.validation) for parts in folds) == len(folds[0].train) + len(folds[0].validation)


def test_loaded_clips_are_of_the_first_fold() -> None:
    data = jhmdb()
    clips, parts = data.load(2), data.parts()
    for key in ("train", "validation", "database", "query"):
        assert np.array_equal(getattr(clips, key), getattr(parts, key))
    assert data.query_groups().tolist() == clips.groups[clips.query].tolist()


def test_other_recipes_of_the_same_data() -> None:
    data = jhmdb("split3", "masks", split_seed=4, holdout="film")
    before = data.before_folds()
    assert before == jhmdb("split3", "masks", split_seed=4, validation=0.2)
    assert before.folds is None
    assert before.before_folds() is before
    assert jhmdb(validation=0.3).before_folds() == jhmdb(validation=0.3)
    assert data.with_folds(3) == jhmdb("split3", "masks", split_seed=4, holdout="film", folds=3)
    assert before.with_folds(5) == jhmdb("split3", "masks", split_seed=4)
    with pytest.raises(DataError, match="folds=0"):
        data.with_folds(0)
    with pytest.raises(DataError, match="one fixed split"):
        before.parts(Fold(0, 1))


def test_both_recipes_are_refused() -> None:
    with pytest.raises(DataError, match=r"folds=5, validation=0.2: expected one of them. Drop validation="):
        jhmdb(folds=5, validation=0.2)
    with pytest.raises(DataError, match="holdout='clip'"):
        jhmdb(holdout="clip")
    with pytest.raises(DataError, match=r"folds=200: fold \d+ of partition 0 would have no clip"):
        _ = jhmdb(folds=200).description


def test_clips_that_always_train() -> None:
    free = jhmdb()
    names, groups = free.table().names, free.table().groups
    chosen = free.parts().validation[[0, -1]]
    data = jhmdb(always_train=[names[row] for row in chosen])
    assert data.identity()["always_train"] == sorted(names[row] for row in chosen)
    assert data != free
    for partition in range(3):
        for parts in check(data, groups, partition):
            assert not set(groups[parts.validation]) & set(groups[chosen])
    together = np.isin(groups[free.parts().database], groups[chosen]).sum()
    assert f"; {together} clips, among them 2 named ones, validate no run" in data.description
    with pytest.raises(DataError, match="came figure"):
        jhmdb(always_train=["figure"]).parts()
    with pytest.raises(DataError, match=r"came 1 of the test list: figure_.*A teacher that saw"):
        jhmdb(always_train=[names[free.parts().query[0]]]).parts()


@pytest.mark.real_data
@pytest.mark.parametrize("modality", ["poses", "silhouettes"])
@pytest.mark.parametrize("protocol", ["split1", "split2", "split3", "seed"])
def test_folds_of_the_real_clips(real_root: Path, protocol: str, modality: str) -> None:
    for holdout in ("video", "film"):
        data = jhmdb(protocol, modality, holdout=holdout, root=real_root)
        table = data.table()
        sources = table.groups if holdout == "video" else films_of(table)
        for partition in range(PARTITIONS):
            folds = check(data, sources, partition)
            listed = np.union1d(folds[0].train, folds[0].validation)
            sizes = [len(parts.validation) for parts in folds]
            assert sum(sizes) == len(listed), "no class has one source"
            spread = 0.06 if holdout == "video" else 0.03
            if protocol != "seed":
                assert max(sizes) / len(listed) < 0.2 + spread
                assert min(sizes) / len(listed) > 0.2 - spread
            check_shares(folds, sources, holdout)


def check_shares(folds: list[Parts], sources: np.ndarray, holdout: str) -> None:
    labels = folds[0].labels
    listed = np.union1d(folds[0].train, folds[0].validation)
    for label in range(len(folds[0].classes)):
        own = listed[labels[listed] == label]
        largest = np.unique(sources[own], return_counts=True)[1].max()
        counts = [int((labels[parts.validation] == label).sum()) for parts in folds]
        # Films bring other classes with them, so that a class may have to stand back.
        allowed = largest if holdout == "video" else largest + 0.1 * len(own) + 1
        assert max(counts) - min(counts) <= allowed, (label, counts)


@pytest.mark.real_data
def test_films_on_both_sides(real_root: Path) -> None:
    """By source video a film may train under one label and validate under another, by film it does not."""
    data, film = (jhmdb(holdout=holdout, root=real_root) for holdout in ("video", "film"))
    films = films_of(data.table())
    old = data.before_folds().parts()
    assert (int(np.isin(films[old.validation], films[old.train]).sum()), len(old.validation)) == (17, 89)
    for fold in (Fold(partition, number) for partition in range(PARTITIONS) for number in range(5)):
        shared, none = (
            int(np.isin(films[parts.validation], films[parts.train]).sum())
            for parts in (data.parts(fold), film.parts(fold))
        )
        assert 8 <= shared <= 35
        assert none == 0


@pytest.mark.real_data
def test_the_same_videos_validate_in_every_modality(real_root: Path) -> None:
    poses, masks = (jhmdb("split1", modality, root=real_root) for modality in ("poses", "silhouettes"))
    names, other = poses.table().names, masks.table().names
    for fold in (FIRST, Fold(0, 3), Fold(5, 2)):
        of_masks = {other[row] for row in masks.parts(fold).validation}
        assert {names[row] for row in poses.parts(fold).validation} == of_masks & set(names)


@pytest.mark.real_data
def test_words_of_the_real_folds(real_root: Path) -> None:
    data = jhmdb(root=real_root)
    assert data.label == "poses-split1-5folds"
    assert data.description == (
        "JHMDB poses, 609 clips of 14 of 21 classes, official split 1: 433 train (database), 176 test (query); "
        "5 folds cut from train by source video (split seed 0), each validates in turn (78 to 98 clips)"
    )
    assert crc(data.parts().validation) == 2424313240
    assert len(data.query_groups()) == 176
