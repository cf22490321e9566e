from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import pytest

from kdsearch.data.action.lists import Listed, read_lists
from kdsearch.data.action.sets import HMDB51, UCF101
from kdsearch.errors import DataError
from tests.data.action.layout import hmdb_names, ucf_names, write_hmdb_lists, write_ucf_lists


def test_ucf_lists_by_hand(tmp_path: Path) -> None:
    write_ucf_lists(tmp_path)
    rows = read_lists(UCF101, tmp_path, 1)
    assert len(rows) == 24
    assert rows[0] == Listed("Archery", "v_Archery_g01_c01", "Archery/g01", 2)
    assert rows[-1] == Listed("CliffDiving", "v_CliffDiving_g04_c02", "CliffDiving/g04", 1)
    assert sum(row.part == 1 for row in rows) == 18


def test_hmdb_lists_by_hand(tmp_path: Path) -> None:
    write_hmdb_lists(tmp_path)
    rows = read_lists(HMDB51, tmp_path, 1)
    assert len(rows) == 16, "unused clips are left out"
    assert rows[0] == Listed("cart_wheel", "Film_A_cart_wheel_u_cm_np1_fr_med_0", "cart_wheel/Film_A", 1)
    assert {row.group for row in rows if row.class_name == "wave"} == {
        "wave/Film_A", "wave/Film_B_(x)_[y]", "wave/Third#film!", "wave/Held_out",
    }  # fmt: skip


def test_archive_and_table_read_as_the_text(tmp_path: Path) -> None:
    archive = tmp_path / "official_lists.tar.gz"
    write_ucf_lists(tmp_path / "ucf101_splits")
    write_ucf_lists(tmp_path / "ucf101_splits", split=2)
    write_hmdb_lists(tmp_path / "hmdb51_splits")
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "ucf101_splits", "ucf101_splits")
        file.add(tmp_path / "hmdb51_splits", "hmdb51_splits")
    with open(tmp_path / "ucf101.csv", "w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["video", "class", "label", "group", "n_frames", "split1", "split2", "split3"])
        writer.writerows([n, c, 0, "", 9, 1 if part == "train" else 2, 1, 2] for c, n, part in ucf_names())
    with open(tmp_path / "hmdb51.csv", "w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["video", "class", "label", "split1", "split2", "split3", "in_jhmdb"])
        writer.writerows([n, c, 0, part, 1, 2, 1] for c, n, part in hmdb_names())
    for dataset, folder in ((UCF101, "ucf101_splits"), (HMDB51, "hmdb51_splits")):
        rows = read_lists(dataset, tmp_path / folder, 1)
        assert read_lists(dataset, archive, 1) == rows
        assert read_lists(dataset, tmp_path / f"{dataset.key}.csv", 1) == rows


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("trainlist01.txt", "v_Archery_g02_c09.avi 1", r"trainlist01.txt, line 19: expected '<class>/<video>.avi'"),
        ("testlist01.txt", "Archery/v_Archery_g01_c09.mp4", r"testlist01.txt, line 7: .*c09.mp4'"),
        ("testlist01.txt", "Archery/v_Archery_g01_c01.avi", r"each clip once; came Archery/v_Archery_g01_c01 again"),
        ("testlist01.txt", "Archery/v_Archery_g02_c09.avi", r"both train and test; came Archery/g02"),
        ("testlist01.txt", "Archery/Archery_1.avi", r"expected 'v_<class>_g<two digits>_c<two digits>'"),
    ],
)
def test_foreign_ucf_lines_are_named(tmp_path: Path, file: str, line: str, message: str) -> None:
    write_ucf_lists(tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=message):
        read_lists(UCF101, tmp_path, 1)


@pytest.mark.parametrize("line", ["x_wave_u_cm_np1_fr_med_0.avi 3", "x_wave_u_cm_np1_fr_med_0.avi", "x 1", "1"])
def test_foreign_hmdb_lines_are_named(tmp_path: Path, line: str) -> None:
    write_hmdb_lists(tmp_path)
    path = tmp_path / "wave_test_split1.txt"
    path.write_text(path.read_text() + "\n" + line + "\n")
    with pytest.raises(DataError, match=r"wave_test_split1.txt, line 12: expected .* came '" + line):
        read_lists(HMDB51, tmp_path, 1)


def test_hmdb_names_that_tell_no_film_are_refused(tmp_path: Path) -> None:
    write_hmdb_lists(tmp_path)
    path = tmp_path / "wave_test_split1.txt"
    path.write_text(path.read_text() + "clip_17.avi 1\n")
    with pytest.raises(DataError, match=r"'clip_17': expected '<source>_wave_<five tags>_<number>'"):
        read_lists(HMDB51, tmp_path, 1)


def test_half_a_pair_of_lists_is_refused(tmp_path: Path) -> None:
    write_ucf_lists(tmp_path)
    (tmp_path / "testlist01.txt").unlink()
    with pytest.raises(DataError, match=r"testlist01.txt: expected a readable file"):
        read_lists(UCF101, tmp_path, 1)
    (tmp_path / "testlist01.txt").write_text("")
    with pytest.raises(DataError, match="clips of both train and test; came 18 clips"):
        read_lists(UCF101, tmp_path, 1)
    with pytest.raises(DataError, match="came none for split 3"):
        read_lists(UCF101, tmp_path, 3)


def test_damaged_archives_and_tables_are_named(tmp_path: Path) -> None:
    archive, table = tmp_path / "official_lists.tar.gz", tmp_path / "ucf101.csv"
    archive.write_bytes(b"not an archive")
    with pytest.raises(DataError, match=r"official_lists.tar.gz: expected an archive of lists"):
        read_lists(UCF101, archive, 1)
    table.write_text("video,class,split1\nv_Archery_g01_c01,Archery,7\n")
    with pytest.raises(DataError, match=r"ucf101.csv: expected columns video, class and split1"):
        read_lists(UCF101, table, 1)
