from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io

from kdsearch.data import available, jhmdb, pack, verify
from kdsearch.data.clips import Modality
from kdsearch.data.jhmdb import archive
from kdsearch.data.jhmdb.archive import FILES, ArchiveReader
from kdsearch.data.jhmdb.official import OfficialReader, open_official, read_lists
from kdsearch.data.jhmdb.synthetic import SyntheticReader
from kdsearch.errors import DataError


def test_lists_by_hand(official: Path) -> None:
    table = read_lists(official / "splits")
    assert len(table) == 11
    assert table.names[0] == "Ball_catch_f_cm_np1_fr_med_0"
    assert table.labels.tolist() == [1] * 6 + [6] * 5
    assert table.groups.tolist() == [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6]
    assert table.splits[2].tolist() == [1, 2, 1]
    assert table.present == ("catch", "kick_ball")


@pytest.mark.parametrize("modality", ["poses", "masks", "silhouettes"])
def test_packed_and_official_load_alike(official: Path, tmp_path: Path, modality: Modality) -> None:
    packed = tmp_path / "packed"
    path = pack(official, packed, modality)
    assert path == packed / FILES[modality]
    assert [entry.name for entry in packed.iterdir()] == [FILES[modality]]
    ours, theirs = (jhmdb("split3", modality, validation=0.3, root=root) for root in (packed, official))
    assert (ours.locate().kind, theirs.locate().kind) == ("archive", "official")
    assert ours.identity() == theirs.identity()
    a, b = ours.load(3), theirs.load(3)
    assert a.inputs.dtype == b.inputs.dtype
    for key in ("inputs", "labels", "groups", "train", "validation", "database", "query"):
        np.testing.assert_array_equal(getattr(a, key), getattr(b, key))
    assert a.names == b.names
    assert a.classes == b.classes == ("catch", "kick_ball")
    assert a.labels.tolist() == [0] * 6 + [1] * 5


@pytest.mark.parametrize("protocol", ["split2", "seed"])
@pytest.mark.parametrize("kind", ["synthetic", "official", "archive"])
def test_words_and_parts_need_no_frame(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, protocol: str
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("frames were read")

    (tmp_path / "empty").mkdir()
    roots = {"synthetic": tmp_path / "empty", "official": official, "archive": tmp_path / "packed"}
    if kind == "archive":
        pack(official, roots[kind], "masks")
    data = jhmdb(protocol, "masks", validation=0.3, root=roots[kind])
    with monkeypatch.context() as patch:
        for reader in (SyntheticReader, OfficialReader, ArchiveReader):
            patch.setattr(reader, "clip", refuse)
        patch.setattr(archive, "_check_data", refuse)  # An archive's frames pass it when they are unpacked.
        parts = data.parts()
        assert data.description.startswith("synthetic data" if kind == "synthetic" else "JHMDB masks, 11 clips")
        assert data.num_classes == len(parts.classes)
    assert data.locate().kind == kind
    loaded = data.load(1)
    assert loaded.classes == parts.classes
    for key in ("labels", "train", "validation", "database", "query"):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(parts, key))


def test_official_values_by_hand(official: Path) -> None:
    masks = jhmdb(modality="masks", root=official).load(3).inputs
    assert masks.shape == (11, 3, 120, 160)
    expected = np.zeros((120, 160), dtype=np.uint8)
    expected[20:60, 32:52] = 1  # frame 1 of clip 0
    np.testing.assert_array_equal(masks[0, 1], expected)
    frames = jhmdb(modality="frames", root=official).load(3, size=16)
    assert frames.inputs.shape == (11, 3, 16, 16, 3)
    assert frames.inputs[2, 2].reshape(-1, 3).tolist() == [[20, 60, 7]] * 256  # 5 frames: 0, 2, 3
    silhouettes = jhmdb(modality="silhouettes", root=official).load(3).inputs
    assert silhouettes.shape == (11, 3, 32, 32)
    assert silhouettes.max() == 15
    assert silhouettes[0, 0].any(axis=0).argmax() < silhouettes[0, 2].any(axis=0).argmax()  # it moves right


