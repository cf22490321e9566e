"""Many runs of one task in one process: the stepper, and each run's way in and out."""

from __future__ import annotations

from typing import Literal

import torch

from kdsearch.data.folds import FIRST
from kdsearch.data.folds import Fold
from kdsearch.tasks.base import Job
from kdsearch.tasks.base import Jobs
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult
from kdsearch.tasks.bench import Bench
from kdsearch.tasks.bench import Trained
from kdsearch.tasks.bench import initial_network
from kdsearch.tasks.bench import make_member
from kdsearch.tasks.bench import run_params
from kdsearch.tasks.result import make_result
from kdsearch.tasks.together import JobSource
from kdsearch.training.kept import Kept
from kdsearch.training.loop import serve
from kdsearch.training.members import Member
from kdsearch.training.members import Source
from kdsearch.training.population.forward import looped
from kdsearch.training.population.forward import vmapped
from kdsearch.training.population.optimizers import make_row_optimizer
from kdsearch.training.population.rows import Rows
from kdsearch.training.population.stepper import Entrant
from kdsearch.training.population.stepper import PopulationStepper
from kdsearch.training.randomness import build_seeded

Form = Literal["vmapped", "looped"]

FOLDS = 8
"""Folds that a population keeps beside those of its members: those of the search come again and again."""


class StudentPopulation:
    """Trains student runs of one task, ``members`` at once; which runs, of whatever folds, is the source's choice.

    The teacher speaks from its cache: the quirk ``teacher_train_mode``, whose teacher answers each batch anew, trains
    alone.
    """

    def __init__(
        self, task: Trained, device: str, members: int, form: Form, dtype: torch.dtype = torch.float32
    ) -> None:
        if "teacher_train_mode" in task.quirks:
            raise ValueError("a teacher in train mode answers each batch by itself: such runs train one by one")
        self.task, self.device, self.dtype = task, device, dtype
        self.folds = Kept[Fold, Bench](members + FOLDS)
        bench = self.folds.get(FIRST, lambda: task.bench("student", device))
        self.evaluate = bench.evaluate()
        skeleton = build_seeded(0, bench.build).to(device, dtype)
        rows = Rows(skeleton, members)
        self.stepper = PopulationStepper(
            skeleton,
            vmapped(skeleton) if form == "vmapped" else looped(skeleton),
            rows,
            make_row_optimizer(
                task.optimizer_of("student"), members, rows.weights.shape[1], dtype, torch.device(device)
            ),
            bench.feed(dtype),
            bench.terms(members, dtype),
            skip_zero_loss="skip_zero_loss" in task.quirks,
        )

    def member(self, request: RunRequest, context: RunContext) -> Member:
        """A run for the loop: its initial weights, built as if it were alone, its numbers, its fold."""
        params = run_params(self.task, request)
        bench = self.folds.get(request.fold, lambda: self.task.bench("student", self.device, request.fold))
        network = initial_network(bench, request, params)
        optimizer = {"weight_decay": float(params["weight_decay"])}
        entrant = Entrant(network.state_dict(), optimizer, bench.numbers(request, params))
        return make_member(self.task, bench, request, context, params, entrant)

    def train(self, jobs: Jobs) -> None:
        """Train a worker's runs, see ``Population``. All folds have the same clips, networks and terms."""

        def begin(job: Job) -> Member:
            return self.member(job.request, job.context)

        def end(job: Job, member: Member) -> RunResult:
            return self.result(job.request, job.context, member)

        self.serve(JobSource(jobs, begin, end))

    def serve(self, source: Source) -> None:
        """Train the source's runs until it has none."""
        serve(self.stepper, self.evaluate, source)

    def result(self, request: RunRequest, context: RunContext, member: Member) -> RunResult:
        """What an ended run gives back."""
        return make_result(self.task, request, context, member.recipe, member.progress)
