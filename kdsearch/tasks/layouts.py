"""How long one training step of a run takes in each layout, measured on the data at hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from kdsearch.data.folds import Fold
from kdsearch.tasks.base import Layout, RunContext, RunRequest
from kdsearch.tasks.runner import Form, StudentPopulation, one_run, run_params
from kdsearch.tasks.torch_task import TorchTask
from kdsearch.tasks.workload import Workload
from kdsearch.training.loop import batch_sizes
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.forward import check
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper, Stepper, Views

WIDTHS = {"cpu": (2, 4, 8), "cuda": (4, 16, 64, 256)}
FORMS: tuple[Form, ...] = ("looped", "vmapped")
STEPS = 10
SMALL = 8  # clips on which both forms are compared
LONG = 1.0
_WORKSPACE = Path("unused")  # such a run writes nothing


def layouts(device: str) -> list[Layout]:
    """One by one, then each form from narrow to wide."""
    kind = torch.device(device).type
    widths = WIDTHS.get(kind, WIDTHS["cpu"])
    return [Layout(1), *(Layout(width, form) for form in FORMS for width in widths)]


def seconds_a_step(task: TorchTask, layout: Layout, device: str) -> float:
    """Seconds that a run takes for a full batch in this layout: those of an epoch by its clips.

    Each kind of step counts as its fastest of some, for what else the machine does only adds; the first one, which
    allocates, is left out. Random student runs without a teacher, each of its own seed, of one fold after the other:
    where last batches differ in size, a population takes longer for these. Raises ``MemoryError`` where the device's
    memory does not take them, ``ValueError`` as :func:`prepared`.
    """
    sizes = [batch_sizes(len(_workload(task, device, slot).train), task.batch) for slot in range(layout.width)]
    last = [own[-1] for own in sizes]
    try:
        stepper, clips = prepared(task, layout, device)
        rates = [float(task.parameters["learning_rate"])] * layout.width
        views = Views.of(range(layout.width), [1] * layout.width, torch.device(device))
        stepper.begin(rates, views)
        seconds = (max(map(len, sizes)) - 1) * _fastest(stepper, clips, None, device)
        seconds += _fastest(stepper, clips, last, device)
    except torch.OutOfMemoryError as error:
        raise MemoryError(f"{layout.width} runs at once do not fit into the memory of {device}") from error
    finally:
        if torch.device(device).type == "cuda":
            torch.cuda.empty_cache()
    return seconds * task.batch / sum(map(sum, sizes))


def population_key(task: TorchTask, device: str) -> str:
    """The workload's description, optimizer, batch, precision, device, threads and torch's version."""
    kind = torch.device(device).type
    name = torch.cuda.get_device_name() if kind == "cuda" else f"{kind} {torch.get_num_threads()} threads"
    workload = task.make_workload("student", device)
    return (
        f"{workload.describe()} {task.optimizer_of('student')} batch {task.batch} clips {len(workload.train)} folds "
        f"{task.folds} on {name}, "
        f"torch {torch.__version__}"
    )


def prepared(task: TorchTask, layout: Layout, device: str) -> tuple[Stepper, Tensor]:
    """A stepper with random student runs of the task in all its slots, and clips ``[W, B]`` for a step.

    They have no teacher. Raises ``ValueError`` with the layer's name where a network does not train under vmap as it
    does in a loop.
    """
    workload = task.make_workload("student", device)
    batch = workload.train[: task.batch]
    untaught = dict.fromkeys(task.teacher_parameters, 0.0)
    if layout.width == 1:
        request = RunRequest("student", untaught, 0)
        params = run_params(task, request)
        model = build_seeded(0, workload.build).to(device)
        optimizer = make_optimizer(task.optimizer_of("student"), model.parameters(), float(params["weight_decay"]))
        loss = one_run(workload.terms(1, torch.float32), workload.loss_weights(request, params))
        return PlainStepper(model, optimizer, workload.feed(torch.float32), loss), batch.unsqueeze(0)
    population = StudentPopulation(task, device, layout.width, cast("Form", layout.form))
    stepper, clips = population.stepper, batch.expand(layout.width, -1)
    for slot in range(layout.width):
        member = population.member(RunRequest("student", untaught, slot), RunContext(_WORKSPACE, device))
        stepper.enter(slot, member.initial_state)
    if layout.form == "vmapped":
        feed, some = stepper.feed, clips[:2, :SMALL]
        small = feed.take(feed.clean(some).flatten(), torch.device(device))
        stepper.skeleton.train()
        small = small.view(*some.shape, *small.shape[1:])
        fault = check(stepper.skeleton, stepper.rows.views(), stepper.rows.buffers, small)
        if fault is not None:
            raise ValueError(fault)
    return stepper, clips


def _workload(task: TorchTask, device: str, slot: int) -> Workload:
    return task.make_workload("student", device, Fold(0, slot % max(1, task.folds)))


def _fastest(stepper: Stepper, clips: Tensor, sizes: list[int] | None, device: str) -> float:
    times = [_timed(stepper, clips, sizes, device) for _ in range(2)]
    if times[-1] < LONG:
        times += [_timed(stepper, clips, sizes, device) for _ in range(STEPS)]
    return min(times[1:])


def _timed(stepper: Stepper, clips: Tensor, sizes: list[int] | None, device: str) -> float:
    begin = time.perf_counter()
    stepper.step(clips, sizes)
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin
