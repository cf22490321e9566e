from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kdsearch.data import hmdb51, ucf101
from kdsearch.data.action.locate import media_folder
from kdsearch.data.action.sets import HMDB51, UCF101
from kdsearch.data.roots import VARIABLE
from kdsearch.errors import DataError
from tests.data.action.layout import (
    CLASSES,
    is_close,
    lengths,
    ucf_names,
    write_frames,
    write_hmdb,
    write_ucf,
    write_ucf_lists,
    write_video,
)


@pytest.fixture
def ucf(tmp_path: Path, home: Path) -> Path:
    return write_ucf(tmp_path / "data")


def test_clips_by_hand(ucf: Path, home: Path) -> None:
    data = ucf101(validation=0.3, root=ucf)
    clips = data.load(4, 16)
    assert isinstance(clips.inputs, np.memmap)
    assert not clips.inputs.flags.writeable
    assert clips.inputs.shape == (24, 4, 16, 16, 3)
    assert clips.names == tuple(name for _, name, _ in ucf_names())
    assert clips.classes == CLASSES
    assert clips.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert clips.query.tolist() == [row for row, (_, _, part) in enumerate(ucf_names()) if part == "test"]
    assert clips.database.tolist() == [row for row, (_, _, part) in enumerate(ucf_names()) if part == "train"]
    assert len(clips.validation) == 6, "one group of two clips in each class"
    assert len(clips.train) == 12
    assert not set(clips.groups[clips.train]) & set(clips.groups[clips.validation])
    for row, length in enumerate(lengths()):
        wanted = [min(round(i * length / 4), length - 1) for i in range(4)]
        assert is_close(clips.inputs[row], row, wanted), clips.inputs[row].mean((1, 2))
    parts = data.parts()
    for key in ("labels", "train", "validation", "database", "query"):
        assert np.array_equal(getattr(parts, key), getattr(clips, key))
    (path,) = (home / "clips").glob("*.npy")
    assert np.array_equal(np.load(path), clips.inputs)


def test_words(ucf: Path) -> None:
    data = ucf101(validation=0.3, root=ucf)
    assert data.label == "ucf101-split1"
    assert data.description == (
        "UCF101 frames, 24 clips of 3 of 101 classes, official split 1: 18 train (database), 6 test (query); "
        "6 validation clips held out of train by source video (split seed 0)"
    )
    few = ucf101(validation=0.3, split_seed=3, classes=["Bowling", "Archery"], root=ucf)
    assert few.label == "ucf101-split1-2classes-carve3"
    assert "16 clips of 2 of 101 classes (Archery, Bowling), official split 1: 12 train" in few.description
    assert few.num_classes == 2
    assert few.identity() == {
        "data": "ucf101", "modality": "frames", "split": 1, "split_seed": 3, "validation": 0.3,
        "classes": ["Archery", "Bowling"], "source": "real",
    }  # fmt: skip
    assert few == ucf101(validation=0.3, split_seed=3, classes=("Archery", "Bowling"), root=ucf)
    assert len({few, data, hash(data)}) == 3


def test_what_is_held_out_follows_its_seed_and_nothing_else(ucf: Path) -> None:
    held = [frozenset(ucf101(validation=0.3, split_seed=seed, root=ucf).parts().validation) for seed in range(8)]
    assert len(set(held)) > 1
    assert held[0] == frozenset(ucf101(validation=0.3, root=ucf).parts().validation)
    # A class is divided alike whatever classes stand beside it.
    few = ucf101(validation=0.3, classes=("Archery", "CliffDiving"), root=ucf)
    names = [name for c, name, _ in ucf_names() if c != "Bowling"]
    whole = {ucf_names()[row][1] for row in held[0]}
    assert {names[row] for row in few.parts().validation} == {name for name in whole if "Bowling" not in name}


def test_hmdb_leaves_unused_clips_out(tmp_path: Path, home: Path) -> None:
    data = hmdb51(validation=0.3, root=write_hmdb(tmp_path / "data"))
    clips = data.load(2, 16)
    assert data.label == "hmdb51-split1"
    assert (len(clips), len(clips.query), len(clips.database), len(clips.validation)) == (16, 4, 12, 4)
    assert not set(clips.groups[clips.train]) & set(clips.groups[clips.validation])
    assert all("Unused" not in name for name in clips.names)
    with pytest.raises(DataError, match="expected the official lists of split 2"):
        hmdb51(2, root=tmp_path / "data").parts()


