"""Pixels decoded once: reused, made anew where damaged, whole or not at all, refused with words on a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray

from kdsearch import environment
from kdsearch.data import cifar10, decoded_cache
from kdsearch.data.images.base import Part, Rows
from kdsearch.data.images.cache import decoded_once
from kdsearch.data.images.files import decode
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
    """All that lies in the folder, but for locks."""
    return [path for path in (environment.home() / "images").iterdir() if path.suffix != ".lock"]


def test_images_lie_in_order_and_are_asked_for_once() -> None:
    image = Pixels()
    held = decoded_once("a", ROWS, SHAPE, image)
    assert isinstance(held, np.memmap)
    assert not held.flags.writeable
    assert np.array_equal(held, np.broadcast_to(WANT[:, None, None, None], (5, *SHAPE)))
    assert image.asked == 5
    assert np.array_equal(decoded_once("a", ROWS, SHAPE, image), held)
    assert image.asked == 5


def test_all_that_the_pixels_depend_on_names_the_file() -> None:
    image = Pixels()
    decoded_once("a", ROWS, SHAPE, image)
    decoded_once("b", ROWS, SHAPE, image)
    decoded_once("a", {"train": np.array([5, 2]), "test": np.array([7, 1, 2])}, SHAPE, image)
    assert image.asked == 15
    assert len(made()) == 3


@pytest.mark.parametrize("where", ["first", "last", "end", "short", "long", "empty"])
def test_a_damaged_file_is_made_anew(where: str) -> None:
    image = Pixels()
    want = np.array(decoded_once("a", ROWS, SHAPE, image))
    (path,) = made()
    content = bytearray(path.read_bytes())
    if where in ("short", "long", "empty"):
        content = {"short": content[:-1], "long": content + b"x", "empty": bytearray()}[where]
    else:
        content[{"first": 0, "last": want.size - 1, "end": -1}[where]] ^= 1
    path.write_bytes(bytes(content))
    assert np.array_equal(decoded_once("a", ROWS, SHAPE, image), want)
    assert image.asked == 10, "not taken as it was"


def test_what_a_killed_process_left_is_no_result_and_goes() -> None:
    folder = environment.home() / "images"
    folder.mkdir(parents=True)
    image = Pixels()
    decoded_once("a", ROWS, SHAPE, image)
    (path,) = made()
    whole = path.read_bytes()
    path.unlink()
    (folder / f".{path.name}.xyz").write_bytes(whole[:100])
    decoded_once("a", ROWS, SHAPE, image)
    assert made() == [path]
    assert path.read_bytes() == whole


def test_those_who_want_the_same_wait_for_the_first() -> None:
    image, found = Pixels(), list[NDArray[np.uint8]]()
    threads = [Thread(target=lambda: found.append(decoded_once("a", ROWS, SHAPE, image))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert image.asked == 5


def test_processes_that_want_the_same_wait_for_the_first(tmp_path: Path) -> None:
    code = """
import sys, time
import numpy as np
from kdsearch.data.images.cache import decoded_once
from kdsearch.data.images.files import decode

def image(part, row):
    with open(sys.argv[1], "a") as file:
        file.write("x")
    time.sleep(0.3)
    return np.full((3, 4, 4), row, np.uint8)

held = decoded_once("a", {"train": np.arange(4), "test": np.arange(2)}, (3, 4, 4), image)
assert held[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 0, 1]
"""
    asked = tmp_path / "asked"
    started = [subprocess.Popen([sys.executable, "-c", code, str(asked)]) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    assert asked.read_text() == "x" * 6


def test_an_image_of_another_shape_is_named() -> None:
    def image(part: Part, row: int) -> NDArray[np.uint8]:
        return np.zeros((3, 4, 5) if (part, row) == ("test", 1) else SHAPE, np.uint8)

    with pytest.raises(DataError, match=r"test image 1: expected uint8 \(3, 4, 4\); came uint8 \(3, 4, 5\)"):
        decoded_once("a", ROWS, SHAPE, image)
    assert made() == []


def test_too_small_a_disk_is_told_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Pixels()
    monkeypatch.setattr(decoded_cache.shutil, "disk_usage", lambda _: Usage(1000, 950, 50))
    with pytest.raises(DataError, match=r"home/images/.*: expected room for 324 bytes .*; came 50 free.*KDSEARCH_HOME"):
        decoded_once("a", ROWS, SHAPE, image)
    assert image.asked == 0
    assert made() == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DataError, match=r"expected room for 324 bytes .*; came No space left.*KDSEARCH_HOME"):
        decoded_once("a", ROWS, SHAPE, Pixels())
    assert made() == []


def test_streams_are_decoded_once(tmp_path: Path) -> None:
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
    with pytest.raises(DataError, match=r"cifar10_full_jpeg\.npz: train image 2 cannot be decoded"):
        cifar10(root=tmp_path).load()
    assert made() == [], "nothing half-written stays"
    np.savez(path, **{**arrays, "test_offsets": arrays["test_offsets"][:-1]})
    with pytest.raises(DataError, match="test image 5: expected its place in test_offsets; came 6"):
        cifar10(root=tmp_path).load()
