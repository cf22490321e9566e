"""The students of the benchmark: how one run of each is trained, alone and several at once.

Pose and mask students are whole runs of video hashing (networks built, trained, evaluated once, results made). The
others are steps alone, on generated data: images in the shape of CIFAR-10 (cross entropy, batch 128), and 30 frames of
YouTube-8M's features (1024 + 128 numbers, 400 tags: sum of binary cross entropies, batch 40), by SGD.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsearch import data
from kdsearch.distillation.soft_targets import cross_entropy_batchmean
from kdsearch.models.classifiers.cifar import CifarResNet, StudentNet
from kdsearch.models.encoders.nextvlad import NeXtVLAD
from kdsearch.tasks.base import Layout, RunContext, RunRequest
from kdsearch.tasks.layouts import prepared
from kdsearch.tasks.runner import Form, StudentPopulation
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.members import Member
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.forward import looped, vmapped
from kdsearch.training.population.optimizers import make_row_optimizer
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.population.stepper import InitialState, MemberTerms, PopulationStepper, Slots
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper, Stepper
from tests.benchmarks.gpu.flops import count_step
from tests.benchmarks.gpu.graph import CapturedStep
from tests.benchmarks.seconds_per_run.triplets import cube_triplets

STATES = 16
"""Seeds that steps alone begin with where many are timed."""

Run = Callable[[int], float]
"""Seconds of one run in a turn, together: of all of them divided by their number."""


class Student(Protocol):
    """One network and how it is trained, in so many steps a run."""

    steps: int
    batch: int
    rate: float
    """Learning rate of its steps."""

    def flops(self, device: str) -> int:
        """Floating point operations of one run's training: its products, forward and backward."""

    def clips(self, device: str) -> Tensor:
        """Indices ``[n]`` of the samples that give gradients."""

    def stepper(self, device: str, layout: Layout) -> Stepper:
        """Runs in all slots of a layout, each with numbers of its own, at the beginning of an epoch."""

    def capturable(self, device: str) -> PlainStepper:
        """One run whose step never waits for the device, at the beginning of an epoch."""

    def alone(self, device: str, workspace: Path) -> Run:
        """One by one, by the plain stepper."""

    def captured(self, device: str) -> Run:
        """One by one, each step a CUDA graph of the first; ``RuntimeError`` where a step cannot be captured."""

    def together(self, device: str, workspace: Path, form: Form, width: int) -> Run:
        """``width`` at once."""


class Hashing:
    """A student of video hashing on ``clips``, a ``ClipData``, by its default network; evaluated once, at its end."""

    rate = 1e-3

    def __init__(self, clips: Any, width: int, epochs: int, batch: int = 120) -> None:
        self.batch = batch
        self.task = VideoHashing(
            clips,
            teacher={"frames": 20, "width": 8},
            student={"frames": 10, "width": width},
            batch=batch,
            epochs=epochs,
            evaluate_every=epochs,
        )
        count = len(self.task.data.parts().train)
        self.steps = epochs * math.ceil(count / batch)
        self.batches = epochs * count / batch  # the last of an epoch is smaller

    def flops(self, device: str) -> int:
        """See ``Student``."""
        stepper, clips = prepared(self.task, Layout(1), device)
        return round(self.batches * count_step(stepper, clips))

    def clips(self, device: str) -> Tensor:
        """See ``Student``."""
        return self.task.make_workload("student", device).train

    def stepper(self, device: str, layout: Layout) -> Stepper:
        """See ``Student``."""
        stepper, _ = prepared(self.task, layout, device)
        stepper.begin([self.rate] * stepper.width)
        return stepper

    def capturable(self, device: str) -> PlainStepper:
        """See ``Student``: with triplets as a cube, for shapes of sparse ones depend on the labels of the batch."""
        stepper, _ = prepared(self.task, Layout(1), device)
        assert isinstance(stepper, PlainStepper)
        numbers, labels = self.task.parameters, self.task.make_workload("student", device).data.labels

        def loss(outputs: Any, samples: Tensor) -> Tensor:
            triplets = cube_triplets(outputs.codes, labels[samples], self.task.margin)
            hard = cross_entropy_batchmean(outputs.logits, labels[samples])
            return float(numbers["triplet_weight"]) * triplets + float(numbers["classification_weight"]) * hard

        stepper.loss = loss
        stepper.begin([self.rate])
        return stepper

    def alone(self, device: str, workspace: Path) -> Run:
        """See ``Student``."""

        def run(turn: int) -> float:
            begin = time.perf_counter()
            self.task.train(_request(turn), RunContext(workspace / f"alone-{turn}", device))
            wait(device)
            return time.perf_counter() - begin

        return run

    def captured(self, device: str) -> Run:
        """See ``Student``: its steps alone, without the evaluation at its end."""
        rows = self.clips(device)[: self.batch].unsqueeze(0)
        return _captured(self.capturable(device), rows, self.steps, device)

    def together(self, device: str, workspace: Path, form: Form, width: int) -> Run:
        """See ``Student``."""
        population = StudentPopulation(self.task, device, width, form)

        def run(turn: int) -> float:
            begin = time.perf_counter()
            rows = [_request(turn * width + k) for k in range(width)]
            contexts = [RunContext(workspace / f"{form}{width}-{turn}-{k}", device) for k in range(width)]
            members = [population.member(row, context) for row, context in zip(rows, contexts, strict=True)]
            population.train_all(_Queue(members).claim)
            for row, context, member in zip(rows, contexts, members, strict=True):
                population.result(row, context, member)
            wait(device)
            return (time.perf_counter() - begin) / width

        return run


