"""How a task's runs are trained: one by itself, or several as a population; and what a run gives back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import RunInterrupted
from kdsearch.tasks.base import VARY, Job, Jobs, Population, RunContext, RunRequest, RunResult, Scalar
from kdsearch.tasks.torch_task import TorchTask
from kdsearch.tasks.workload import Workload
from kdsearch.training.activation_checkpointing import apply_activation_checkpointing
from kdsearch.training.averaging import finish
from kdsearch.training.checkpoints import Checkpoint
from kdsearch.training.files import file_hash, save_atomically
from kdsearch.training.loop import Claim, End, train_all, train_one
from kdsearch.training.members import Member, Progress, Recipe
from kdsearch.training.memory import peak_memory, reset_peak_memory
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.forward import looped, vmapped
from kdsearch.training.population.optimizers import make_row_optimizer
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.population.stepper import InitialState, MemberTerms, PopulationStepper
from kdsearch.training.randomness import build_seeded, varied, views_key
from kdsearch.training.steppers import PlainStepper
from kdsearch.training.teacher_cache import LRUCache


def run_params(task: TorchTask, request: RunRequest) -> dict[str, Scalar]:
    """All parameters of a run: the request's; for a teacher the defaults with the teacher's own options."""
    if request.role == "student":
        return {**task.parameters, **request.params}
    return {**task.parameters, **task.teacher_params(), **dict.fromkeys(task.teacher_parameters, 0.0)}


def initial_network(workload: Workload, request: RunRequest, params: Mapping[str, Scalar]) -> nn.Module:
    """The network that a run begins with, on the CPU."""
    return build_seeded(varied("initialisation", request.seed, str(params[VARY])), workload.build)


def make_member(
    task: TorchTask,
    workload: Workload,
    request: RunRequest,
    context: RunContext,
    params: Mapping[str, Scalar],
    initial_state: Any = None,
) -> Member:
    """The run as the loop sees it: recipe, schedule, checkpoint, fold."""
    vary = str(params[VARY])
    recipe = Recipe(
        seed=varied("order", request.seed, vary),
        clips=workload.train,
        batch=task.batch,
        epochs=task.epochs_of(request.role),
        evaluate_every=task.evaluate_every,
        keep_weights=context.keep_weights or request.role == "teacher",
        choose=task.chooses(request.role),
        views=views_key(varied("augmentation", request.seed, vary)),
        restarts=task.restarts_of(request.role),
        keep_queries=context.keep_queries,
        average_after=task.average_after(request.role),
    )
    checkpoint = Checkpoint(context.workspace, run_key(task, request, params, context.code_hash))
    schedule = task.schedule(request.role, params)
    return Member(recipe, schedule, checkpoint, context.report, initial_state, workload.validation)


def run_key(task: TorchTask, request: RunRequest, params: Mapping[str, Scalar], code_hash: str) -> str:
    """What a checkpoint must agree in to be continued: task, data, request with its fold, and the trainer's code."""
    teacher = None if request.teacher is None else file_hash(request.teacher)
    fold = [request.fold.partition, request.fold.number]
    key = [task.identity(), task.fingerprint(), request.role, request.seed, fold, dict(params), teacher, code_hash]
    return sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()