def test_a_folder_below_the_root_and_nested_lists_are_found(official: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copytree(official, tmp_path / "data/JHMDB")
    shutil.move(tmp_path / "data/JHMDB/splits", tmp_path / "data/JHMDB/lists")
    (tmp_path / "data/JHMDB/splits").mkdir()
    shutil.move(tmp_path / "data/JHMDB/lists", tmp_path / "data/JHMDB/splits/splits")
    assert jhmdb(root=tmp_path / "data").locate().path == tmp_path / "data/JHMDB"
    assert not jhmdb(root=tmp_path / "data").is_synthetic


def test_fingerprint_follows_content(official: Path, layout: SimpleNamespace) -> None:
    data = jhmdb(root=official)
    first = data.fingerprint()
    assert jhmdb(root=official).fingerprint() == first
    class_name, name, _ = layout.rows()[0]
    layout.joints(official / "joint_positions" / class_name / name, np.zeros((9, 15, 2)))
    assert data.fingerprint() != first


def test_missing_videos_are_counted_and_named(official: Path) -> None:
    for folder in sorted((official / "joint_positions/kick_ball").iterdir())[:4]:
        shutil.rmtree(folder)
    with pytest.raises(DataError, match=r"4 are missing: kick_ball/Fouls_kick_ball_f_cm_np1_fr_med_0, .* and 1 more\."):
        jhmdb(root=official).load(3)


@pytest.mark.parametrize("line", ["Ball.avi 0", "Ball.avi 3", "Ball.mp4 1", "Ball.avi", "1", "Ball.avi -1"])
def test_foreign_list_lines_are_named(official: Path, line: str) -> None:
    path = official / "splits/catch_test_split2.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"catch_test_split2.txt, line 7: .* came '" + line):
        read_lists(official / "splits")


def test_lists_that_disagree_or_are_foreign_are_refused(official: Path) -> None:
    splits = official / "splits"
    (splits / "cartwheel_test_split1.txt").write_text("x.avi 1\n")
    with pytest.raises(DataError, match=r"cartwheel.*21 JHMDB classes"):
        read_lists(splits)
    (splits / "cartwheel_test_split1.txt").unlink()
    (splits / "catch_test_split3.txt").unlink()
    with pytest.raises(DataError, match=r"class catch; came splits \[1, 2\]"):
        read_lists(splits)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a MATLAB 5 .mat file"),
        ({"pos_img": np.zeros((2, 15, 4))}, r"expected the variable pos_world; came \['pos_img'\]"),
        ({"pos_world": np.zeros((2, 14, 4))}, r"expected pos_world of shape \(2, 15, frames\); came \(2, 14, 4\)"),
        ({"pos_world": np.full((2, 15, 4), np.nan)}, "expected finite joints"),
        ({"pos_world": "text"}, "expected numbers in pos_world"),
    ],
)
def test_foreign_mat_files_are_named(official: Path, content: dict[str, object] | None, message: str) -> None:
    path = next((official / "joint_positions/catch").glob("Net*")) / "joint_positions.mat"
    if content is None:
        path.write_bytes(b"not matlab at all, " * 20)
    else:
        scipy.io.savemat(path, content)
    with pytest.raises(DataError, match=message) as caught:
        jhmdb(root=official).load(3)
    assert str(path) in str(caught.value)
    assert [finding.file for finding in verify(official) if not finding.ok] == [path]


def test_foreign_masks_and_frames_are_named(official: Path) -> None:
    mask = next((official / "puppet_mask/catch").glob("Net*")) / "puppet_mask.mat"
    scipy.io.savemat(mask, {"part_mask": np.zeros((120, 160, 3))})
    with pytest.raises(DataError, match=r"\(240, 320, frames\); came \(120, 160, 3\)"):
        jhmdb(modality="silhouettes", root=official).load(3)
    frame = next((official / "Rename_Images/catch").glob("Net*")) / "00001.png"
    frame.write_bytes(frame.read_bytes()[:30])
    with pytest.raises(DataError, match="expected an image"):
        jhmdb(modality="frames", root=official).load(3)


def test_files_without_lists_are_not_replaced(official: Path) -> None:
    shutil.rmtree(official / "splits")
    with pytest.raises(DataError, match="came only one of them"):
        jhmdb(root=official).load(3)
    row = next(row for row in available(official) if row.modality == "poses")
    assert (row.clips, row.fingerprint) == (0, "unreadable")
    assert "came only one of them" in row.where


def test_verify_finds_everything_whole(official: Path) -> None:
    pack(official, official / "jhmdb", "poses")
    findings = verify(official)
    assert all(finding.ok for finding in findings), findings
    assert [finding.file.name for finding in findings] == [
        "splits", "joint_positions", "puppet_mask", "Rename_Images", "jhmdb_pose.npz",
    ]  # fmt: skip
    assert "11 clips of 2 classes" in findings[1].message


def test_packing_nothing_or_frames_is_refused(official: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frames are read from their folders"):
        pack(official, tmp_path, "frames")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="joint_positions/<class>/<video>"):
        pack(tmp_path / "empty", tmp_path, "poses")


def test_a_failed_pack_leaves_the_old_archive(official: Path, tmp_path: Path) -> None:
    path = pack(official, tmp_path / "packed", "poses")
    before = path.read_bytes()
    mat = next((official / "joint_positions/catch").glob("Net*")) / "joint_positions.mat"
    mat.write_bytes(b"")
    with pytest.raises(DataError):
        pack(official, tmp_path / "packed", "poses")
    assert path.read_bytes() == before
    assert list((tmp_path / "packed").iterdir()) == [path]


def test_an_avi_is_read_and_sampled(official: Path, tmp_path: Path) -> None:
    import av

    base = tmp_path / "videos"
    shutil.copytree(official / "splits", base / "splits")
    for name, label in zip(*(lambda t: (t.names, t.labels))(read_lists(base / "splits")), strict=True):
        path = base / "ReCompress_Videos" / ("catch" if label == 1 else "kick_ball") / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mjpeg", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
            for t in range(6):
                gray = np.full((48, 64, 3), 40 * t, dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="rgb24")))
            container.mux(stream.encode())
    clip = open_official(base, "frames", size=24).clip(0, 3)
    assert clip.shape == (3, 24, 24, 3)
    assert np.abs(clip.mean(axis=(1, 2, 3)) - [0, 80, 160]).max() < 4
