"""Image declarations: which images train, validate and test, and how the data are named."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kdsearch import environment
from kdsearch.data import ImageParts, Images, cifar10, voc
from kdsearch.data.images.synthetic import SyntheticReader
from kdsearch.errors import DataError
from tests.data.images.layout import write_jpegs, write_subset


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.HOME, str(tmp_path / "home"))


def test_importing_the_declarations_imports_no_torch() -> None:
    code = (
        "import sys; from kdsearch import data; d = data.cifar10(train=100, test=50); d.description, d.num_classes\n"
        "assert not {'torch', 'torchvision', 'av'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_validation_is_held_out_of_train_of_each_class_alike(tmp_path: Path) -> None:
    write_subset(tmp_path / "cifar10")
    data = cifar10(root=tmp_path, validation=0.2)
    parts = data.parts()
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (48, 12, 30)
    assert np.bincount(parts.labels[parts.validation]).tolist() == [4, 4, 4]
    every = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(every.tolist()) == list(range(90)), "disjoint, and nothing is lost"
    assert (parts.validation < 60).all()
    again = cifar10(root=tmp_path, validation=0.2).parts()
    assert np.array_equal(again.validation, parts.validation)
    other = cifar10(root=tmp_path, validation=0.2, split_seed=1)
    assert not np.array_equal(other.parts().validation, parts.validation)
    assert other.label == "cifar10jpeg10k-carve1"
    assert "JPEG re-encoded" in data.description
    assert "48 train, 12 validation images held out of train (split seed 0), 30 test" in data.description


def test_a_subset_is_of_each_class_alike_and_its_pixels_are_the_files(tmp_path: Path) -> None:
    path = write_subset(tmp_path)
    data = cifar10(train=20, test=9, root=tmp_path, validation=0.3)
    images = data.load()
    labels = images.parts.labels
    assert sorted(np.bincount(labels[:20])) == [6, 7, 7]
    assert np.bincount(labels[20:]).tolist() == [3, 3, 3]
    assert images.inputs.shape == (29, 3, 32, 32)
    assert not images.inputs.flags.writeable
    with np.load(path) as held:
        stored = {part: held[f"x_{part}"].transpose(0, 3, 1, 2) for part in ("train", "test")}
        classes = held["y_train"]
    for place in range(20):
        (row,) = np.flatnonzero((stored["train"] == images.inputs[place]).all((1, 2, 3)))
        assert classes[row] == labels[place]
    assert all((stored["test"] == image).all((1, 2, 3)).any() for image in images.inputs[20:])
    assert data.label == "cifar10jpeg10k-n20"


def test_classes_are_kept_and_counted_anew(tmp_path: Path) -> None:
    write_subset(tmp_path)
    data = cifar10(classes=("cow", "ant"), root=tmp_path)
    parts = data.parts()
    assert parts.classes == ("ant", "cow"), "in the order of the data set"
    assert data.num_classes == 2
    assert len(parts.labels) == 40 + 20
    assert set(parts.labels) == {0, 1}
    ant = cifar10(root=tmp_path).load()
    first = data.load().inputs[np.flatnonzero(parts.labels == 0)[0]]
    assert (ant.inputs[np.flatnonzero(ant.parts.labels == 0)] == first).all((1, 2, 3)).any()
    assert data.label == "cifar10jpeg10k-2classes-1fold"
    assert "of 2 classes (ant, cow)" in data.description


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 61}, "train=61: there are 60 such images"),
        ({"test": 31}, "test=31: there are 30"),
        ({"classes": ("ant", "dog")}, "expected two or more of ant, bee, cow; got dog"),
    ],
)
def test_more_than_there_is(tmp_path: Path, options: dict[str, object], message: str) -> None:
    write_subset(tmp_path)
    with pytest.raises(DataError, match=message):
        cifar10(root=tmp_path, **options).parts()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"train": 3},
        {"test": 2.5},
        {"validation": 1.0},
        {"split_seed": -1},
        {"classes": ("ant",)},
        {"classes": ("ant", "ant")},
        {"classes": "ant"},
    ],
)
def test_impossible_numbers_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(DataError, match="expected"):
        cifar10(**options)  # type: ignore[arg-type]


def test_identity_and_fingerprint_tell_choices_and_content_apart(tmp_path: Path) -> None:
    write_subset(tmp_path)
    made = [
        cifar10(root=tmp_path, **options)  # type: ignore[arg-type]
        for options in ({}, {"train": 30}, {"split_seed": 2}, {"validation": 0.3}, {"folds": 5}, {"folds": 3})
    ]
    assert len({str(data.identity()) for data in made}) == 6
    assert len({data.fingerprint() for data in made}) == 6
    assert cifar10(root=tmp_path).fingerprint() == made[0].fingerprint()
    assert len(made[0].fingerprint()) == 16
    before = made[0].fingerprint()
    assert len(made[0].parts().labels) == 90
    write_subset(tmp_path, train=63)
    assert made[0].fingerprint() != before
    assert len(made[0].parts().labels) == 93


def test_synthetic_data_say_so_and_can_be_learnt(tmp_path: Path) -> None:
    data = cifar10(train=1000, test=500, root=tmp_path)
    assert data.is_synthetic
    assert data.label == "standin-cifar10-n1000-5folds"
    assert data.description.startswith("synthetic data, not CIFAR-10")
    images = data.load()
    again = cifar10(train=1000, test=500, root=tmp_path).load()
    assert np.array_equal(images.inputs, again.inputs)
    labels = images.parts.labels
    assert np.bincount(labels).tolist() == [150] * 10
    # Not by pixels alone, else there were nothing to learn: the nearest class mean is hardly better than chance.
    flat = images.inputs.reshape(len(labels), -1).astype(float)
    means = np.stack([flat[:1000][labels[:1000] == c].mean(0) for c in range(10)])
    nearest = ((flat[1000:, None] - means) ** 2).sum(2).argmin(1)
    assert 0.05 < (nearest == labels[1000:]).mean() < 0.3


def test_one_choice_of_classes_is_one_identity(tmp_path: Path) -> None:
    write_subset(tmp_path)
    first, second = (cifar10(classes=names, root=tmp_path) for names in (("cow", "ant"), ["ant", "cow"]))
    assert first == second
    assert hash(first) == hash(second)
    assert first.identity()["classes"] == ["ant", "cow"]
    assert first.fingerprint() == second.fingerprint() != cifar10(root=tmp_path).fingerprint()


def test_the_decoded_subset_is_read_where_it_has_enough_of_the_classes(tmp_path: Path) -> None:
    write_subset(tmp_path / "cifar10")
    write_jpegs(tmp_path / "cifar10")
    kinds = {
        (10_000, 2_000, None): "cifar10jpeg10k",
        (10_001, 2_000, None): "cifar10jpeg",
        (10_000, 2_001, None): "cifar10jpeg",
        (10_000, None, None): "cifar10jpeg",  # no number of test images: all of them
        (None, 2_000, None): "cifar10jpeg",
        (2_000, 400, ("ant", "bee")): "cifar10jpeg10k",
        (2_001, 400, ("ant", "bee")): "cifar10jpeg",
        (2_000, 401, ("ant", "bee")): "cifar10jpeg",
    }
    for (train, test, classes), kind in kinds.items():
        data = cifar10(train=train, test=test, classes=classes, root=tmp_path)
        assert data.identity()["data"] == kind, (train, test, classes)
    (tmp_path / "cifar10/cifar10_full_jpeg.npz").unlink()
    assert cifar10(root=tmp_path).label == "cifar10jpeg10k-1fold", "what there is"


@pytest.mark.parametrize("size", [64, 4])
def test_images_of_one_size_are_not_scaled_in_silence(tmp_path: Path, size: int) -> None:
    write_subset(tmp_path)
    with pytest.raises(DataError, match=f"size={size}: expected none, or 32: cifar10jpeg10k is not scaled"):
        cifar10(root=tmp_path).load(size)
    assert cifar10(root=tmp_path).load(32).inputs.shape == (90, 3, 32, 32)


def test_nothing_is_read_at_declaration(tmp_path: Path) -> None:
    assert cifar10(root=tmp_path / "nowhere") == cifar10(root=str(tmp_path / "nowhere"))
    assert voc(root=tmp_path / "nowhere").multi_label
    with pytest.raises(DataError, match=r"nowhere: expected a folder"):
        cifar10(root=tmp_path / "nowhere").parts()


def _images() -> Images:
    index = np.arange(6)
    parts = ImageParts(index % 3, ("a", "b", "c"), index[:2], index[2:4], index[4:])
    return Images(np.zeros((6, 3, 4, 4), np.uint8), parts)


def test_whole_images_pass_their_check() -> None:
    images = _images()
    assert images.check() is images
    several = np.array([[0, 1, 255]] * 6, np.uint8)
    assert Images(images.inputs, replace(images.parts, labels=several)).check()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("inputs", np.zeros((6, 3, 4, 4), np.float32), "expected uint8 inputs"),
        ("inputs", np.zeros((6, 4, 4, 3), np.uint8), "expected uint8 inputs"),
        ("labels", np.arange(5), "expected 6 labels"),
        ("labels", np.arange(6), "expected int64 labels from 0 to 2; came int64, 0 to 5"),
        ("labels", np.full((6, 3), 2, np.uint8), "of 0, 1 or 255"),
        ("labels", np.zeros((6, 2), np.uint8), r"uint8 labels \[N, 3\]"),
        ("train", np.array([], np.int64), "at least one index in train"),
        ("test", np.array([4, 6]), "indices below 6 in test"),
        ("test", np.array([4, 4]), "each once"),
        ("validation", np.array([1, 2]), "no image in both train and validation; came 1, such as 1"),
        ("test", np.array([1, 5]), "no image in both train and test"),
        ("test", np.array([3, 5]), "no image in both validation and test"),
    ],
)
def test_what_breaks_a_promise_is_refused(field: str, value: np.ndarray, message: str) -> None:
    images = _images()
    inputs = value if field == "inputs" else images.inputs
    parts = images.parts if field == "inputs" else replace(images.parts, **{field: value})
    with pytest.raises(DataError, match=message):
        Images(inputs, parts).check()


def test_what_is_loaded_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SyntheticReader, "pixels", lambda *_: np.zeros((7, 3, 32, 32), np.uint8))
    with pytest.raises(DataError, match="expected 7 labels, one an image; came 80"):
        cifar10(train=40, test=40, root=tmp_path).load()
