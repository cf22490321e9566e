"""Which images are taken and held out: of each class alike, also where an image shows several."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.data.images.split import chosen, held_out
from kdsearch.errors import DataError


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(5))
def test_each_class_gives_its_share_within_one_image(seed: int) -> None:
    sizes = [5, 14, 96, 300]
    labels = draws(9).permutation(np.repeat(np.arange(4), sizes))
    found = held_out(labels, 0.1, draws(seed))
    assert np.unique(found).size == found.size
    counts = np.bincount(labels[found], minlength=4)
    assert (abs(counts - 0.1 * np.array(sizes)) <= 1).all()
    assert (counts >= 1).all()


def test_a_class_is_never_held_out_whole() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    assert np.bincount(labels[held_out(labels, 0.9, draws())]).tolist() == [1, 2]
    with pytest.raises(DataError, match="class 1 has 1 training image"):
        held_out(np.array([0, 0, 1]), 0.5, draws())


def several(count: int = 1000) -> np.ndarray:
    """A class on nearly every image, one on half, and one on a hundredth; three images show nothing certain."""
    labels = np.zeros((count, 3), np.uint8)
    labels[:, 0] = draws(1).random(count) < 0.9
    labels[:, 1] = draws(2).random(count) < 0.5
    labels[draws(3).permutation(count)[: count // 100], 2] = 1
    labels[-3:] = 255
    return labels


@pytest.mark.parametrize("seed", range(20))
def test_rare_classes_of_several_an_image_are_in_both_parts(seed: int) -> None:
    labels = several()
    found = held_out(labels, 0.2, draws(seed))
    assert len(found) == 200
    assert np.unique(found).size == 200
    rare = (labels[found, 2] == 1).sum()
    assert abs(rare - 2) <= 1, "a draw without regard to classes gives 0 in one of ten"
    assert abs((labels[found, 1] == 1).sum() - 0.2 * (labels[:, 1] == 1).sum()) <= 2


def test_the_seed_alone_decides() -> None:
    labels = several()
    assert np.array_equal(held_out(labels, 0.2, draws(4)), held_out(labels, 0.2, draws(4)))
    assert not np.array_equal(held_out(labels, 0.2, draws(4)), held_out(labels, 0.2, draws(5)))


def test_so_many_of_several_an_image_keep_the_shares() -> None:
    labels = several()
    found = chosen(labels, [0, 1, 2], 300, draws(), "train")
    assert len(found) == 300
    assert (np.diff(found) > 0).all()
    assert abs((labels[found, 2] == 1).sum() - 3) <= 1
    assert len(chosen(labels, [0, 1, 2], None, draws(), "train")) == 1000, "also those that show nothing certain"
    assert chosen(labels, [2], None, draws(), "train").tolist() == np.flatnonzero(labels[:, 2] == 1).tolist()


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="test: expected images of the classes asked for; came none"):
        chosen(np.array([], np.int64), [0, 1], None, draws(), "test")
