"""The older recipe, one fixed split: words, identities, hashes and parts with which stored studies go on.

All numbers are those of the release before there were folds.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdsearch.data import cifar10, hmdb51, jhmdb, ucf101
from kdsearch.data.folds import Fold
from kdsearch.errors import DataError


def crc(rows: np.ndarray) -> int:
    return zlib.crc32(rows.astype("<i8").tobytes())


CASES: list[tuple[Any, str, str, dict[str, Any], str, tuple[int, ...]]] = [
    (
        jhmdb(validation=0.2),
        "standin-poses-split1",
        "synthetic data, not JHMDB: drawn figures as poses, 609 clips of 14 classes, split 1: 431 "
        "train (database), 178 test "
        "(query); 91 validation clips held out of train by source video (split seed 0)",
        {
            "data": "jhmdb", "modality": "poses", "protocol": "split1", "split_seed": 0, "validation": 0.2,
            "source": "stand-in",
        },
        "eb456b63354b9c87",
        (340, 91, 3719400563, 1638913977, 2923921794),
    ),
    (
        jhmdb("seed", "silhouettes", split_seed=7, validation=0.25),
        "standin-silhouettes-seed7",
        "synthetic data, not JHMDB: drawn figures as silhouettes, 609 clips of 14 classes, 10 "
        "train, 20 database, 10 query "
        "clips a class (split seed 7): 140 train, 280 database (train among them), 140 query, no source video in both "
        "query and database; 32 validation clips held out of train by source video (split seed 7)",
        {
            "data": "jhmdb", "modality": "silhouettes", "protocol": "seed", "split_seed": 7, "validation": 0.25,
            "source": "stand-in",
        },
        "6d584a2e5559d605",
        (108, 32, 2990883498, 3061719992, 436325162),
    ),
    (
        jhmdb("split2", "masks", split_seed=3, validation=0.2),
        "standin-masks-split2-carve3",
        "synthetic data, not JHMDB: drawn figures as masks, 609 clips of 14 classes, split 2: 427 "
        "train (database), 182 test "
        "(query); 93 validation clips held out of train by source video (split seed 3)",
        {
            "data": "jhmdb", "modality": "masks", "protocol": "split2", "split_seed": 3, "validation": 0.2,
            "source": "stand-in",
        },
        "da294bb3fdf0ec23",
        (334, 93, 2010150218, 3204258005, 4172126996),
    ),
    (
        ucf101(validation=0.1),
        "standin-ucf101-split1",
        "synthetic data, not UCF101: drawn figures as frames, 268 clips of 6 classes, split 1: 189 "
        "train (database), 79 test "
        "(query); 21 validation clips held out of train by source video (split seed 0)",
        {
            "data": "ucf101", "modality": "frames", "split": 1, "split_seed": 0, "validation": 0.1, "classes": None,
            "source": "stand-in",
        },
        "58f70e0f8e02014c",
        (168, 21, 2694363226, 1825562245, 3469053186),
    ),
    (
        hmdb51(2, split_seed=3, validation=0.3, classes=["a", "b"]),
        "standin-hmdb51-split2-2classes-carve3",
        "synthetic data, not HMDB51: drawn figures as frames, 92 clips of 2 classes, split 2: 64 "
        "train (database), 28 test "
        "(query); 19 validation clips held out of train by source video (split seed 3)",
        {
            "data": "hmdb51", "modality": "frames", "split": 2, "split_seed": 3, "validation": 0.3,
            "classes": ["a", "b"], "source": "stand-in",
        },
        "47af894d8d07647c",
        (45, 19, 4049926838, 2470061197, 2935830242),
    ),
    (
        cifar10(validation=0.1),
        "standin-cifar10",
        "synthetic data, not CIFAR-10: drawn shapes under its classes' names: 3600 train, 400 "
        "validation images held out of "
        "train (split seed 0), 2000 test",
        {
            "data": "standin-cifar10", "train": None, "test": None, "validation": 0.1, "split_seed": 0, "classes": None,
        },
        "5809f65791785922",
        (3600, 400, 1255665966, 2363365887, 2600180114),
    ),
    (
        cifar10(train=400, test=100, split_seed=2, validation=0.25, classes=("cat", "dog")),
        "standin-cifar10-2classes-n400-carve2",
        "synthetic data, not CIFAR-10: drawn shapes under its classes' names of 2 classes (cat, dog): 300 train, 100 "
        "validation images held out of train (split seed 2), 100 test",
        {
            "data": "standin-cifar10", "train": 400, "test": 100, "validation": 0.25, "split_seed": 2,
            "classes": ["cat", "dog"],
        },
        "337ed4d1eeef10e0",
        (300, 100, 3491144499, 2607425416, 4243974415),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "label", "description", "identity", "fingerprint", "parts"), CASES)
def test_stored_studies_find_their_data(
    data: Any, label: str, description: str, identity: dict[str, Any], fingerprint: str, parts: tuple[int, ...]
) -> None:
    assert data.folds is None
    assert data.label == label
    assert data.description == description
    assert data.identity() == identity
    assert list(data.identity()) == list(identity)
    assert data.fingerprint() == fingerprint
    found = data.parts()
    test = found.test if "cifar10" in label else found.query
    assert (len(found.train), len(found.validation), crc(found.train), crc(found.validation), crc(test)) == parts
    assert data.parts(Fold(0, 0)).validation.tolist() == found.validation.tolist()
    for fold in (Fold(0, 1), Fold(1, 0)):
        with pytest.raises(DataError, match=r"one fixed split \(validation=\); declare them with folds="):
            data.parts(fold)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (jhmdb("split2", split_seed=4), jhmdb("split2", split_seed=4, validation=0.2)),
        (ucf101(2, split_seed=4, folds=3), ucf101(2, split_seed=4, validation=0.1)),
        (hmdb51(holdout="film", classes=("a", "b")), hmdb51(validation=0.1, classes=("a", "b"))),
        (cifar10(train=100, split_seed=4), cifar10(train=100, split_seed=4, validation=0.1)),
        (cifar10(folds=1), cifar10(validation=0.1)),
        (jhmdb(validation=0.3), jhmdb(validation=0.3)),
        (cifar10(validation=0.3), cifar10(validation=0.3)),
    ],
)
def test_the_recipe_that_was_the_default(now: Any, then: Any) -> None:
    assert now.before_folds() == then


@pytest.mark.parametrize("declare", [jhmdb, ucf101, hmdb51, cifar10])
def test_both_recipes_are_refused(declare: Any) -> None:
    with pytest.raises(DataError, match=r"folds=5, validation=0.2: expected one of them. Drop validation="):
        declare(folds=5, validation=0.2)


@pytest.mark.real_data
def test_real_clips(real_root: Path) -> None:
    data = jhmdb(validation=0.2, root=real_root)
    assert (data.label, data.fingerprint()) == ("poses-split1", "86a83b2470c30785")
    parts = data.parts()
    assert [crc(rows) for rows in (parts.train, parts.validation, parts.query)] == [3312172179, 4276619824, 1509090581]
    drawn = jhmdb("seed", validation=0.2, root=real_root).parts()
    assert [crc(rows) for rows in (drawn.train, drawn.validation)] == [1151605265, 1499570853]
