"""How long one training step of a video hashing run takes in each layout, measured on the data at hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from typing import cast

import torch
from torch import Tensor

from kdsearch.tasks.base import Layout
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.video_hashing import DEFAULTS
from kdsearch.tasks.video_hashing_data import dataset
from kdsearch.tasks.video_hashing_members import Numbers
from kdsearch.tasks.video_hashing_members import one_run
from kdsearch.tasks.video_hashing_population import Form
from kdsearch.tasks.video_hashing_population import VideoHashingPopulation
from kdsearch.tasks.video_hashing_teacher import build_network
from kdsearch.training.optimizers import make_optimizer
from kdsearch.training.population.forward import check
from kdsearch.training.randomness import build_seeded
from kdsearch.training.steppers import PlainStepper
from kdsearch.training.steppers import Stepper
from kdsearch.training.feeds import as_feed

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing import VideoHashing

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


def seconds_a_step(task: VideoHashing, layout: Layout, device: str) -> float:
    """Seconds of the fastest of some steps, divided by the layout's width: what else the machine does only adds.

    The first step, which allocates, is not counted. Random student runs without a teacher, each of its own seed. Raises
    ``MemoryError`` where the device's memory does not take them, ``ValueError`` as :func:`prepared`.
    """
    try:
        stepper, clips = prepared(task, layout, device)
        stepper.begin([float(DEFAULTS["learning_rate"])] * layout.width, [True] * layout.width)
        times = [_timed(stepper, clips, device) for _ in range(2)]
        if times[-1] < LONG:
            times += [_timed(stepper, clips, device) for _ in range(STEPS)]
    except torch.OutOfMemoryError as error:
        raise MemoryError(f"{layout.width} runs at once do not fit into the memory of {device}") from error
    finally:
        if torch.device(device).type == "cuda":
            torch.cuda.empty_cache()
    return min(times[1:]) / layout.width


def population_key(task: VideoHashing, device: str) -> str:
    """Network, optimizer, terms' batch, shape of the data, precision, device, threads and torch's version."""
    data = dataset(task, "student", device)
    kind = torch.device(device).type
    name = torch.cuda.get_device_name() if kind == "cuda" else f"{kind} {torch.get_num_threads()} threads"
    network = task.network("student")
    return (
        f"{task.encoder_name('student')} width {network.width} bits {task.bits} {task.optimizer} batch {task.batch} "
        f"clips {len(data.train)} of {tuple(data.inputs.shape[1:])} {data.inputs.dtype} on {name}, "
        f"torch {torch.__version__}"
    )


def prepared(task: VideoHashing, layout: Layout, device: str) -> tuple[Stepper, Tensor]:
    """A stepper with random student runs of the task in all its slots, and clips ``[W, B]`` for a step.

    Raises ``ValueError`` with the layer's name where a network does not train under vmap as it does in a loop.
    """
    data = dataset(task, "student", device)
    batch = data.train[: task.batch]
    if layout.width == 1:
        model = build_seeded(0, lambda: build_network(task, "student", data.classes)).to(device)
        optimizer = make_optimizer(task.optimizer, model.parameters(), float(DEFAULTS["weight_decay"]))
        loss = one_run(task, data.labels, Numbers.of(DEFAULTS, None))
        return PlainStepper(model, optimizer, data.inputs, loss), batch.unsqueeze(0)
    population = VideoHashingPopulation(task, device, layout.width, cast("Form", layout.form))
    stepper, clips = population.stepper, batch.expand(layout.width, -1)
    for slot in range(layout.width):
        member = population.member(RunRequest("student", {}, slot), RunContext(_WORKSPACE, device))
        stepper.enter(slot, member.entrant)
    if layout.form == "vmapped":
        small = as_feed(data.inputs).take(clips[:2, :SMALL].flatten(), torch.device(device))
        small = small.view(2, -1, *small.shape[1:])
        stepper.skeleton.train()
        fault = check(stepper.skeleton, stepper.rows.views(), stepper.rows.buffers, small)
        if fault is not None:
            raise ValueError(fault)
    return stepper, clips


def _timed(stepper: Stepper, clips: Tensor, device: str) -> float:
    begin = time.perf_counter()
    stepper.step(clips)
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin
