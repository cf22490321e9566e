"""Video hashing as a task whose runs train together: jobs in, results out, and how fast each layout is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from kdsearch.tasks import runner
from kdsearch.tasks.base import Job, Layout, RunContext, RunRequest, RunResult, TrainsTogether
from kdsearch.tasks.video_hashing.task import VideoHashing
from tests.tasks.video_hashing.data import drawn

NUMBERS: list[dict[str, Any]] = [
    {"learning_rate": 1e-3},
    {"representation_weight": 2.0, "learning_rate": 3e-3},
    {"alpha": 0.7, "temperature": 3.0},
    {"triplet_weight": 0.2, "weight_decay": 1e-2},
]


class Listed:
    """Jobs that are all there."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.waiting = list(jobs)
        self.results: dict[int, RunResult | None] = {}
        self.errors: dict[int, Exception] = {}

    def claim(self, free: int) -> Sequence[Job]:
        claimed, self.waiting = self.waiting[:free], self.waiting[free:]
        return claimed

    def ended(self, results: Sequence[tuple[Job, RunResult | None]]) -> None:
        self.results.update({job.request.seed: result for job, result in results})

    def failed(self, job: Job, error: Exception) -> None:
        self.errors[job.request.seed] = error


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    result = drawn(folder, epochs=1).train(RunRequest("teacher", {}, 9), RunContext(folder))
    assert result.weights is not None
    return result.weights


def job(workspace: Path, numbers: dict[str, Any], seed: int, teacher: Path | None) -> Job:
    workspace.mkdir(parents=True)
    return Job(RunRequest("student", numbers, seed, teacher), RunContext(workspace, keep_weights=seed == 0))


@pytest.mark.parametrize("form", ["looped", "vmapped"])
def test_jobs_give_the_results_of_the_runs_alone(tmp_path: Path, teacher: Path, form: str) -> None:
    task = drawn(tmp_path, epochs=3, reductions=2)
    assert isinstance(task, TrainsTogether)
    jobs = Listed([job(tmp_path / f"t{seed}", row, seed, teacher) for seed, row in enumerate(NUMBERS)])
    task.population(Layout(3, form), "cpu").train(jobs)
    assert not jobs.errors
    for seed, row in enumerate(NUMBERS):
        given, together = job(tmp_path / f"a{seed}", row, seed, teacher), jobs.results[seed]
        alone = task.train(given.request, given.context)
        assert together is not None
        assert (together.state, together.epochs) == (alone.state, alone.epochs) == ("done", 3)
        assert together.curve["loss"][0] == pytest.approx(alone.curve["loss"][0], rel=1e-3)
        assert together.objective == pytest.approx(alone.objective, abs=0.02)
        assert together.curve["epoch"] == alone.curve["epoch"]
    kept = jobs.results[0]
    assert kept is not None
    assert kept.weights is not None
    state = torch.load(kept.weights, weights_only=True)["state"]
    assert all(value.isfinite().all() for value in state.values())


def test_a_job_whose_result_cannot_be_made_fails_alone(
    tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For want of disk for its weights, say: the others of its boundary are stored."""
    task = drawn(tmp_path, epochs=2, reductions=2)
    jobs = Listed([job(tmp_path / f"t{seed}", row, seed, teacher) for seed, row in enumerate(NUMBERS)])
    make = runner.make_result

    def made(task: Any, request: RunRequest, *rest: Any) -> RunResult:
        if request.seed == 1:
            raise OSError("no space left")
        return make(task, request, *rest)

    monkeypatch.setattr(runner, "make_result", made)
    task.population(Layout(4, "looped"), "cpu").train(jobs)
    assert {seed: str(error) for seed, error in jobs.errors.items()} == {1: "no space left"}
    assert sorted(jobs.results) == [0, 2, 3]


def test_a_job_without_its_teacher_fails_alone(tmp_path: Path) -> None:
    task = drawn(tmp_path, epochs=3, reductions=2)
    jobs = Listed([job(tmp_path / f"t{seed}", row, seed, None) for seed, row in enumerate(NUMBERS)])
    task.population(Layout(2, "looped"), "cpu").train(jobs)
    assert sorted(jobs.errors) == [1, 2], "those whose teacher weights are not 0"
    assert "needs a teacher" in str(jobs.errors[1])
    assert sorted(jobs.results) == [0, 3]


def test_teachers_and_teachers_in_train_mode_stay_alone(tmp_path: Path) -> None:
    task = drawn(tmp_path, epochs=3, reductions=2)
    assert task.trains_together(RunRequest("student", {}, 0))
    assert not task.trains_together(RunRequest("teacher", {}, 0))
    live = drawn(tmp_path, epochs=3, reductions=2, quirks=("teacher_train_mode",))
    assert not live.trains_together(RunRequest("student", {}, 0))
    assert live.layouts("cpu") == [Layout(1)]


def test_every_layout_can_be_timed_and_the_key_names_what_it_depends_on(tmp_path: Path) -> None:
    task = drawn(tmp_path, epochs=3, reductions=2)
    layouts = task.layouts("cpu")
    assert layouts[0] == Layout(1)
    assert {layout.form for layout in layouts[1:]} == {"looped", "vmapped"}
    for layout in (Layout(1), Layout(2, "looped"), Layout(2, "vmapped")):
        assert 0 < task.seconds_a_step(layout, "cpu") < 60
    key = task.population_key("cpu")
    assert key == drawn(tmp_path, epochs=3, reductions=2).population_key("cpu")
    assert key != drawn(tmp_path, epochs=3, reductions=2, batch=41).population_key("cpu")
    assert key != drawn(tmp_path, epochs=3, reductions=2, student={"frames": 10, "width": 5}).population_key("cpu")


def test_a_layer_that_does_not_stack_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = VideoHashing.build

    def with_dropout(*given: Any) -> torch.nn.Module:
        network = build(*given)
        network.encoder.norms[0] = torch.nn.Sequential(network.encoder.norms[0], torch.nn.Dropout(0.5))
        return network

    monkeypatch.setattr(VideoHashing, "build", with_dropout)
    task = drawn(tmp_path)
    assert task.seconds_a_step(Layout(2, "looped"), "cpu") > 0
    with pytest.raises(ValueError, match=r"encoder\.norms\.0\.1 \(Dropout\).*it trains as a loop, .*StreamDropout"):
        task.seconds_a_step(Layout(2, "vmapped"), "cpu")
