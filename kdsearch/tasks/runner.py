"""How a task's runs are trained: one by itself, or several as a population; and what a run gives back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import RunInterrupted
from kdsearch.tasks.base import Job, Jobs, RunContext, RunRequest, RunResult
from kdsearch.tasks.workload import Looped, Trained, Workload, initial_network, make_member, run_params
from kdsearch.training.activation_checkpointing import recompute
from kdsearch.training.averaging import finish
from kdsearch.training.files import save_atomically
from kdsearch.training.loop import train_all
from kdsearch.training.members import Member, Progress, Recipe, SingleRun, Source
from kdsearch.training.memory import peak_memory, reset_peak_memory
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.forward import looped, vmapped
from kdsearch.training.population.optimizers import make_row_optimizer
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.population.stepper import InitialState, MemberTerms, PopulationStepper
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper
from kdsearch.training.teacher_cache import LRUCache


def make_result(
    task: Looped, request: RunRequest, context: RunContext, recipe: Recipe, progress: Progress
) -> RunResult:
    """The run's result; a diverged run stands at chance, whatever it reached before.

    The objective is the best on validation also where ``recipe.choose`` is the score, so that a search never reads a
    choice made on test, and that of the last epoch where that is chosen; score, epoch and kept weights are those of
    the chosen epoch.
    """
    chances = task.chances_of(request.role) if progress.diverged else (0.0, 0.0)
    result = RunResult(
        state="diverged" if progress.diverged else "done",
        objective=chances[0] if progress.diverged else 0.0,
        score=chances[1] if progress.diverged else None,
        epochs=progress.epoch,
        curve=progress.curve,
        seconds=progress.seconds,
        device=context.device,
        peak_memory=peak_memory(context.device),
    )
    if progress.diverged:
        result.scores = dict.fromkeys(("last", "best_on_validation", "best_on_test"), chances[1])
        return result
    objectives, scores = progress.curve["objective"], progress.curve["score"]
    chosen = progress.best_row(recipe.choose)
    result.objective = objectives[chosen] if recipe.choose == "epoch" else max(objectives)
    result.score = scores[chosen]
    result.epoch = int(progress.curve["epoch"][chosen])
    result.scores = {
        "last": scores[-1],
        "best_on_validation": scores[progress.best_row("objective")],
        "best_on_test": max(scores),
    }
    if progress.best_queries is not None:
        result.queries = progress.best_queries.tolist()
    if recipe.keep_weights:
        result.weights = context.workspace / "weights.pt"
        meta: dict[str, Any] = {
            "role": request.role,
            "seed": request.seed,
            "epoch": result.epoch,
            "objective": objectives[chosen],
        }
        meta["task"] = json.dumps(task.identity(), default=str)
        save_atomically({"format": 1, "meta": meta, "state": progress.best_weights}, result.weights)
    return result


def train(task: Trained, request: RunRequest, context: RunContext) -> RunResult:
    """Train one run of ``task``, continuing a checkpoint found in its workspace."""
    reset_peak_memory(context.device)
    params = run_params(task, request)
    workload = task.make_workload(request.role, context.device, request.fold)
    numbers = workload.numbers(request, params)
    model = initial_network(workload, request, params).to(context.device)
    if task.recompute:
        recompute(workload.blocks(model))
    stepper = PlainStepper(
        model,
        make_optimizer(task.optimizer_of(request.role), model.parameters(), float(params["weight_decay"])),
        workload.feed(torch.float32),
        one_run(workload.terms(1, torch.float32), numbers),
        skip_zero_loss="skip_zero_loss" in task.quirks,
        precision=task.precision,
        micro_batch=task.micro_batch,
    )
    member = make_member(task, workload, request, context, params)
    evaluate = workload.evaluate()
    train_all(stepper, evaluate, SingleRun(member))
    if member.interrupted:
        raise RunInterrupted
    finish(stepper, evaluate, member)
    return make_result(task, request, context, member.recipe, member.progress)


def one_run(terms: MemberTerms, numbers: Any) -> Callable[[Any, Tensor], Tensor]:
    """The loss of a run that trains alone, of outputs ``[B, ...]`` for samples ``[B]``; ``terms`` have room for one."""
    terms.put(0, numbers)

    def loss(outputs: Any, samples: Tensor) -> Tensor:
        return terms(type(outputs)(*(value.unsqueeze(0) for value in outputs)), samples.unsqueeze(0)).squeeze(0)

    return loss


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
        self.folds = LRUCache[Fold, Workload](members + FOLDS)
        workload = self.folds.get(FIRST, lambda: task.make_workload("student", device))
        self.evaluate = workload.evaluate()
        skeleton = build_seeded(0, workload.build).to(device, dtype)
        rows = StackedParameters(skeleton, members)
        self.stepper = PopulationStepper(
            skeleton,
            vmapped(skeleton) if form == "vmapped" else looped(skeleton),
            rows,
            make_row_optimizer(
                task.optimizer_of("student"), members, rows.weights.shape[1], dtype, torch.device(device)
            ),
            workload.feed(dtype),
            workload.terms(members, dtype),
            skip_zero_loss="skip_zero_loss" in task.quirks,
        )

    def member(self, request: RunRequest, context: RunContext) -> Member:
        """A run for the loop: its initial weights, built as if it were alone, its numbers, its fold."""
        params = run_params(self.task, request)
        workload = self.folds.get(request.fold, lambda: self.task.make_workload("student", self.device, request.fold))
        network = initial_network(workload, request, params)
        optimizer = {"weight_decay": float(params["weight_decay"])}
        initial_state = InitialState(network.state_dict(), optimizer, workload.numbers(request, params))
        return make_member(self.task, workload, request, context, params, initial_state)

    def train(self, jobs: Jobs) -> None:
        """Train a worker's runs, see ``Population``. All folds have the same clips, networks and terms."""

        def begin(job: Job) -> Member:
            return self.member(job.request, job.context)

        def end(job: Job, member: Member) -> RunResult:
            return self.result(job.request, job.context, member)

        self.train_all(JobSource(jobs, begin, end))

    def train_all(self, source: Source) -> None:
        """Train the source's runs until it has none."""
        train_all(self.stepper, self.evaluate, source)

    def result(self, request: RunRequest, context: RunContext, member: Member) -> RunResult:
        """What an ended run gives back."""
        return make_result(self.task, request, context, member.recipe, member.progress)


