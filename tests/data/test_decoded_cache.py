from __future__ import annotations

import errno
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kdsearch.data import decoded_cache
from kdsearch.data.decoded_cache import decoded_once
from kdsearch.errors import DataError

SHAPE = (40, 2, 8, 8, 3)


class Clips:
    """Counts how often it is asked."""

    def __init__(self, name: str = "a", **options: Any) -> None:
        self.asked, self.name, self.options = list[int](), name, options

    def __call__(self, row: int) -> NDArray[np.uint8]:
        self.asked.append(row)
        return np.full(SHAPE[1:], row, dtype=np.uint8)

    def open(self) -> NDArray[np.uint8]:
        return decoded_once("clips", self.name, SHAPE, self)


def held(home: Path) -> Path:
    (path,) = (home / "clips").glob("*.npy")
    return path


def test_decoded_once_and_mapped_read_only(home: Path) -> None:
    first = Clips()
    pixels = first.open()
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable
    assert pixels.shape == SHAPE
    assert (pixels == np.arange(40).reshape(40, 1, 1, 1, 1)).all()
    assert sorted(first.asked) == list(range(40))
    again = Clips()
    assert np.array_equal(again.open(), pixels)
    assert again.asked == []
    assert {path.suffix for path in (home / "clips").iterdir()} == {".npy", ".crc32", ".lock"}


def test_name_and_shape_tell_files_apart(home: Path) -> None:
    Clips().open()
    other = Clips("b")
    other.open()
    assert len(other.asked) == 40
    # As many bytes in another shape are other pixels.
    turned = decoded_once("clips", "a", (40, 1, 16, 8, 3), lambda row: np.zeros((1, 16, 8, 3), np.uint8))
    assert turned.max() == 0
    assert len(list((home / "clips").glob("*.npy"))) == 3


@pytest.mark.parametrize("damage", ["short", "long", "header", "first clip", "last clip", "zeros", "empty"])
def test_a_damaged_file_is_made_anew(home: Path, damage: str) -> None:
    Clips().open()
    path = held(home)
    whole = path.read_bytes()
    first = len(whole) - int(np.prod(SHAPE))
    damaged = {
        "short": whole[:-1],
        "long": whole + b"0",
        "header": b"?" + whole[1:],
        "first clip": whole[:first] + bytes([whole[first] ^ 1]) + whole[first + 1 :],
        "last clip": whole[:-1] + bytes([whole[-1] ^ 1]),
        "zeros": bytes(len(whole)),  # as a file system may leave it after the power went
        "empty": b"",
    }[damage]
    path.write_bytes(damaged)
    again = Clips()
    pixels_again = again.open()
    assert sorted(again.asked) == list(range(40))
    assert (pixels_again[:, 0, 0, 0, 0] == np.arange(40)).all()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", ["gone", "short", "wrong", "empty"])
def test_pixels_without_their_sums_are_made_anew(home: Path, damage: str) -> None:
    Clips().open()
    sums = held(home).with_suffix(".crc32")
    whole = sums.read_bytes()
    if damage == "gone":  # as when the process is killed between the two files
        sums.unlink()
    else:
        sums.write_bytes({"short": whole[:-4], "wrong": bytes(len(whole)), "empty": b""}[damage])
    again = Clips()
    assert (again.open()[:, 0, 0, 0, 0] == np.arange(40)).all()
    assert sorted(again.asked) == list(range(40))
    assert sums.read_bytes() == whole


def test_the_pixels_are_a_plain_array_file(home: Path) -> None:
    pixels = Clips().open()
    assert np.array_equal(np.load(held(home)), pixels)


def test_a_failing_clip_leaves_no_file(home: Path) -> None:
    def clip(row: int) -> NDArray[np.uint8]:
        if row == 17:
            raise DataError("video 17 is broken")
        return np.zeros(SHAPE[1:], np.uint8)

    with pytest.raises(DataError, match="video 17 is broken"):
        decoded_once("clips", "a", SHAPE, clip)
    assert [path.suffix for path in (home / "clips").iterdir()] == [".lock"]
    with pytest.raises(DataError, match=r"clip 0: expected uint8 \(2, 8, 8, 3\); came uint8 \(2, 8, 9, 3\)"):
        decoded_once("clips", "a", SHAPE, lambda row: np.zeros((2, 8, 9, 3), np.uint8))


def test_what_a_killed_process_left_is_removed(home: Path) -> None:
    Clips().open()
    path = held(home)
    left = path.with_name(f".{path.name}.abc123")
    left.write_bytes(b"half")
    old = path.with_name("of_an_older_release.u8")
    old.write_bytes(b"pixels")
    path.unlink()
    Clips().open()
    assert not left.exists()
    assert not old.exists()
    assert path.exists()


def test_a_full_disk_is_told_before_decoding(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(decoded_cache.shutil, "disk_usage", lambda path: usage(1000))
    clips = Clips()
    length = int(np.prod(SHAPE)) + 4 * 40 + 256
    with pytest.raises(DataError, match=f"room for {length:,} bytes of decoded clips; came 1,000 free bytes") as caught:
        clips.open()
    assert clips.asked == []
    assert str(home / "clips") in str(caught.value)
    assert "KDSEARCH_HOME" in str(caught.value)


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "expected room for [0-9,]+ bytes"), (errno.EIO, "expected to write decoded")]
)
def test_a_disk_that_fails_while_writing(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def fail(handle: int) -> None:
        raise OSError(number, "the disk fails")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(DataError, match=message):
        Clips().open()
    assert [path.suffix for path in (home / "clips").iterdir()] == [".lock"]


def test_two_processes_decode_once(home: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time, numpy as np\n"
        "from kdsearch.data.decoded_cache import decoded_once\n"
        "def clip(row):\n"
        "    time.sleep(0.02)\n"
        "    open(sys.argv[1], 'a').write('x')\n"
        "    return np.zeros((1, 8, 8, 3), np.uint8)\n"
        "open(sys.argv[2], 'w').close()\n"
        "import os\n"
        "while not (os.path.exists(sys.argv[2]) and os.path.exists(sys.argv[3])): time.sleep(0.01)\n"
        "assert decoded_once('clips', 'a', (60, 1, 8, 8, 3), clip).shape[0] == 60\n"
    )
    count, one, two = (str(tmp_path / name) for name in ("count", "one", "two"))
    started = [subprocess.Popen([sys.executable, "-c", code, count, *order]) for order in ((one, two), (two, one))]
    assert [process.wait(60) for process in started] == [0, 0]
    assert len(Path(count).read_text()) == 60
