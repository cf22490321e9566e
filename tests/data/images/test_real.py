"""Facts of the real re-encoded CIFAR-10; skipped aloud where KDSEARCH_DATA names none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdsearch import environment
from kdsearch.data import available, cifar10
from kdsearch.data.images.cifar import JpegReader, SubsetReader
from kdsearch.data.images.locate import below

pytestmark = pytest.mark.real_data

SUBSET, WHOLE = SubsetReader.file, JpegReader.file
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.HOME, str(tmp_path / "home"))


@pytest.fixture
def root(real_root: Path) -> Path:
    if below(real_root, "cifar10", SUBSET) is None or below(real_root, "cifar10", WHOLE) is None:
        pytest.skip("KDSEARCH_DATA names no CIFAR-10 archives")
    return real_root


def test_the_decoded_subset(root: Path) -> None:
    small = cifar10(train=2000, test=1000, root=root)
    assert small.label == "cifar10jpeg10k-n2000-5folds"
    images = small.load()
    assert np.bincount(images.parts.labels).tolist() == [300] * 10
    assert (len(images.parts.train), len(images.parts.validation), len(images.parts.test)) == (1600, 400, 1000)
    mean, std = images.inputs.mean((0, 2, 3)) / 255, images.inputs.std((0, 2, 3)) / 255
    np.testing.assert_allclose(mean, small.mean, atol=0.02)
    np.testing.assert_allclose(std, (0.247, 0.243, 0.262), atol=0.02)


def test_the_whole_set(root: Path) -> None:
    whole = cifar10(root=root)
    assert whole.label == "cifar10jpeg-1fold"
    parts = whole.parts()
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (45_000, 5_000, 10_000)
    assert np.bincount(parts.labels[parts.validation]).tolist() == [500] * 10
    assert "JPEG re-encoded" in whole.description
    assert parts.classes[:3] == ("airplane", "automobile", "bird")


def test_classes_beyond_the_subset_are_read_from_the_whole_set(root: Path) -> None:
    animals = cifar10(train=6600, test=1200, classes=ANIMALS, root=root)
    assert animals.identity()["data"] == "cifar10jpeg"
    parts = animals.parts()
    assert parts.classes == ANIMALS
    assert np.bincount(parts.labels[: len(parts.train) + len(parts.validation)]).tolist() == [1100] * 6
    assert cifar10(train=6000, test=1200, classes=ANIMALS, root=root).identity()["data"] == "cifar10jpeg10k"


def test_streams_are_images_of_the_subset(root: Path) -> None:
    streams = cifar10(train=400, root=root, classes=("cat", "dog")).load()
    decoded = cifar10(train=2000, test=400, root=root, classes=("cat", "dog")).load()
    first, second = (images.inputs[images.parts.test] for images in (streams, decoded))
    have = {image.tobytes() for image in first}
    assert len(first) == 2000
    assert all(image.tobytes() in have for image in second), "the 400 are among the 2,000, to the pixel"


def test_rows_of_both_archives(root: Path) -> None:
    rows = {row.where.rsplit("/", 1)[-1]: row for row in available(root) if row.name == "cifar10"}
    assert (rows[WHOLE].clips, rows[SUBSET].clips) == (60_000, 12_000)
    assert rows[WHOLE].fingerprint != rows[SUBSET].fingerprint
