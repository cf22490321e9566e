"""What only a CUDA device can show: the trainer there is the trainer on the CPU, and RGB networks train.

Needs torch, torchvision, numpy and pytest, nothing of ledger or engines, so that it also runs from a bare copy of the
tree on a machine where the rest is not installed:

    python -m pytest --noconftest -p no:cacheprovider -o addopts="" tests/training/test_gpu.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kdsearch.data.clips import Clips
from kdsearch.data.jhmdb.declaration import jhmdb
from kdsearch.errors import RunInterrupted
from kdsearch.metrics.retrieval import mean_average_precision
from kdsearch.tasks import runner
from kdsearch.tasks.base import RunContext, RunRequest, RunResult
from kdsearch.tasks.video_hashing import teacher as teachers
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.steppers import PlainStepper

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

GPU = "cuda"
SIZE = 112
DISTIL = {"representation_weight": 1.0, "alpha": 0.5}


class Watched(PlainStepper):
    """Remembers its first weights, the clips and loss of each step, and parameters that got no gradient."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.first = self.weights(0)
        self.batches: list[list[int]] = []
        self.losses: list[float] = []
        self.without_gradient: set[str] = set()

    def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        loss = super().step(clips, sizes)
        self.batches += clips.tolist()
        self.losses.append(float(loss))
        for name, parameter in self.model.named_parameters():
            if parameter.grad is None or not float(parameter.grad.abs().sum()) > 0:
                self.without_gradient.add(name)
        return loss


@pytest.fixture
def steppers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Watched]]:
    """The steppers of this test's runs, in order."""
    made: list[Watched] = []

    def make(*arguments: Any, **options: Any) -> Watched:
        made.append(Watched(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(runner, "PlainStepper", make)
    teachers.TEACHERS.clear()
    yield made
    teachers.TEACHERS.clear()


def run(task: VideoHashing, workspace: Path, device: str = GPU, **request: Any) -> RunResult:
    given = {"role": "student", "params": {}, "seed": 7} | request
    report = given.pop("report", lambda epoch, objective: None)
    return task.train(RunRequest(**given), RunContext(workspace, device, keep_weights=True, report=report))


def poses(root: Path, **options: Any) -> VideoHashing:
    """Drawn figures: ``root`` holds no data."""
    networks = {"teacher": {"frames": 20, "width": 16}, "student": {"frames": 10, "width": 8}}
    return VideoHashing(jhmdb(root=root), **({**networks, "epochs": 2, "evaluate_every": 1} | options))


def assert_close(one: RunResult, two: RunResult) -> None:
    """As close as Adam leaves two runs that differ in the order of sums."""
    assert one.state == two.state == "done"
    assert one.curve["epoch"] == two.curve["epoch"]
    assert one.curve["loss"] == pytest.approx(two.curve["loss"], rel=0.01)
    assert one.curve["objective"] == pytest.approx(two.curve["objective"], abs=0.02)
    assert one.score == pytest.approx(two.score, abs=0.03)


def test_a_seed_is_the_same_run_on_both_devices(tmp_path: Path, steppers: list[Watched]) -> None:
    task = poses(tmp_path)
    on_cpu = run(task, tmp_path / "cpu", "cpu")
    on_gpu = run(task, tmp_path / "gpu")
    first, second = steppers
    assert second.feed.inputs.device.type == torch.device(GPU).type
    assert all(torch.equal(value, second.first[name]) for name, value in first.first.items())
    assert first.batches == second.batches
    assert first.losses[0] == pytest.approx(second.losses[0], rel=1e-4)
    assert_close(on_cpu, on_gpu)
    assert on_gpu.device == GPU
    assert on_gpu.peak_memory > second.feed.inputs.nbytes


def test_resumed_equals_unbroken(tmp_path: Path, steppers: list[Watched]) -> None:
    task = poses(tmp_path, epochs=4)
    teacher = run(task, tmp_path / "teacher", role="teacher").weights

    def interrupt(epoch: int, objective: float) -> None:
        if epoch == 2:
            raise RunInterrupted

    options: dict[str, Any] = {"teacher": teacher, "params": DISTIL}
    whole = run(task, tmp_path / "whole", **options)
    with pytest.raises(RunInterrupted):
        run(task, tmp_path / "cut", report=interrupt, **options)
    resumed = run(task, tmp_path / "cut", **options)
    assert_close(whole, resumed)
    _, unbroken, before, after = steppers
    assert before.batches + after.batches == unbroken.batches


def test_the_metric_is_the_same_on_both_devices() -> None:
    generator = torch.Generator().manual_seed(0)
    query, database = (torch.randn(n, 48, generator=generator) for n in (40, 300))
    relevant = torch.randint(0, 5, (40, 1), generator=generator) == torch.randint(0, 5, (300,), generator=generator)
    want = float(mean_average_precision(query, database, relevant))
    got = float(mean_average_precision(query.to(GPU), database.to(GPU), relevant.to(GPU)))
    assert got == pytest.approx(want, abs=1e-12)


@dataclass(frozen=True)
class Noise:
    """40 clips of 4 classes, bytes without meaning: 24 train, 8 validate, 8 query."""

    label: str = "noise"
    description: str = "random bytes"
    modality: str = "frames"

    def identity(self) -> dict[str, Any]:
        return {"data": "noise"}

    def fingerprint(self) -> str:
        return "noise"

    def parts(self) -> Clips:
        return self.load(1, 8)

    def load(self, frames: int, size: int | None = None) -> Clips:
        rows, pixels = np.arange(40), size or SIZE
        return Clips(
            inputs=np.random.default_rng(0).integers(0, 256, (40, frames, pixels, pixels, 3), dtype=np.uint8),
            labels=rows % 4,
            groups=rows,
            names=tuple(f"clip{row}" for row in rows),
            classes=("a", "b", "c", "d"),
            train=rows[:24],
            validation=rows[24:32],
            database=rows[:32],
            query=rows[32:],
        )


@pytest.mark.parametrize("encoder", ["hara_resnet18", "r3d_18"])
def test_rgb_networks_distil(
    tmp_path: Path, steppers: list[Watched], monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    networks = {"teacher": {"frames": 20}, "student": {"frames": 10}}
    task = VideoHashing(Noise(), encoder=encoder, batch=8, epochs=1, size=SIZE, **networks)  # type: ignore[arg-type]
    teacher = run(task, tmp_path / "teacher", role="teacher").weights
    assert teacher is not None
    loaded: list[nn.Module] = []
    load = teachers.load_network

    def watch(*arguments: Any) -> Any:
        loaded.append(load(*arguments))
        return loaded[-1]

    monkeypatch.setattr(teachers, "load_network", watch)
    result = run(task, tmp_path / "student", teacher=teacher, params={**DISTIL, "learning_rate": 1e-3})
    student = steppers[-1]
    assert student.inputs.shape == (40, 3, 10, SIZE, SIZE)
    assert [len(batch) for batch in student.batches] == [8, 8, 8]
    assert np.isfinite(student.losses).all()
    assert student.without_gradient == set()
    assert result.state == "done"
    assert result.peak_memory > student.inputs.nbytes

    (network,) = loaded
    saved = torch.load(teacher, weights_only=True)["state"]
    assert set(saved) == set(network.state_dict())
    assert all(torch.equal(value.cpu(), saved[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