Loss = Callable[[Any, Tensor], Tensor]
"""Outputs ``[..., B, C]`` of a network and targets, to losses ``[...]``."""


class Steps:
    """``steps`` steps on batches of generated ``inputs`` ``[N, ...]`` with ``targets`` ``[N, ...]``."""

    rate = 0.05

    def __init__(
        self, build: Callable[[], nn.Module], inputs: Tensor, targets: Tensor, loss: Loss, steps: int, batch: int
    ) -> None:
        self.build, self.inputs, self.targets, self.loss = build, inputs, targets, loss
        self.steps, self.batch = steps, batch

    def flops(self, device: str) -> int:
        """See ``Student``."""
        return self.steps * count_step(self.capturable(device), self.clips(device)[: self.batch].unsqueeze(0))

    def clips(self, device: str) -> Tensor:
        """See ``Student``."""
        return torch.arange(len(self.inputs), device=device)

    def stepper(self, device: str, layout: Layout) -> Stepper:
        """See ``Student``; states of a few seeds come again and again, for to build thousands takes longer."""
        if layout.width == 1:
            return self.capturable(device)
        stepper = self._population(device, cast("Form", layout.form), layout.width)
        states = [build_seeded(seed, self.build).state_dict() for seed in range(min(layout.width, STATES))]
        for slot in range(layout.width):
            stepper.enter(slot, InitialState(states[slot % STATES], {"weight_decay": 5e-4}, None))
        stepper.begin([self.rate] * layout.width)
        return stepper

    def capturable(self, device: str) -> PlainStepper:
        """See ``Student``: its ordinary step."""
        stepper = self._plain(0, self.inputs.to(device), self.targets.to(device), device)
        stepper.begin([self.rate])
        return stepper

    def alone(self, device: str, workspace: Path) -> Run:
        """See ``Student``."""
        inputs, targets = self.inputs.to(device), self.targets.to(device)

        def run(turn: int) -> float:
            begin = time.perf_counter()
            self._train(self._plain(turn, inputs, targets, device), device)
            return time.perf_counter() - begin

        return run

    def captured(self, device: str) -> Run:
        """See ``Student``: on the first batch again and again."""
        rows = self.clips(device)[: self.batch].unsqueeze(0)
        return _captured(self.capturable(device), rows, self.steps, device)

    def together(self, device: str, workspace: Path, form: Form, width: int) -> Run:
        """See ``Student``."""
        stepper = self._population(device, form, width)

        def run(turn: int) -> float:
            begin = time.perf_counter()
            for slot in range(width):
                state = build_seeded(turn * width + slot, self.build).state_dict()
                stepper.enter(slot, InitialState(state, {"weight_decay": 5e-4}, None))
            self._train(stepper, device)
            return (time.perf_counter() - begin) / width

        return run

    def _population(self, device: str, form: Form, width: int) -> PopulationStepper:
        skeleton = build_seeded(0, self.build).to(device)
        rows = StackedParameters(skeleton, width)
        return PopulationStepper(
            skeleton,
            vmapped(skeleton) if form == "vmapped" else looped(skeleton),
            rows,
            make_row_optimizer("sgd", width, rows.weights.shape[1], torch.float32, device),
            self.inputs.to(device),
            _Losses(self.loss, self.targets.to(device)),
        )

    def _plain(self, seed: int, inputs: Tensor, targets: Tensor, device: str) -> PlainStepper:
        model = build_seeded(seed, self.build).to(device)
        optimizer = make_optimizer("sgd", model.parameters(), 5e-4)
        return PlainStepper(model, optimizer, inputs, lambda outputs, rows: self.loss(outputs, targets[rows]))

    def _train(self, stepper: Stepper, device: str) -> None:
        stepper.begin([self.rate] * stepper.width)
        for step in range(self.steps):
            # Members see other batches, as runs of other seeds do.
            first = torch.arange(stepper.width, device=device)[:, None] * 37 + step * self.batch
            stepper.step((first + torch.arange(self.batch, device=device)) % len(self.inputs))
        wait(device)


