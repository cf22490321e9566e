"""Facts of the real archives; skipped aloud where KDSEARCH_DATA names none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kdsearch.data import available, jhmdb, pack, verify
from kdsearch.data.clips import ClipTable, Modality
from kdsearch.data.files import read_npz
from kdsearch.data.jhmdb.archive import FILES, open_archive
from kdsearch.data.jhmdb.locate import locate
from kdsearch.data.jhmdb.names import CLASSES, JOINTS, source_of
from kdsearch.data.jhmdb.official import lists_folder, read_lists

pytestmark = pytest.mark.real_data

TAKEN = ("clap", "kick_ball", "wave")


@pytest.mark.parametrize(
    ("modality", "clips", "classes", "counts"),
    [
        ("poses", 609, 14, {"split1": (433, 176), "split2": (433, 176), "split3": (434, 175)}),
        ("silhouettes", 928, 21, {"split1": (660, 268), "split2": (658, 270), "split3": (663, 265)}),
    ],
)
def test_official_numbers(
    real_root: Path, modality: Modality, clips: int, classes: int, counts: dict[str, tuple[int, int]]
) -> None:
    for protocol, (train, test) in counts.items():
        data = jhmdb(protocol, modality, root=real_root)
        loaded = data.load(2)
        assert (len(loaded), len(loaded.classes), data.num_classes) == (clips, classes, classes)
        assert (len(loaded.database), len(loaded.query)) == (train, test)
        assert len(np.intersect1d(loaded.groups[loaded.database], loaded.groups[loaded.query])) == 0
        assert len(loaded.train) + len(loaded.validation) == train
        assert 0.15 < len(loaded.validation) / train < 0.25
        assert (np.bincount(loaded.labels[loaded.validation], minlength=classes) >= 1).all()
        assert (np.bincount(loaded.labels[loaded.train], minlength=classes) >= 1).all()


def test_words(real_root: Path) -> None:
    data = jhmdb(validation=0.2, root=real_root)
    assert data.label == "poses-split1"
    assert data.description == (
        "JHMDB poses, 609 clips of 14 of 21 classes, official split 1: 433 train (database), 176 test (query); "
        "89 validation clips held out of train by source video (split seed 0)"
    )
    assert data.identity()["source"] == "real"


def test_shapes_and_values(real_root: Path) -> None:
    poses = jhmdb(root=real_root).load(10).inputs
    assert poses.shape == (609, 10, 15, 2)
    assert poses.dtype == np.float32
    np.testing.assert_allclose(poses[0, 0, 0], [-0.071, -0.188], atol=1e-6)
    masks = jhmdb(modality="masks", root=real_root).load(2).inputs
    assert masks.shape == (928, 2, 120, 160)
    assert masks.max() == 1
    silhouettes = jhmdb(modality="silhouettes", root=real_root).load(2).inputs
    assert silhouettes.shape == (928, 2, 32, 32)
    assert silhouettes.max() == 15


def test_the_same_videos_validate_in_every_modality(real_root: Path) -> None:
    poses, masks = (jhmdb("split1", m, root=real_root).load(1) for m in ("poses", "silhouettes"))
    of_poses = {poses.names[i] for i in poses.validation}
    of_masks = {masks.names[i] for i in masks.validation}
    assert of_poses == {name for name in of_masks if name in set(poses.names)}


@pytest.mark.parametrize("split_seed", [0, 1, 2])
def test_seed_protocol(real_root: Path, split_seed: int) -> None:
    data = jhmdb("seed", "silhouettes", split_seed=split_seed, root=real_root)
    loaded = data.load(1)
    assert len(loaded.train) + len(loaded.validation) == 210
    assert (len(loaded.query), len(loaded.database)) == (210, 420)
    assert loaded.shared == ()
    assert len(np.intersect1d(loaded.groups[loaded.query], loaded.groups[loaded.database])) == 0
    assert data.label == f"silhouettes-seed{split_seed}-5folds"


def test_fingerprint_is_stable(real_root: Path) -> None:
    first = jhmdb(root=real_root).fingerprint()
    assert len(first) == 16
    assert first == jhmdb("split2", root=real_root).fingerprint()
    assert first != jhmdb(modality="silhouettes", root=real_root).fingerprint()
    row = next(row for row in available(real_root) if row.modality == "poses")
    assert (row.fingerprint, row.clips, row.classes) == (first, 609, 14)


def test_names_tell_the_archives_source_videos(real_root: Path) -> None:
    path = locate("silhouettes", real_root).path
    assert path is not None
    table = open_archive(path, "silhouettes").table
    sources = [source_of(name, table.classes[label]) for name, label in zip(table.names, table.labels, strict=True)]
    assert np.unique(sources, return_inverse=True)[1].tolist() == table.groups.tolist()
    assert table.classes == CLASSES


def test_official_lists_agree_with_the_archive(real_root: Path) -> None:
    path = locate("silhouettes", real_root).path
    assert path is not None
    folder = lists_folder(path.parent)
    if folder is None:
        pytest.skip("KDSEARCH_DATA names no official split lists")
    lists, packed = read_lists(folder), open_archive(path, "silhouettes").table
    assert lists.names == packed.names
    for key in ("labels", "splits", "groups"):
        assert np.array_equal(getattr(lists, key), getattr(packed, key))


@pytest.mark.slow
def test_everything_verifies(real_root: Path) -> None:
    findings = verify(real_root)
    assert {finding.file.name for finding in findings} >= set(FILES.values())
    assert all(finding.ok for finding in findings), findings


def _rows(table: ClipTable) -> list[tuple[str, str, str]]:
    return [
        (table.classes[label], name, "".join(map(str, split)))
        for name, label, split in zip(table.names, table.labels, table.splits, strict=True)
    ]


@pytest.mark.parametrize("modality", ["poses", "masks"])
def test_packing_gives_the_archive_back(
    real_root: Path, tmp_path: Path, layout: SimpleNamespace, modality: Modality
) -> None:
    path = locate(modality, real_root).path
    assert path is not None
    source = open_archive(path, modality)
    rows = [row for row in enumerate(_rows(source.table)) if row[1][0] in TAKEN]
    rows = [row for row in rows if modality == "poses" or row[1][0] == "clap"]  # Masks are slow to write.
    layout.lists(tmp_path / "splits", [row for _, row in rows])
    for i, (class_name, name, _) in rows:
        if modality == "poses":
            layout.joints(tmp_path / "joint_positions" / class_name / name, source.clip(i, None))
        else:
            layout.masks(tmp_path / "puppet_mask" / class_name / name, source.clip(i, None))
    packed = pack(tmp_path, tmp_path / "packed", modality)
    with np.load(path, allow_pickle=False) as theirs:
        keys = tuple(theirs.keys())
        want = {key: theirs[key] for key in keys}
    got = read_npz(packed, keys)
    index = [i for i, _ in rows]
    for key in keys:
        assert (got[key].dtype.kind, got[key].ndim) == (want[key].dtype.kind, want[key].ndim), key
        assert got[key].dtype == want[key].dtype or got[key].dtype.kind == "U", key
    for key in ("label", "name", "split"):
        assert np.array_equal(got[key], want[key][index])
    assert got["classes"].tolist() == want["classes"].tolist()
    again = open_archive(packed, modality)
    for j, i in enumerate(index):
        assert np.array_equal(again.clip(j, None), source.clip(i, None))
    # Groups are counted over the clips at hand, so the partition agrees and not the numbers.
    assert len(set(zip(got["source_group"].tolist(), want["source_group"][index].tolist(), strict=True))) == len(
        set(got["source_group"].tolist())
    )
    if modality == "poses":
        assert want["joints"].tolist() == list(JOINTS)


def test_silhouettes_of_masks_are_close_to_the_archive(real_root: Path, tmp_path: Path) -> None:
    from kdsearch.data.jhmdb.silhouettes import silhouettes

    paths = [locate(m, real_root).path for m in ("masks", "silhouettes")]
    assert paths[0] is not None
    assert paths[1] is not None
    masks, small = open_archive(paths[0], "masks"), open_archive(paths[1], "silhouettes")
    for row in (0, 100, 300, 500, 700, 900):
        full = masks.clip(row, None).astype(bool).repeat(2, axis=1).repeat(2, axis=2)
        ours = silhouettes(full)[0].astype(float)
        # Halved masks are all there is here, so edges differ by part of a gray step of 15.
        assert np.abs(ours - small.clip(row, None)).mean() < 0.35


def test_readers_on_an_official_clip(real_root: Path) -> None:
    from kdsearch.data.jhmdb.official import read_joints
    from kdsearch.data.video import read_clip

    folder = next((f for f in (real_root / "example_clip", real_root / "jhmdb/example_clip") if f.is_dir()), None)
    if folder is None:
        pytest.skip("KDSEARCH_DATA names no example clip")
    assert read_joints(folder / "estimated_joint_positions.mat").shape == (40, 15, 2)
    video, images = read_clip(next(folder.glob("*.avi")), 20, 112), read_clip(folder, None, 112)
    assert video.shape == (20, 112, 112, 3)
    assert images.shape == (3, 112, 112, 3)
    # The first PNG is the first frame of the video, up to the video's compression.
    assert np.abs(video[0].astype(int) - images[0]).mean() < 3
