"""The options for large networks, on a small one: the same run from less memory, and what they cannot do is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.video_hashing.data import dataset
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.feeds import TensorFeed
from tests.tasks.video_hashing.data import TinyData


def train(workspace: Path, **options: Any) -> RunResult:
    small: dict[str, Any] = {
        "teacher": {"frames": 4, "width": 6},
        "student": {"frames": 2, "width": 4},
        "encoder": "hara_resnet18",
        "bits": 8,
        "margin": 3.0,
        "batch": 12,
        "epochs": 2,
        "evaluate_every": 1,
    }
    task = VideoHashing(TinyData("frames"), **(small | options))
    workspace.mkdir()
    return task.train(RunRequest("student", {"learning_rate": 1e-3}, 3), RunContext(workspace, keep_weights=True))


def test_recomputed_blocks_train_as_kept_ones_do(tmp_path: Path) -> None:
    usual, again = train(tmp_path / "usual"), train(tmp_path / "again", activation_checkpointing=True)
    assert again.curve["loss"] == pytest.approx(usual.curve["loss"], rel=1e-5)
    states = [torch.load(str(row.weights), weights_only=True)["state"] for row in (usual, again)]
    assert list(states[0]) == list(states[1])
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize(
    "options", [{"micro_batch": 5}, {"precision": "bfloat16"}, {"micro_batch": 6, "activation_checkpointing": True}]
)
def test_they_begin_near_the_usual_run_and_learn(tmp_path: Path, options: dict[str, Any]) -> None:
    usual, other = train(tmp_path / "usual"), train(tmp_path / "other", **options)
    assert other.state == "done"
    assert other.curve["loss"][0] == pytest.approx(usual.curve["loss"][0], rel=0.2), "but for norms of fewer clips"
    assert other.curve["loss"][0] != usual.curve["loss"][0], "the option does something"
    assert other.curve["loss"][-1] < other.curve["loss"][0]


def test_an_encoder_without_blocks_is_named(tmp_path: Path) -> None:
    task = VideoHashing(TinyData("poses"), activation_checkpointing=True)
    with pytest.raises(StudyFileError, match="PoseConv names no blocks to compute again; leave it out, or choose"):
        task.train(RunRequest("student", {}, 0), RunContext(tmp_path))


@pytest.mark.parametrize("options", [{"micro_batch": 5}, {"precision": "bfloat16"}, {"activation_checkpointing": True}])
def test_such_runs_train_one_by_one(options: dict[str, Any]) -> None:
    task = VideoHashing(TinyData("frames"), **options)
    assert not task.trains_together(RunRequest("student", {}, 0))
    assert [layout.width for layout in task.layouts("cpu")] == [1]


def test_a_batch_is_taken_from_where_the_dataset_lies(tmp_path: Path) -> None:
    data = dataset(VideoHashing(TinyData("frames")), "student", "cpu")
    clips = torch.tensor([3, 0, 2])
    assert torch.equal(TensorFeed(data.inputs).take(clips, torch.device("cpu")), data.inputs[clips])
    moved = TensorFeed(data.inputs).take(clips, torch.device("meta"))
    assert (moved.device.type, moved.shape) == ("meta", data.inputs[clips].shape)
