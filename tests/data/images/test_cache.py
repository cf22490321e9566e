"""Pixels of a choice of images, decoded once; tests/data/test_decoded_cache.py has what else the cache promises."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray

from kdsearch import environment
from kdsearch.data import cifar10
from kdsearch.data.images.base import Part, Rows
from kdsearch.data.images.files import decode, decoded_rows
from kdsearch.errors import DataError
from tests.data.images.layout import jpeg, write_jpegs

SHAPE = (3, 4, 4)
ROWS: Rows = {"train": np.array([5, 2, 7]), "test": np.array([1, 2])}
WANT = np.array([5, 2, 7, 101, 102], np.uint8)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.HOME, str(tmp_path / "home"))


class Pixels:
    """Image ``row`` is of grey ``row``, or 100 more in test; counts what was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, part: Part, row: int) -> NDArray[np.uint8]:
        self.asked += 1
        return np.full(SHAPE, row + 100 * (part == "test"), np.uint8)


def made() -> list[Path]:
    """All that lies in the folder, but for locks and sums."""
    return [path for path in (environment.home() / "images").iterdir() if path.suffix not in (".lock", ".crc32")]


def test_images_lie_in_order_and_are_asked_for_once() -> None:
    image = Pixels()
    held = decoded_rows("a", ROWS, SHAPE, image)
    assert isinstance(held, np.memmap)
    assert not held.flags.writeable
    assert np.array_equal(held, np.broadcast_to(WANT[:, None, None, None], (5, *SHAPE)))
    assert image.asked == 5
    assert np.array_equal(decoded_rows("a", ROWS, SHAPE, image), held)
    assert image.asked == 5


def test_all_that_the_pixels_depend_on_names_the_file() -> None:
    image = Pixels()
    decoded_rows("a", ROWS, SHAPE, image)
    decoded_rows("b", ROWS, SHAPE, image)
    decoded_rows("a", {"train": np.array([5, 2]), "test": np.array([7, 1, 2])}, SHAPE, image)
    assert image.asked == 15
    assert len(made()) == 3


def test_those_who_want_the_same_wait_for_the_first() -> None:
    image, found = Pixels(), list[NDArray[np.uint8]]()
    threads = [Thread(target=lambda: found.append(decoded_rows("a", ROWS, SHAPE, image))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert image.asked == 5


def test_streams_are_decoded_rows(tmp_path: Path) -> None:
    write_jpegs(tmp_path)
    data = cifar10(root=tmp_path, validation=0.25)
    assert data.label == "cifar10jpeg"
    first = data.load().inputs
    assert isinstance(first, np.memmap)
    assert first.shape == (18, 3, 32, 32)
    assert np.abs(first.reshape(18, -1).mean(1) - 10 * np.r_[:12, :6]).max() < 2
    (path,) = made()
    stamp = path.stat().st_mtime_ns
    assert np.array_equal(data.load().inputs, first)
    assert path.stat().st_mtime_ns == stamp


def test_the_centre_is_cut_and_nothing_is_squeezed() -> None:
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[:, 50:150] = 255
    wide[45:55, 95:105] = 0
    for pixels in (wide, wide.transpose(1, 0, 2)):
        found = decode(jpeg(pixels), 56, "it")
        assert found.shape == (3, 56, 56)
        border = np.concatenate([found[:, [0, -1]].ravel(), found[:, :, [0, -1]].ravel()])
        assert border.min() > 230, "of the middle hundred alone"
        assert found[:, 27:29, 27:29].max() < 25, "the middle is in the middle"
    assert decode(jpeg(wide), None, "it").shape == (3, 100, 200)


def test_a_broken_stream_is_named(tmp_path: Path) -> None:
    path = write_jpegs(tmp_path)
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    damaged = arrays["train_jpeg"].copy()
    damaged[arrays["train_offsets"][2] : arrays["train_offsets"][3]] = 0
    np.savez(path, **{**arrays, "train_jpeg": damaged})
    with pytest.raises(DataError, match=r"cifar10_full_jpeg\.npz: train image 2: expected an image"):
        cifar10(root=tmp_path).load()
    assert made() == [], "nothing half-written stays"
    np.savez(path, **{**arrays, "test_offsets": arrays["test_offsets"][:-1]})
    with pytest.raises(DataError, match="test image 5: expected its place in test_offsets; came 6"):
        cifar10(root=tmp_path).load()
