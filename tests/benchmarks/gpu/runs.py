"""Whole runs of video hashing for the checks: one alone by its own stepper, and the same ones as a population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import override

from kdsearch.data.folds import Fold
from kdsearch.tasks.base import RunContext, RunRequest
from kdsearch.tasks.runner import (
    Form,
    StudentPopulation,
    initial_network,
    make_member,
    one_run,
    run_params,
)
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.loop import train_one
from kdsearch.training.members import Member
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.steppers import PlainStepper

RUNS = [
    RunRequest("student", {"learning_rate": 1e-3}, 1),
    RunRequest("student", {"learning_rate": 3e-3, "weight_decay": 1e-2}, 2, fold=Fold(0, 1)),
    RunRequest("student", {"triplet_weight": 0.0}, 3, fold=Fold(0, 2)),
    RunRequest("student", {"triplet_weight": 0.5, "patience": 1}, 3),
]


@dataclass
class Watched:
    """A run's ``first`` weights by name, the clips of its steps, and their losses."""

    first: dict[str, Tensor] = field(default_factory=dict)
    clips: list[list[int]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class _Stepper(PlainStepper):
    """Writes down each step."""

    seen: Watched | None = None

    @override
    def step(self, clips: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        if self.seen is None:
            return super().step(clips, sizes)
        if not self.seen.clips:
            self.seen.first = self.weights(0)
        loss = super().step(clips, sizes)
        self.seen.clips += clips.tolist()
        self.seen.losses.append(float(loss))
        return loss


def alone(
    task: VideoHashing,
    request: RunRequest,
    device: str,
    dtype: torch.dtype,
    workspace: Path,
    seen: Watched | None = None,
) -> Member:
    """One run by itself: a module of ``dtype`` and torch's optimizer."""
    params, workload = run_params(task, request), task.make_workload("student", device, request.fold)
    model = initial_network(workload, request, params).to(device, dtype)
    stepper = _Stepper(
        model,
        make_optimizer(task.optimizer_of("student"), model.parameters(), float(params["weight_decay"])),
        workload.feed(dtype),
        one_run(workload.terms(1, dtype), workload.loss_weights(request, params)),
    )
    stepper.seen = seen
    member = make_member(task, workload, request, _context(workspace, device), params)
    train_one(stepper, workload.evaluate(), member)
    return member


def together(
    task: VideoHashing,
    requests: Sequence[RunRequest],
    device: str,
    form: Form,
    width: int,
    dtype: torch.dtype,
    workspace: Path,
) -> list[Member]:
    """The runs as members of one population with ``width`` slots, in the order of the requests."""
    population = StudentPopulation(task, device, width, form, dtype)
    members = [population.member(request, _context(workspace / str(i), device)) for i, request in enumerate(requests)]
    waiting = list(members)

    def claim(free: int) -> list[Member]:
        claimed, waiting[:free] = waiting[:free], []
        return claimed

    population.train_all(claim)
    return members


def _context(workspace: Path, device: str) -> RunContext:
    workspace.mkdir(parents=True, exist_ok=True)
    return RunContext(workspace, device, keep_weights=True)
