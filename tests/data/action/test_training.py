"""Video hashing on action clips: a few steps on synthetic data and on made videos, and what is held in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdsearch.data import hmdb51, ucf101
from kdsearch.data.action.declaration import ActionVideos
from kdsearch.engines.study_file import load_study
from kdsearch.tasks.base import RunContext, RunRequest
from kdsearch.tasks.video_hashing.data import dataset
from kdsearch.tasks.video_hashing.task import VideoHashing
from tests.data.action.layout import write_ucf

TINY: dict[str, Any] = {
    "size": 16, "batch": 12, "epochs": 2, "evaluate_every": 1,
    "teacher": {"frames": 4, "width": 2}, "student": {"frames": 2, "width": 1},
}  # fmt: skip
STUDY = "studies/ucf101_weights.py"


def train_both(data: ActionVideos, workspace: Path) -> None:
    task = VideoHashing(data, **TINY)
    assert task.encoder_name("student") == "hara_resnet18"
    teacher = task.train(RunRequest("teacher", {}, 1), RunContext(workspace / "teacher"))
    params = {"representation_weight": 1.0, "alpha": 0.5}
    student = task.train(RunRequest("student", params, 2, teacher.weights), RunContext(workspace / "student"))
    for result in (teacher, student):
        assert result.state == "done"
        assert 0 < result.objective < 1
        assert result.score is not None
        assert result.epochs == 2


@pytest.mark.parametrize("declare", [ucf101, hmdb51])
def test_synthetic(tmp_path: Path, home: Path, declare: Any) -> None:
    train_both(declare(classes=("one", "two"), root=tmp_path), tmp_path)


def test_videos(tmp_path: Path, home: Path) -> None:
    train_both(ucf101(validation=0.3, root=write_ucf(tmp_path / "data")), tmp_path)


def test_the_teachers_clips_stay_in_their_file(tmp_path: Path, home: Path) -> None:
    data = ucf101(validation=0.3, root=write_ucf(tmp_path / "data"))
    task = VideoHashing(data, **TINY)
    inputs = dataset(task, "teacher", "cpu").inputs
    assert inputs.dtype == torch.uint8
    assert inputs.shape == (24, 3, 4, 16, 16)
    mapped = data.load(4, 16).inputs
    # Two mappings of one file have two addresses, so that a copy is told by what the memory belongs to.
    held: Any = inputs.permute(0, 2, 3, 4, 1).numpy()
    assert np.array_equal(held, mapped)
    address = held.__array_interface__["data"][0]
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    (owner,) = [row for row in maps if int(row[0].split("-")[0], 16) <= address < int(row[0].split("-")[1], 16)]
    assert owner[-1].endswith(".npy")
    assert owner[1].startswith("r--")


def test_the_studys_full_preset_is_the_seeds_recipe() -> None:
    study = load_study(STUDY, "full")
    task: Any = study.task
    assert (task.network("teacher").frames, task.network("student").frames) == (32, 16)
    assert (task.network("teacher").width, task.network("student").width) == (64, 64)
    assert (task.bits, task.margin, task.batch, task.epochs, task.evaluate_every) == (48, 14.0, 120, 300, 5)
    assert (task.optimizer, task.size, task.data.only, task.data.split) == ("sgd", 112, None, 1)
    assert task.encoder_name("student") == task.encoder_name("teacher") == "hara_resnet18"
    for params in study.baselines.values():
        complete = study.complete(params)
        assert (complete["learning_rate"], complete["weight_decay"]) == (1e-4, 5e-4)


@pytest.mark.parametrize("preset", ["smoke", "cpu", "full"])
def test_the_studys_baselines_are_the_seeds_pairs(preset: str) -> None:
    study = load_study(STUDY, preset)
    pairs = {}
    for name, params in study.baselines.items():
        complete = study.complete(params)
        assert complete["alpha"] == 0
        if name.startswith("seed "):
            assert complete["classification_weight"] == 0
            assert complete["patience"] == 3
            pairs[name] = (complete["triplet_weight"], complete["representation_weight"])
    assert pairs == {
        "seed 1+0.9": (1, 0.9), "seed 1+1": (1, 1), "seed 0.9+1": (0.9, 1), "seed 0.8+1": (0.8, 1),
    }  # fmt: skip
    assert not study.uses_teacher(study.complete(study.baselines["student alone"]))


def test_the_studys_published_figures() -> None:
    published = {figure.label: figure.value for figure in load_study(STUDY, "cpu").published}
    assert published == {
        "student, 16 frames (JHMDB hashing repository)": 0.768573,
        "teacher, 32 frames (JHMDB hashing repository)": 0.801399,
        "KD 1+0.9 (JHMDB hashing repository)": 0.773046,
        "KD 1+1 (JHMDB hashing repository)": 0.773641,
        "KD 0.9+1 (JHMDB hashing repository)": 0.775777,
        "KD 0.8+1 (JHMDB hashing repository)": 0.769519,
    }
