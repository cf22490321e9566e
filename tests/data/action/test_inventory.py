from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.data import Available, available, ucf101, verify
from kdsearch.data.action import inventory
from tests.data.action.layout import lengths, write_hmdb, write_ucf


def test_rows_of_what_is_there(tmp_path: Path) -> None:
    write_ucf(tmp_path / "UCF101")
    ucf, hmdb = inventory.available(tmp_path)
    fingerprint = ucf101(root=tmp_path).fingerprint()
    assert ucf == Available("ucf101", "frames", str(tmp_path / "UCF101/UCF-101"), 24, 3, fingerprint)
    assert hmdb == Available("hmdb51", "frames", "synthetic data, not HMDB51", 268, 6, "synthetic")
    rows = {row.name: row for row in available(tmp_path)}
    assert (rows["ucf101"].clips, rows["ucf101"].fingerprint) == (24, fingerprint)
    assert rows["hmdb51"].where == "synthetic data, not HMDB51"


def test_a_missing_video_makes_a_row_unreadable(tmp_path: Path) -> None:
    write_ucf(tmp_path)
    (tmp_path / "UCF-101/Archery/v_Archery_g01_c01.avi").unlink()
    row = next(inventory.available(tmp_path))
    assert (row.clips, row.classes, row.fingerprint) == (0, 0, "unreadable")
    assert "1 are missing: Archery/v_Archery_g01_c01" in row.where


@pytest.mark.parametrize("frames", [False, True])
def test_everything_verifies(tmp_path: Path, frames: bool) -> None:
    write_ucf(tmp_path, "frames" if frames else "UCF-101", frames=frames)
    write_hmdb(tmp_path / "hmdb51")
    findings = list(inventory.verify(tmp_path))
    assert all(finding.ok for finding in findings), findings
    assert [finding.message for finding in findings] == [
        "UCF101 lists of split 1: 24 clips of 3 of 101 classes",
        f"UCF101: 24 clips, {sum(lengths())} frames",
        "HMDB51 lists of split 1: 16 clips of 2 of 51 classes",
        "HMDB51: 16 clips, 64 frames",
    ]
    assert verify(tmp_path) == findings


def test_every_broken_file_is_found(tmp_path: Path) -> None:
    write_ucf(tmp_path)
    broken = [tmp_path / f"UCF-101/Bowling/v_Bowling_g0{g}_c01.avi" for g in (1, 3)]
    for path in broken:
        path.write_bytes(b"no video")
    lists = tmp_path / "ucfTrainTestlist/trainlist02.txt"
    lists.write_text("foreign\n")
    (tmp_path / "ucfTrainTestlist/testlist02.txt").write_text("")
    findings = list(inventory.verify(tmp_path))
    bad = {finding.file: finding.message for finding in findings if not finding.ok}
    assert bad.keys() >= set(broken)
    assert any("trainlist02.txt, line 1" in message for message in bad.values())


def test_nothing_is_verified_where_nothing_is(tmp_path: Path) -> None:
    assert list(inventory.verify(tmp_path)) == []
    assert list(inventory.verify(None)) == []
