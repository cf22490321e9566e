"""The students of the benchmark: how one run of each is trained, alone and several at once.

Pose and mask students are whole runs of video hashing (networks built, trained, evaluated once, results made). Image
students are steps alone, on generated images in the shape of CIFAR-10: cross entropy, SGD, batch 128.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Protocol

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional as F

from kdsearch import data
from kdsearch.models.cifar import CifarResNet
from kdsearch.models.cifar import StudentNet
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.video_hashing import VideoHashing
from kdsearch.tasks.video_hashing_population import Form
from kdsearch.tasks.video_hashing_population import VideoHashingPopulation
from kdsearch.training.members import Member
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.forward import looped
from kdsearch.training.population.forward import vmapped
from kdsearch.training.population.optimizers import make_row_optimizer
from kdsearch.training.population.rows import Rows
from kdsearch.training.population.stepper import Entrant
from kdsearch.training.population.stepper import PopulationStepper
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper
from kdsearch.training.steppers import Stepper

Run = Callable[[int], float]
"""Seconds of one run in a turn, together: of all of them divided by their number."""


class Student(Protocol):
    """One network and how it is trained."""

    steps: int

    def alone(self, device: str, workspace: Path) -> Run:
        """One by one, by the plain stepper."""

    def together(self, device: str, workspace: Path, form: Form, width: int) -> Run:
        """``width`` at once."""


class Hashing:
    """A student of video hashing by its default network; it is evaluated once, at its end."""

    def __init__(self, modality: str, width: int, epochs: int) -> None:
        declared = data.jhmdb(protocol="split1", modality=modality)
        self.steps = 4 * epochs
        self.task = VideoHashing(
            declared,
            teacher={"frames": 20, "width": 8},
            student={"frames": 10, "width": width},
            epochs=epochs,
            evaluate_every=epochs,
        )

    def alone(self, device: str, workspace: Path) -> Run:
        """See ``Student``."""
        context = RunContext(workspace, device)

        def run(turn: int) -> float:
            begin = time.perf_counter()
            self.task.train(_request(turn), context)
            wait(device)
            return time.perf_counter() - begin

        return run

    def together(self, device: str, workspace: Path, form: Form, width: int) -> Run:
        """See ``Student``."""
        population = VideoHashingPopulation(self.task, device, width, form)

        def run(turn: int) -> float:
            begin = time.perf_counter()
            rows = [_request(turn * width + k) for k in range(width)]
            contexts = [RunContext(workspace / f"{form}{width}-{turn}-{k}", device) for k in range(width)]
            members = [population.member(row, context) for row, context in zip(rows, contexts, strict=True)]
            population.serve(_Queue(members))
            for row, context, member in zip(rows, contexts, members, strict=True):
                population.result(row, context, member)
            wait(device)
            return (time.perf_counter() - begin) / width

        return run


class Images:
    """An image classifier for ``steps`` steps of ``batch`` generated images."""

    def __init__(self, build: Callable[[], nn.Module], steps: int, batch: int = 128, count: int = 2048) -> None:
        self.build, self.steps, self.batch = build, steps, batch
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(count, 3, 32, 32, generator=generator)
        self.labels = torch.randint(10, (count,), generator=generator)

    def alone(self, device: str, workspace: Path) -> Run:
        """See ``Student``."""
        inputs, labels = self.inputs.to(device), self.labels.to(device)

        def loss(outputs: Any, images: Tensor) -> Tensor:
            return F.cross_entropy(outputs.logits, labels[images])

        def run(turn: int) -> float:
            begin = time.perf_counter()
            model = build_seeded(turn, self.build).to(device)
            optimizer = make_optimizer("sgd", model.parameters(), 5e-4)
            stepper = PlainStepper(
                model, optimizer, inputs, lambda out, clips: F.cross_entropy(out.logits, labels[clips])
            )
            self._train(stepper, device)
            return time.perf_counter() - begin

        return run

    def together(self, device: str, workspace: Path, form: Form, width: int) -> Run:
        """See ``Student``."""
        skeleton = build_seeded(0, self.build).to(device)
        rows = Rows(skeleton, width)
        stepper = PopulationStepper(
            skeleton,
            vmapped(skeleton) if form == "vmapped" else looped(skeleton),
            rows,
            make_row_optimizer("sgd", width, rows.weights.shape[1], torch.float32, device),
            self.inputs.to(device),
            _CrossEntropies(self.labels.to(device)),
        )

        def run(turn: int) -> float:
            begin = time.perf_counter()
            for slot in range(width):
                state = build_seeded(turn * width + slot, self.build).state_dict()
                stepper.enter(slot, Entrant(state, {"weight_decay": 5e-4}, None))
            self._train(stepper, device)
            return (time.perf_counter() - begin) / width

        return run

    def _train(self, stepper: Stepper, device: str) -> None:
        stepper.begin([0.05] * stepper.width, [True] * stepper.width)
        for step in range(self.steps):
            # Members see other batches, as runs of other seeds do.
            first = torch.arange(stepper.width, device=device)[:, None] * 37 + step * self.batch
            stepper.step((first + torch.arange(self.batch, device=device)) % len(self.inputs))
        wait(device)


class _CrossEntropies:
    """Cross entropy of each member."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels

    def put(self, slot: int, terms: Any) -> None:
        """Nothing differs between members."""

    def reads(self, terms: Any) -> frozenset[str]:
        """Logits."""
        return frozenset({"logits"})

    def __call__(self, outputs: Any, clips: Tensor) -> Tensor:
        """Losses ``[M]``."""
        losses = F.cross_entropy(outputs.logits.flatten(0, 1), self.labels[clips].flatten(), reduction="none")
        return losses.view(clips.shape).mean(1)


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
    "pose": lambda epochs: Hashing("poses", 32, epochs),
    "masks": lambda epochs: Hashing("masks", 8, epochs),
    "studentnet": lambda epochs: Images(StudentNet, 2 * epochs),
    "resnet20": lambda epochs: Images(CifarResNet, 2 * epochs),
}
"""Name to maker, given the epochs of a run; an epoch of an image student is two steps here."""