class JobSource:
    """A ``Source`` for the loop that is fed by ``jobs``.

    ``begin`` makes a member of a job, ``end`` a result of an ended one. An exception in either is that run's own: it is
    told to ``jobs.failed``, and the others train on.
    """

    def __init__(self, jobs: Jobs, begin: Callable[[Job], Member], end: Callable[[Job, Member], RunResult]) -> None:
        self.jobs = jobs
        self.begin = begin
        self.end = end
        self._jobs: dict[int, Job] = {}

    def claim(self, free: int) -> Sequence[Member]:
        """See ``Source.claim``: what ``jobs`` gives at once; where all of it fails to begin, it is asked again."""
        members: list[Member] = []
        while not members and (claimed := self.jobs.claim(free)):
            for job in claimed:
                try:
                    member = self.begin(job)
                except Exception as error:
                    self.jobs.failed(job, error)
                    continue
                self._jobs[id(member)] = job
                members.append(member)
        return members

    def ended(self, members: Sequence[Member]) -> None:
        """See ``Source.ended``."""
        results: list[tuple[Job, RunResult | None]] = []
        for member in members:
            job = self._jobs.pop(id(member))
            try:
                results.append((job, None if member.interrupted else self.end(job, member)))
            except Exception as error:
                self.jobs.failed(job, error)
        if results:
            self.jobs.ended(results)
