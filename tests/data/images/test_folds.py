"""Folds of images: of each class alike, whole sets and subsets, and images of several classes."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from kdsearch import environment
from kdsearch.data import cifar10, cifar100, image_folder, stl10, voc
from kdsearch.data.folds import FIRST, Fold
from kdsearch.data.images.cifar import SubsetReader
from kdsearch.data.images.locate import below
from kdsearch.data.images.split import cut
from kdsearch.errors import DataError
from tests.data.images.layout import write_subset, write_voc


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.HOME, str(tmp_path / "home"))


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_each_class_is_dealt_to_the_folds_in_turn(seed: int, folds: int) -> None:
    labels = draws(9).permutation(np.repeat(np.arange(4), [2, 14, 96, 300]))
    numbers = cut(labels, folds, draws(seed))
    for label in range(4):
        counts = np.bincount(numbers[labels == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(numbers, minlength=folds)
    assert counts.max() - counts.min() <= 1


def test_cuts_by_hand() -> None:
    # Three images of each of two classes in three folds: one of each class in each.
    labels = np.array([0, 1, 0, 1, 0, 1])
    numbers = cut(labels, 3, draws())
    assert sorted(numbers[::2]) == sorted(numbers[1::2]) == [0, 1, 2]
    with pytest.raises(DataError, match="class 1 has 1 training image: one trains and one validates"):
        cut(np.array([0, 0, 1]), 2, draws())
    several = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [255, 0, 1], [0, 0, 0], [0, 255, 0]], np.uint8)
    numbers = cut(several, 2, draws())
    assert numbers[3] == -1, "the only image of the third class"
    assert numbers[1] != numbers[2]
    assert numbers[4] != numbers[5]


def test_rare_classes_of_several_an_image_are_in_all_folds() -> None:
    labels = np.zeros((1000, 2), np.uint8)
    labels[:, 0] = 1
    labels[draws(3).permutation(1000)[:10], 1] = 1
    for seed in range(20):
        numbers = cut(labels, 5, draws(seed))
        assert np.bincount(numbers[labels[:, 1] == 1]).tolist() == [2] * 5


def test_which_sets_have_how_many_folds() -> None:
    assert cifar10(train=2000, test=1000).folds == 5
    assert cifar10(train=10_000).folds == 5
    assert cifar10(train=10_001).folds == 1
    assert cifar10(train=10_001, folds=5).folds == 5
    assert [data.folds for data in (cifar10(), cifar100(), stl10(), voc(), image_folder("imagenet"))] == [1] * 5
    assert [declare(train=400).folds for declare in (cifar100, stl10, voc)] == [5] * 3
    assert image_folder("imagenet", train=400).folds == 5
    assert cifar10(train=400, validation=0.1).folds is None


def test_words_and_identity() -> None:
    data = cifar10(train=500, test=100)
    assert data.label == "standin-cifar10-n500-5folds"
    assert data.description == (
        "synthetic data, not CIFAR-10: drawn shapes under its classes' names: 500 train, 100 test; "
        "5 folds cut from train "
        "(split seed 0), each validates in turn (100 images)"
    )
    assert data.identity() == {
        "data": "standin-cifar10", "train": 500, "test": 100, "folds": 5, "split_seed": 0, "classes": None,
    }  # fmt: skip
    whole = cifar10(split_seed=7)
    assert whole.label == "standin-cifar10-1fold-partition7"
    assert whole.description.endswith(
        ": 4000 train, 2000 test; one part of 400 images held out of train (split seed 7)"
    )
    assert cifar10(train=502).description.endswith("each validates in turn (100 to 101 images)")
    assert data.query_groups() is None


@pytest.mark.parametrize("options", [{"train": 503}, {"folds": 1}, {"train": 40, "classes": ("cat", "dog")}])
def test_every_fold_is_a_split_of_the_images(options: dict[str, object]) -> None:
    data = cifar10(**options)  # type: ignore[arg-type]
    assert data.folds is not None
    first = data.parts()
    count = len(first.train) + len(first.validation)
    seen = set[tuple[int, ...]]()
    for partition in range(4):
        held = list[np.ndarray]()
        for number in range(data.folds):
            parts = data.parts(Fold(partition, number))
            assert sorted([*parts.train, *parts.validation]) == list(range(count))
            assert np.array_equal(parts.test, first.test)
            assert np.array_equal(parts.labels, first.labels)
            held.append(parts.validation)
        seen.add(tuple(held[0].tolist()))
        if data.folds > 1:
            assert sorted(np.concatenate(held)) == list(range(count))
    assert len(seen) == 4, "partitions are cuts of their own"


def test_the_images_that_are_taken_are_those_of_the_older_recipe() -> None:
    data = cifar10(train=300, test=100, split_seed=3)
    old, new = data.before_folds().parts(), data.parts()
    assert np.array_equal(old.labels, new.labels)
    assert np.array_equal(data.before_folds().load().inputs, data.load().inputs)


def test_cuts_stay_as_they_are() -> None:
    """Stored studies go on with the same folds: numbers of the first release that had any."""
    rows = [cifar10(train=500).parts(fold).validation for fold in (FIRST, Fold(3, 4))] + [cifar10().parts().validation]
    assert [zlib.crc32(part.astype("<i8").tobytes()) for part in rows] == [2737571657, 4135240220, 2113930704]


def test_folds_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a number from 0 to 4"):
        cifar10(train=500).parts(Fold(0, 5))
    with pytest.raises(DataError, match=r"folds=9: fold \d would have none of 8 images"):
        _ = cifar10(train=8, folds=9, classes=("cat", "dog")).description
    write_voc(tmp_path)
    data = voc(train=6, folds=2, root=tmp_path)
    assert sum(len(data.parts(Fold(0, number)).validation) for number in range(2)) == 6


def test_images_that_a_source_has_learnt(tmp_path: Path) -> None:
    write_subset(tmp_path)
    small, whole = cifar10(train=30, root=tmp_path), cifar10(root=tmp_path)
    assert small.folds == 5
    # Any of the 30 validates some run, and all 60 train or choose in the other.
    assert small.learnt_from(whole) == 30
    assert whole.learnt_from(small) == 30
    assert small.learnt_from(small) == 30
    before, every = small.before_folds(), whole.before_folds()
    assert before.learnt_from(before) == 0
    assert before.learnt_from(whole) == len(before.parts().validation)
    assert small.learnt_from(every) == 30
    # Where both have the older recipe, those that validate in the other have taught nothing.
    taught = {image.tobytes() for image in every.load().inputs[every.parts().train]}
    held = [image.tobytes() for image in before.load().inputs[before.parts().validation]]
    assert before.learnt_from(every) == sum(image in taught for image in held)
    assert before.with_folds(5).learnt_from(every) == 30
    assert small.learnt_from(cifar10(train=30)) == 0, "other files"


@pytest.mark.real_data
def test_folds_of_the_real_subset(real_root: Path) -> None:
    if below(real_root, "cifar10", SubsetReader.file) is None:
        pytest.skip("KDSEARCH_DATA names no CIFAR-10 archive")
    data = cifar10(train=2000, test=1000, root=real_root)
    assert data.label == "cifar10jpeg10k-n2000-5folds"
    for number in range(5):
        parts = data.parts(Fold(2, number))
        assert np.bincount(parts.labels[parts.validation]).tolist() == [40] * 10
