"""A root with the real archives (or an honest skip), and a small official layout made for the tests."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io

from kdsearch.data.roots import VARIABLE

# Source videos of two classes with their clips' split memberships; no source is in both parts of a split.
SOURCES = {
    "catch": {"Ball": ("112", 2), "Frisbee_@_7": ("121", 1), "Keeper_(x)": ("211", 2), "Net": ("112", 1)},
    "kick_ball": {"Fouls": ("121", 2), "Goal_kick_ball_Day": ("211", 1), "Zone": ("112", 2)},
}


@pytest.fixture(autouse=True)
def _unnamed_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test reads may not depend on the machine; the real root comes through ``real_root`` alone."""
    monkeypatch.delenv(VARIABLE, raising=False)


_NAMED = os.environ.get(VARIABLE, "")


@pytest.fixture
def real_root() -> Path:
    names = ("jhmdb_pose.npz", "jhmdb_masks_120x160.npz", "jhmdb_silhouette32.npz")
    root = Path(_NAMED)
    for base in (root, root / "jhmdb", root / "JHMDB"):
        if _NAMED and all((base / name).is_file() for name in names):
            return root
    pytest.skip("KDSEARCH_DATA names no JHMDB archives")


@pytest.fixture(scope="session")
def real_lists() -> Path:
    for folder in (Path(_NAMED) / "action_splits", Path(_NAMED)):
        if _NAMED and (folder / "ucf101.csv").is_file() and (folder / "hmdb51.csv").is_file():
            return folder
    pytest.skip(f"{VARIABLE} names no action_splits")


@pytest.fixture(scope="session")
def whole(real_lists: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All names of both sets as empty files in the official layouts, with the real lists beside them."""
    root = tmp_path_factory.mktemp("action")
    for name, media in (("ucf101", "ucf101/UCF-101"), ("hmdb51", "hmdb51/hmdb51_org")):
        with open(real_lists / f"{name}.csv", newline="") as text:
            for row in csv.DictReader(text):
                folder = root / media / row["class"]
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{row['video']}.avi").touch()
    (root / "action_splits").symlink_to(real_lists.resolve())
    return root


def write_lists(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    """Split lists of rows of class, video name and its three memberships as text."""
    folder.mkdir(parents=True, exist_ok=True)
    for class_name in {row[0] for row in rows}:
        for split in range(3):
            lines = [f"{name}.avi {marks[split]}\n" for c, name, marks in rows if c == class_name]
            (folder / f"{class_name}_test_split{split + 1}.txt").write_text("".join(lines))


def write_joints(folder: Path, poses: np.ndarray) -> None:
    """One joint_positions.mat of ``(T, 15, 2)``."""
    folder.mkdir(parents=True, exist_ok=True)
    joints = poses.astype(np.float64).transpose(2, 1, 0)
    scipy.io.savemat(folder / "joint_positions.mat", {"pos_world": joints, "pos_img": joints * 100})


def write_masks(folder: Path, masks: np.ndarray) -> None:
    """One puppet_mask.mat of halved masks ``(T, 120, 160)``, each pixel doubled again."""
    folder.mkdir(parents=True, exist_ok=True)
    full = masks.repeat(2, axis=1).repeat(2, axis=2).transpose(1, 2, 0).astype(np.uint8)
    scipy.io.savemat(folder / "puppet_mask.mat", {"part_mask": full}, do_compression=True)


def small_rows() -> list[tuple[str, str, str]]:
    return [
        (class_name, f"{source}_{class_name}_f_cm_np1_fr_med_{i}", marks)
        for class_name, sources in SOURCES.items()
        for source, (marks, count) in sources.items()
        for i in range(count)
    ]


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Eleven clips in the official layout: poses, masks and PNG frames."""
    from PIL import Image

    root = tmp_path / "official"
    rows, draws = small_rows(), np.random.default_rng(0)
    write_lists(root / "splits", rows)
    for i, (class_name, name, _) in enumerate(rows):
        length = 3 + i % 4
        poses = draws.normal(size=(length, 15, 2)).astype(np.float32)
        write_joints(root / "joint_positions" / class_name / name, poses)
        masks = np.zeros((length, 120, 160), dtype=np.uint8)
        for t in range(length):
            masks[t, 20 : 60 + i, 30 + 2 * t : 50 + 2 * t] = 1
        write_masks(root / "puppet_mask" / class_name / name, masks)
        images = root / "Rename_Images" / class_name / name
        images.mkdir(parents=True)
        for t in range(length):
            Image.new("RGB", (32, 24), (10 * i, 20 * t, 7)).save(images / f"{t + 1:05d}.png")
    return root


@pytest.fixture
def layout() -> SimpleNamespace:
    """The writers above, for tests that make another layout."""
    return SimpleNamespace(lists=write_lists, joints=write_joints, masks=write_masks, rows=small_rows)