def make_result(
    task: TorchTask, request: RunRequest, context: RunContext, recipe: Recipe, progress: Progress
) -> RunResult:
    """The run's result; a diverged run stands at chance, whatever it reached before.

    The objective is the best on validation also where ``recipe.choose`` is the score, so that a search never reads a
    choice made on test, and that of the last epoch where that is chosen; score, epoch and kept weights are those of
    the chosen epoch.
    """
    chances = task.chances_of(request.role) if progress.diverged else (0.0, 0.0)
    result = RunResult(
        "diverged" if progress.diverged else "done",
        *chances,
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
        meta = {
            "role": request.role,
            "seed": request.seed,
            "epoch": result.epoch,
            "objective": objectives[chosen],
            "task": json.dumps(task.identity(), default=str),
        }
        save_atomically({"format": 1, "meta": meta, "state": progress.best_weights}, result.weights)
    return result


def train(task: TorchTask, request: RunRequest, context: RunContext) -> RunResult:
    """Train one run of ``task``, continuing a checkpoint found in its workspace."""
    reset_peak_memory(context.device)
    params = run_params(task, request)
    workload = task.make_workload(request.role, context.device, request.fold)
    weights = workload.loss_weights(request, params)
    model = initial_network(workload, request, params).to(context.device)
    if task.activation_checkpointing:
        apply_activation_checkpointing(workload.blocks(model))
    stepper = PlainStepper(
        model,
        make_optimizer(task.optimizer_of(request.role), model.parameters(), float(params["weight_decay"])),
        workload.feed(torch.float32),
        one_run(workload.terms(1, torch.float32), weights),
        skip_zero_loss="skip_zero_loss" in task.quirks,
        precision=task.precision,
        micro_batch=task.micro_batch,
    )
    member = make_member(task, workload, request, context, params)
    evaluate = workload.evaluate()
    train_one(stepper, evaluate, member)
    if member.interrupted:
        raise RunInterrupted
    finish(stepper, evaluate, member)
    return make_result(task, request, context, member.recipe, member.progress)


def one_run(terms: MemberTerms, weights: Any) -> Callable[[Any, Tensor], Tensor]:
    """The loss of a single run, of outputs ``[B, ...]`` for samples ``[B]``; ``terms`` have room for one."""
    terms.put(0, weights)

    def loss(outputs: Any, samples: Tensor) -> Tensor:
        return terms(type(outputs)(*(value.unsqueeze(0) for value in outputs)), samples.unsqueeze(0)).squeeze(0)

    return loss


Form = Literal["vmapped", "looped"]

FOLDS = 8
"""Folds that a population keeps besides those of its members: those of the search come again and again."""


class StudentPopulation(Population):
    """Trains student runs of one task, ``members`` at once, of whatever folds.

    A teacher's outputs come from its cache: with the quirk ``teacher_train_mode``, whose teacher computes each batch
    anew, runs train one by one.
    """

    def __init__(
        self, task: TorchTask, device: str, members: int, form: Form, dtype: torch.dtype = torch.float32
    ) -> None:
        if "teacher_train_mode" in task.quirks:
            raise ValueError("a teacher in train mode runs anew for each batch: such runs train one by one")
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
        """A run for the loop: its initial weights, built as for a single run, its loss weights, its fold."""
        params = run_params(self.task, request)
        workload = self.folds.get(request.fold, lambda: self.task.make_workload("student", self.device, request.fold))
        network = initial_network(workload, request, params)
        optimizer = {"weight_decay": float(params["weight_decay"])}
        initial_state = InitialState(network.state_dict(), optimizer, workload.loss_weights(request, params))
        return make_member(self.task, workload, request, context, params, initial_state)

    @override
    def train(self, jobs: Jobs) -> None:
        """All folds have the same clips, networks and terms."""
        members = _JobMembers(self, jobs)
        self.train_all(members.claim, members.end)

    def train_all(self, claim: Claim, end: End = lambda members: None) -> None:
        """Train the members that ``claim`` gives until it gives none."""
        train_all(self.stepper, self.evaluate, claim, end)

    def result(self, request: RunRequest, context: RunContext, member: Member) -> RunResult:
        """What an ended run gives back."""
        return make_result(self.task, request, context, member.recipe, member.progress)


class _JobMembers:
    """The members that jobs are trained as.

    An exception when a member is made or its result is that run's own: it goes to ``jobs.failed``, the others train on.
    """

    def __init__(self, population: StudentPopulation, jobs: Jobs) -> None:
        self.population = population
        self.jobs = jobs
        self._jobs: dict[int, Job] = {}

    def claim(self, free: int) -> Sequence[Member]:
        """Members of what ``jobs`` gives at once; again where no member can be made of any of it."""
        members: list[Member] = []
        while not members and (claimed := self.jobs.claim(free)):
            for job in claimed:
                try:
                    member = self.population.member(job.request, job.context)
                except Exception as error:
                    self.jobs.failed(job, error)
                    continue
                self._jobs[id(member)] = job
                members.append(member)
        return members

    def end(self, members: Sequence[Member]) -> None:
        """Give ``jobs`` the results of all members that ended at one boundary."""
        results: list[tuple[Job, RunResult | None]] = []
        for member in members:
            job = self._jobs.pop(id(member))
            try:
                made = None if member.interrupted else self.population.result(job.request, job.context, member)
                results.append((job, made))
            except Exception as error:
                self.jobs.failed(job, error)
        if results:
            self.jobs.ended(results)
