from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kdsearch.data.jhmdb.archive import open_archive
from kdsearch.errors import DataError

Arrays = dict[str, np.ndarray]


def arrays() -> Arrays:
    """Three clips of 2, 1 and 3 frames."""
    return {
        "frames": np.arange(6 * 30, dtype=np.float32).reshape(6, 15, 2),
        "offsets": np.array([0, 2, 3, 6], dtype=np.int32),
        "label": np.array([0, 0, 1], dtype=np.uint8),
        "name": np.array(["a", "b", "c"]),
        "split": np.array([[1, 1, 2], [2, 1, 1], [1, 2, 1]], dtype=np.uint8),
        "source_group": np.array([0, 1, 2], dtype=np.int32),
        "classes": np.array(["run", "walk"]),
    }


def save(path: Path, **changes: np.ndarray | None) -> Path:
    kept = {key: value for key, value in (arrays() | changes).items() if value is not None}
    np.savez_compressed(path, **kept)  # type: ignore[arg-type]
    return path


def test_clips_are_cut_at_offsets(tmp_path: Path) -> None:
    source = open_archive(save(tmp_path / "p.npz"), "poses")
    assert source.clip(0, None).tolist() == arrays()["frames"][:2].tolist()
    assert source.clip(2, 2)[:, 0, 0].tolist() == [90.0, 150.0]  # frames 3 and 5: round(3 / 2) = 2
    assert source.clip(1, 3)[:, 0, 0].tolist() == [60.0, 60.0, 60.0]
    assert source.table.present == ("run", "walk")


def test_masks_are_unpacked(tmp_path: Path) -> None:
    packed = np.zeros((6, 2400), dtype=np.uint8)
    packed[3, 0], packed[3, 20] = 0b01000001, 0x80  # row 0, columns 1 and 7; row 1, column 0
    source = open_archive(save(tmp_path / "m.npz", frames=None, packed=packed), "masks")
    mask = source.clip(2, None)[0]
    assert mask.shape == (120, 160)
    assert np.argwhere(mask).tolist() == [[0, 1], [0, 7], [1, 0]]


def test_an_archive_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = save(tmp_path / "p.npz")
    first = open_archive(path, "poses")
    assert open_archive(path, "poses") is first
    before = first.fingerprint()
    save(path, frames=arrays()["frames"] + 1)
    again = open_archive(path, "poses")
    assert again.clip(0, None)[0, 0, 0] == 1.0
    assert again.fingerprint() != before
    assert len(before) == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": None}, "without split"),
        ({"frames": np.zeros((6, 15, 3), dtype=np.float32)}, r"expected frames of shape \(frames, 15, 2\), float32"),
        ({"frames": np.zeros((6, 15, 2))}, "float64"),
        ({"frames": np.full((6, 15, 2), np.nan, dtype=np.float32)}, "NaN or infinity in 6 frames, first in clip 0"),
        ({"offsets": np.array([0, 3, 2, 6])}, "rising offsets from 0 to 6"),
        ({"offsets": np.array([0, 2, 3, 5])}, "rising offsets from 0 to 6"),
        ({"offsets": np.array([0, 2, 6])}, "4 rising offsets"),
        ({"offsets": np.array([0.0, 2.0, 3.0, 6.0])}, "whole numbers in offsets"),
        ({"label": np.array([0, 0, 2])}, "labels from 0 to 1"),
        ({"label": np.array([0, 0])}, r"labels of shape \(3,\)"),
        ({"split": np.array([[1, 1, 0]] * 3)}, r"1 \(train\) or 2 \(test\); came \[0\]"),
        ({"split": np.array([[1, 1]] * 3)}, r"splits of shape \(3, 3\)"),
        ({"name": np.array(["a", "a", "c"])}, "every clip name once"),
        ({"name": np.array([{"a": 1}, None, 3], dtype=object)}, "allow_pickle"),
        ({"source_group": np.array([0, 0, 2])}, "no source video in both train and test of split 1"),
    ],
)
def test_foreign_archives_are_refused(tmp_path: Path, changes: dict[str, np.ndarray | None], message: str) -> None:
    path = save(tmp_path / "foreign.npz", **changes)
    with pytest.raises(DataError, match=message) as caught:
        open_archive(path, "poses").clip(0, None)
    assert str(path) in str(caught.value)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)


def replace_by_text(path: Path) -> None:
    path.write_text("<html>404</html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [truncate, damage, replace_by_text, empty])
def test_damaged_archives_are_refused(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = save(tmp_path / "damaged.npz")
    spoil(path)
    with pytest.raises(DataError, match=r"damaged\.npz"):
        open_archive(path, "poses").clip(0, None)


@pytest.mark.parametrize("member", ["../evil.npy", "/etc/evil.npy", "..\\evil.npy", "C:\\evil.npy"])
def test_members_that_are_paths_are_refused(tmp_path: Path, member: str) -> None:
    path = save(tmp_path / "slip.npz")
    content = io.BytesIO()
    np.save(content, np.zeros(1))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, content.getvalue())
    with pytest.raises(DataError, match=r"came .*evil\.npy', a path"):
        open_archive(path, "poses")


def test_an_archive_with_damaged_frames_has_no_fingerprint_so_that_no_study_begins_on_it(tmp_path: Path) -> None:
    frames = np.full((6, 15, 2), np.nan, dtype=np.float32)
    with pytest.raises(DataError, match="expected finite joints"):
        open_archive(save(tmp_path / "damaged.npz", frames=frames), "poses").fingerprint()