@pytest.mark.parametrize("base", ["", "ucf101", "UCF101", "UCF-101"])
@pytest.mark.parametrize("media", ["", "UCF-101", "videos", "frames"])
def test_search_path(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, base: str, media: str) -> None:
    folder = tmp_path / base / media / "Archery"
    folder.mkdir(parents=True)
    (folder / "v_Archery_g01_c01.avi").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert media_folder(UCF101, None) == folder.parent
    assert media_folder(HMDB51, None) is None
    assert not ucf101().is_synthetic


def test_foreign_folders_are_no_videos(official: Path) -> None:
    assert media_folder(UCF101, official) is None
    assert media_folder(HMDB51, official) is None
    assert ucf101(root=official).is_synthetic


def test_extracted_frames_load_as_videos_do(ucf: Path, tmp_path: Path) -> None:
    other = write_ucf(tmp_path / "other", "frames", frames=True)
    videos, frames = (ucf101(validation=0.3, root=root) for root in (ucf, other))
    a, b = videos.load(3, 16), frames.load(3, 16)
    assert np.abs(a.inputs.astype(int) - b.inputs).mean() < 4
    assert a.names == b.names
    assert videos.identity() == frames.identity()
    assert videos.fingerprint() != frames.fingerprint()


def test_a_second_load_reads_no_video(ucf: Path, home: Path) -> None:
    first = ucf101(validation=0.3, root=ucf).load(3, 16).inputs.copy()
    for path in (ucf / "UCF-101").rglob("*.avi"):
        path.write_bytes(bytes(path.stat().st_size))  # as long as before, and unreadable
    assert np.array_equal(ucf101(validation=0.2, split_seed=4, root=ucf).load(3, 16).inputs, first)
    with pytest.raises(DataError, match="expected a video"):
        ucf101(root=ucf).load(4, 16)
    assert len(list((home / "clips").glob("*.npy"))) == 1


def test_splits_of_the_same_clips_share_a_file(ucf: Path, home: Path) -> None:
    write_ucf_lists(ucf / "ucfTrainTestlist", split=2)
    lists = ucf / "ucfTrainTestlist"
    for part in ("train", "test"):
        text = (lists / f"{part}list02.txt").read_text().replace("_g01_", "_gxx_").replace("_g02_", "_g01_")
        (lists / f"{part}list02.txt").write_text(text.replace("_gxx_", "_g02_"))
    one, two = ucf101(1, validation=0.3, root=ucf), ucf101(2, validation=0.3, root=ucf)
    assert not np.array_equal(one.load(2, 16).query, two.load(2, 16).query)
    assert len(list((home / "clips").glob("*.npy"))) == 1
    assert one.fingerprint() != two.fingerprint()


def test_the_fingerprint_follows_the_content_and_not_the_place(ucf: Path, tmp_path: Path) -> None:
    first = ucf101(root=ucf).fingerprint()
    assert len(first) == 16
    shutil.copytree(ucf, tmp_path / "elsewhere" / "ucf101")
    assert ucf101(root=tmp_path / "elsewhere").fingerprint() == first
    assert ucf101(classes=CLASSES[:2], root=ucf).fingerprint() != first
    write_video(ucf / "UCF-101/Archery/v_Archery_g02_c01.avi", 0, 12)
    assert ucf101(root=ucf).fingerprint() != first


def test_frames_added_to_a_folder_change_the_fingerprint(tmp_path: Path) -> None:
    root = write_ucf(tmp_path / "data", "frames", frames=True)
    first = ucf101(root=root).fingerprint()
    write_frames(root / "frames/Archery/v_Archery_g02_c01", 0, 9)
    assert ucf101(root=root).fingerprint() != first


