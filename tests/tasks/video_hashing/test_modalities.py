"""Teacher, then student with its help, on every modality of JHMDB: synthetic data, and the real archives if named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kdsearch.data import jhmdb
from kdsearch.data.jhmdb.archive import FILES
from kdsearch.data.jhmdb.locate import bases
from kdsearch.data.roots import VARIABLE
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.video_hashing.task import VideoHashing

_NAMED = os.environ.get(VARIABLE, "").strip()

SMALL = {"teacher": {"frames": 4, "width": 2}, "student": {"frames": 2, "width": 1}, "epochs": 1}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "silhouettes",
        "silhouette_conv",
        {"teacher": {"frames": 20, "width": 3}, "student": {"frames": 10, "width": 2}, "epochs": 2},
    ),
    ("masks", "silhouette_conv", SMALL),
    ("poses", "pose_conv", {"epochs": 2}),
]


def train_both(task: VideoHashing, workspace: Path) -> RunResult:
    """A student that distils from a teacher of the same task; both are checked."""
    teacher = task.train(RunRequest("teacher", {}, 1), RunContext(workspace / "teacher"))
    params = {"representation_weight": 1.0, "alpha": 0.5}
    student = task.train(RunRequest("student", params, 2, teacher.weights), RunContext(workspace / "student"))
    for result in (teacher, student):
        assert result.state == "done"
        assert result.score is not None
        assert 0 < result.objective < 1
        assert 0 < result.score < 1
        assert result.epochs == task.epochs
    return student


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "encoder", "options"), CASES)
def test_synthetic_data(tmp_path: Path, modality: str, encoder: str, options: dict[str, Any]) -> None:
    task = VideoHashing(jhmdb(modality=modality, root=tmp_path), **options)
    assert task.label == f"standin-{modality}-split1-5folds"
    assert task.encoder_name("student") == encoder
    train_both(task, tmp_path)


def test_synthetic_frames(tmp_path: Path) -> None:
    task = VideoHashing(jhmdb(modality="frames", root=tmp_path), size=56, **SMALL)
    assert task.encoder_name("student") == "hara_resnet18"
    train_both(task, tmp_path)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("modality", "encoder", "options"), CASES)
def test_real(tmp_path: Path, modality: Any, encoder: str, options: dict[str, Any]) -> None:
    if not _NAMED or not any((base / FILES[modality]).is_file() for base in bases(Path(_NAMED))):
        pytest.skip(f"{VARIABLE} names no folder with {FILES[modality]}")
    task = VideoHashing(jhmdb(modality=modality, root=_NAMED), **options)
    assert task.label == f"{modality}-split1-5folds"
    assert task.encoder_name("teacher") == encoder
    student = train_both(task, tmp_path)
    assert student.objective > 0.9 * task.chance


@pytest.mark.real_data
def test_a_process_that_changes_its_data_does_not_keep_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.environ.get("KDSEARCH_DATA"):
        pytest.skip("KDSEARCH_DATA names no JHMDB archives")
    from kdsearch.tasks.video_hashing.data import dataset

    task = VideoHashing(data=jhmdb())
    real = dataset(task, "student", "cpu")
    monkeypatch.delenv("KDSEARCH_DATA")
    synthetic = dataset(task, "student", "cpu")
    assert real.inputs.shape != synthetic.inputs.shape or not real.inputs.equal(synthetic.inputs)
