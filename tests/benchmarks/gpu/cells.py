"""One measured cell: steps of one student, so many at once in one form, timed after a warm-up."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kdsearch.tasks.base import Layout
from kdsearch.tasks.runner import Form
from kdsearch.training import randomness
from kdsearch.training.loop import batch_sizes
from kdsearch.training.memory import peak_memory, reset_peak_memory
from kdsearch.training.population.forward import Forward
from kdsearch.training.population.stepper import PopulationStepper
from kdsearch.training.steppers import Precision, SingleStepper, Stepper
from tests.benchmarks.gpu.graph import CapturedStep
from tests.benchmarks.population.memory import fits
from tests.benchmarks.population.students import Student, wait

EAGER, GRAPH = "one by one", "CUDA graph"
FORMS: tuple[Form, ...] = ("looped", "vmapped")
BEST, OTHER = "best", "other"
"""What is one of FORMS by what was measured before, see ``plan.resolve``."""
BATCHES = 3
"""Steps of one timed pass at most: an epoch of the pose and mask students."""
LONG = 5.0
"""Seconds of a first pass after which there is no second one to warm up."""


@dataclass(frozen=True)
class Cell:
    """``width`` runs of ``student`` at once; ``form``: one of ``FORMS``, ``EAGER``, ``GRAPH``, ``BEST``, ``OTHER``."""

    student: str
    width: int = 1
    form: str = EAGER
    precision: Precision = "float32"

    def __str__(self) -> str:
        words = "" if self.precision == "float32" else f" {self.precision}"
        return f"{self.student} M={self.width} {self.form}{words}"


@dataclass(frozen=True)
class Effort:
    """How often a cell is timed: ``repeats`` passes, fewer (one at least) once they have taken ``seconds``."""

    repeats: int = 20
    seconds: float = 6.0


def measure(student: Student, cell: Cell, device: str, effort: Effort, work: float) -> dict[str, Any]:
    """The cell's row: seconds a step of all M together, runs a second, FLOP/s, peak memory in bytes.

    ``work``: floating point operations of a run. Raises ``TooLarge`` where the memory does not hold it.
    """
    release(device)
    reset_peak_memory(device)
    with fits(cell.form, cell.width):
        one_pass, steps = passes(student, cell, device)
        times = timed(one_pass, device, effort)
        peak = peak_memory(device)
    seconds = statistics.median(times) / steps
    rate = cell.width / (student.steps * seconds)
    return {
        "state": "done",
        "seconds_a_step": seconds,
        "fastest": min(times) / steps,
        "slowest": max(times) / steps,
        "repeats": len(times),
        "steps_a_run": student.steps,
        "runs_a_second": rate,
        "flops": rate * work,
        "peak_memory": peak,
    }


def release(device: str) -> None:
    """Give back what ended cells held on a GPU: what an exception's frames keep, and what the allocator keeps."""
    if torch.device(device).type == "cuda":
        gc.collect()
        with suppress(RuntimeError):  # a device that is in error says so in the next cell, too
            torch.cuda.empty_cache()


def passes(student: Student, cell: Cell, device: str) -> tuple[Callable[[], None], int]:
    """A function that makes the steps of one pass, and how many these are."""
    clips = student.clips(device)
    table = orders(clips, cell.width)
    sizes = batch_sizes(len(clips), student.batch)[:BATCHES]
    batches = list(torch.split(table[:, : sum(sizes)], sizes, 1))
    if cell.form == GRAPH:
        graphs = {}
        for batch in batches:
            if batch.shape not in graphs:  # a stepper for each size: two graphs that share gradients would clash
                single = student.capturable(device)
                use(single, cell.precision)
                graphs[batch.shape] = CapturedStep(single, batch)
        return lambda: _each(batches, lambda batch: graphs[batch.shape](batch)), len(batches)
    stepper = student.stepper(device, Layout(cell.width, cell.form))
    use(stepper, cell.precision)
    return lambda: _each(batches, stepper.step), len(batches)


def orders(clips: Tensor, width: int) -> Tensor:
    """The clips ``[n]`` in an order of each run's own, ``[width, n]``."""
    rows = [torch.from_numpy(randomness.order(seed, 1, len(clips))) for seed in range(width)]
    return clips[torch.stack(rows).to(clips.device)]


def use(stepper: Stepper, precision: Precision) -> None:
    """Let a stepper's network run in ``precision``; populations do so here alone, a worker trains such one by one."""
    if isinstance(stepper, SingleStepper):
        stepper.precision = precision
    elif precision != "float32":
        assert isinstance(stepper, PopulationStepper)
        stepper.forward = _autocast(stepper.forward)


def timed(one_pass: Callable[[], None], device: str, effort: Effort) -> list[float]:
    """Seconds of each pass, the device's work included; one or two passes before them warm up."""
    if _seconds(one_pass, device) < LONG:
        _seconds(one_pass, device)
    begin = time.perf_counter()
    times: list[float] = []
    while not times or (len(times) < effort.repeats and time.perf_counter() - begin < effort.seconds):
        times.append(_seconds(one_pass, device))
    return times


def _seconds(one_pass: Callable[[], None], device: str) -> float:
    wait(device)
    begin = time.perf_counter()
    one_pass()
    wait(device)
    return time.perf_counter() - begin


def _each(batches: Iterable[Tensor], step: Callable[[Tensor], object]) -> None:
    for batch in batches:
        step(batch)


def _autocast(forward: Forward) -> Forward:
    def run(views: Any, buffers: Any, inputs: Tensor, *, shared: bool = False, chunk: int | None = None) -> Any:
        with torch.autocast(inputs.device.type, torch.bfloat16):
            outputs = forward(views, buffers, inputs, shared=shared, chunk=chunk)
        return type(outputs)(*(part.float() for part in outputs))

    return run