def images(build: Callable[[], nn.Module], steps: int, batch: int = 128) -> Steps:
    """An image classifier on 2,048 images."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2048, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (2048,), generator=generator)
    return Steps(build, inputs, labels, lambda out, labels: cross_entropy_batchmean(out.logits, labels), steps, batch)


def videos(steps: int) -> Steps:
    """A small NeXtVLAD on 512 videos of which each has 3 tags."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(512, 30, 1152, generator=generator)
    tags = torch.zeros(512, 400).scatter_(1, torch.randint(400, (512, 3), generator=generator), 1.0)

    def loss(outputs: Any, tags: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs.logits, tags, reduction="none").sum(-1).mean(-1)

    return Steps(lambda: NeXtVLAD(classes=400, clusters=16, hidden=256), inputs, tags, loss, steps, 40)


def _captured(stepper: Stepper, rows: Tensor, steps: int, device: str) -> Run:
    """``steps`` launches of one step's graph."""
    step = CapturedStep(stepper, rows)

    def run(turn: int) -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            step(rows)
        wait(device)
        return time.perf_counter() - begin

    return run


class _Losses(MemberTerms):
    """One loss for all members."""

    def __init__(self, loss: Loss, targets: Tensor) -> None:
        self.loss, self.targets = loss, targets

    def put(self, slot: int, terms: Any) -> None:
        """Nothing differs between members."""

    def reads(self, terms: Any) -> frozenset[str]:
        """Logits."""
        return frozenset({"logits"})

    def __call__(self, outputs: Any, clips: Tensor, slots: Slots | None = None) -> Tensor:
        """Losses ``[M]``."""
        return self.loss(outputs, self.targets[clips])


class _Queue:
    """A source of runs that are all there."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    def claim(self, free: int) -> list[Member]:
        """The next runs."""
        claimed, self.members = self.members[:free], self.members[free:]
        return claimed

    def ended(self, members: object) -> None:
        """Nothing is kept."""


def _request(k: int) -> RunRequest:
    """The k-th run: a seed and numbers of its own."""
    numbers = {"triplet_weight": 0.5 + 0.01 * k, "learning_rate": 1e-3 * (1 + 0.01 * k), "weight_decay": 1e-4}
    return RunRequest("student", numbers, k)


def wait(device: str) -> None:
    """Until the device has done all that it was given."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


STUDENTS: dict[str, Callable[[int], Student]] = {
    "pose": lambda epochs: Hashing(data.jhmdb(protocol="split1"), 32, epochs),
    "masks": lambda epochs: Hashing(data.jhmdb(protocol="split1", modality="masks"), 8, epochs),
    "studentnet": lambda epochs: images(StudentNet, 2 * epochs),
    "resnet20": lambda epochs: images(CifarResNet, 2 * epochs),
    "nextvlad": lambda epochs: videos(2 * epochs),
}
"""Name to maker, given the epochs of a run; an epoch of those that are steps alone is two steps here."""