def test_missing_videos_are_counted_and_named(ucf: Path) -> None:
    for group in (1, 3):
        for clip in (1, 2):
            (ucf / f"UCF-101/Bowling/v_Bowling_g0{group}_c0{clip}.avi").unlink()
    with pytest.raises(DataError, match=r"4 are missing: Bowling/v_Bowling_g01_c01, .* and 1 more"):
        ucf101(root=ucf).load(3, 16)
    with pytest.raises(DataError, match="4 are missing"):
        ucf101(root=ucf).fingerprint()
    # The classes that are whole can be trained on.
    assert len(ucf101(validation=0.3, classes=("Archery", "CliffDiving"), root=ucf).load(3, 16)) == 16


def test_a_broken_video_is_named(ucf: Path, home: Path) -> None:
    path = ucf / "UCF-101/CliffDiving/v_CliffDiving_g03_c01.avi"
    path.write_bytes(b"no video")
    with pytest.raises(DataError, match="expected a video; came") as caught:
        ucf101(root=ucf).load(3, 16)
    assert str(path) in str(caught.value)
    assert not list((home / "clips").glob("*.npy"))


def test_videos_without_lists_are_not_replaced(ucf: Path) -> None:
    shutil.rmtree(ucf / "ucfTrainTestlist")
    data = ucf101(root=ucf)
    assert data.label == "ucf101-split1-5folds"
    with pytest.raises(
        DataError, match=r"found none\. Put ucfTrainTestlist/trainlist01.txt .*action_splits/ucf101.csv"
    ):
        data.parts()


def test_synthetic_data_say_what_they_are(tmp_path: Path, home: Path) -> None:
    for data, title in ((ucf101(root=tmp_path), "UCF101"), (hmdb51(2, root=tmp_path), "HMDB51")):
        assert data.label == f"standin-{data.name}-split{data.split}-5folds"
        assert data.description.startswith(
            f"synthetic data, not {title}: drawn figures as frames, 268 clips of 6 classes, "
        )
        assert data.identity()["source"] == "stand-in"
        clips = data.load(4, 16)
        assert clips.inputs.shape == (268, 4, 16, 16, 3)
        assert clips.inputs.dtype == np.uint8
        assert len(clips.classes) == data.num_classes == 6
        assert 0.15 < len(clips.validation) / len(clips.database) < 0.27
        assert clips.inputs[0].std() > 10, "something is drawn"
    assert not (home / "clips").exists()
    assert ucf101(root=tmp_path).fingerprint() != hmdb51(root=tmp_path).fingerprint()


def test_synthetic_data_have_as_many_classes_as_were_asked_for(tmp_path: Path) -> None:
    data = ucf101(classes=("Archery", "Bowling", "Diving"), root=tmp_path)
    assert data.label == "standin-ucf101-split1-3classes-5folds"
    clips = data.load(2, 16)
    assert clips.classes == ("motion_01", "motion_02", "motion_03")
    assert len(clips.inputs) == len(clips.labels) == 134
    assert clips.labels.max() == 2
    assert data.fingerprint() != ucf101(root=tmp_path).fingerprint()


def test_the_student_sees_every_second_frame_of_the_teacher(ucf: Path) -> None:
    data = ucf101(validation=0.3, root=ucf)
    assert np.array_equal(data.load(4, 16).inputs[:, ::2], data.load(2, 16).inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": 4}, "split=4: expected 1, 2 or 3"),
        ({"validation": 0}, "validation=0: expected a fraction"),
        ({"validation": 1.0}, "validation=1.0: expected a fraction"),
        ({"split_seed": -1}, "split_seed=-1: expected 0 or more"),
        ({"classes": "Archery"}, "classes='Archery': expected the names of two classes or more"),
        ({"classes": ["Archery", "Archery"]}, "two classes or more"),
        ({"classes": ["Archery", "Bowls"]}, "expected classes of UCF101, such as Archery, Bowling, .*; came Bowls"),
    ],
)
def test_what_cannot_be_is_refused(ucf: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ucf101(**options, root=ucf).load(2, 16)  # type: ignore[arg-type]


@pytest.mark.parametrize(("frames", "size"), [(0, 16), (4, 7)])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, frames: int, size: int) -> None:
    with pytest.raises(DataError, match=f"frames={frames}, size={size}: expected one frame or more and 8 pixels"):
        ucf101(root=tmp_path).load(frames, size)
