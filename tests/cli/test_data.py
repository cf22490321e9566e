"""``kdsearch data list`` and ``kdsearch doctor``: places are whole, and images are called images."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import run_program

from kdsearch.cli.data import table_of
from kdsearch.data.inventory import Available
from kdsearch.ledger import embedded
from kdsearch.report.formats.terminal import render_text

ROW = Available("jhmdb", "silhouettes", "/a/folder/of/many/words/" + "x" * 90, 928, 21, "9c3b25148c22e0ac")


def test_other_programs_read_whole_places(home: Path, tmp_path: Path) -> None:
    root = tmp_path / ("long" * 20)
    (root / "jhmdb").mkdir(parents=True)
    (root / "jhmdb" / "jhmdb_pose.npz").write_bytes(b"no archive")
    code, output = run_program("data", "list", "--data", str(root), home=home, COLUMNS="40")
    assert code == 0, output
    (row,) = [line for line in output.splitlines() if "poses" in line]
    assert "unreadable" in row
    assert str(root / "jhmdb" / "jhmdb_pose.npz") in row


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_terminal_breaks_places_and_cuts_none(width: int) -> None:
    lines = render_text(table_of([ROW]), width).splitlines()
    assert all(len(line) <= width for line in lines)
    place = lines[0].index("where")
    assert "".join(line[place:].strip() for line in lines[1:]) == ROW.where


@pytest.mark.slow
def test_the_doctor_counts_images_and_clips(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    try:
        code, output = run_program("doctor", home=home)
    finally:
        embedded.stop(home / "postgres")
    assert code == 0, output
    assert "jhmdb poses: 609 clips, synthetic data" in output
    assert "cifar10 images: 6000 images, synthetic data" in output
