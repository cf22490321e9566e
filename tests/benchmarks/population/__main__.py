"""How many runs a minute train together, against the same runs one by one: ratios from one run.

A cell is one student at one width M in one form. It trains M runs of different seeds and numbers for some epochs; its
time is divided by M. Cells take turns, and ratios are taken within a turn, so that what else the machine does falls on
all. Cells over 60 s a step are left out aloud. Data are generated where KDSEARCH_DATA has none: times do not depend
on them. Needs torch and numpy alone, and no installation:

    python -m tests.benchmarks.population [--device cuda] [--widths 1 4 16 64 256] [--students pose masks] [--turns 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import torch

from kdsearch import data
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.video_hashing import VideoHashing
from kdsearch.tasks.video_hashing_population import Form
from kdsearch.tasks.video_hashing_population import VideoHashingPopulation
from kdsearch.training.members import Member

FORMS: tuple[Form, ...] = ("looped", "vmapped")
SLOWEST = 60.0
Cell = tuple[str, int]


def student(name: str, epochs: int) -> VideoHashing:
    """A task of its student's default network; it is evaluated once, at its end."""
    modality = {"pose": "poses", "masks": "masks"}[name]
    declared = data.jhmdb(protocol="split1", modality=modality)
    return VideoHashing(
        declared,
        teacher={"frames": 20, "width": 8},
        student={"frames": 10, "width": {"pose": 32, "masks": 8}[name]},
        epochs=epochs,
        evaluate_every=epochs,
    )


def request(k: int) -> RunRequest:
    """The k-th run: a seed and numbers of its own."""
    numbers = {"triplet_weight": 0.5 + 0.01 * k, "learning_rate": 1e-3 * (1 + 0.01 * k), "weight_decay": 1e-4}
    return RunRequest("student", numbers, k)


class Queue:
    """A source of runs that are all there."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    def claim(self, free: int) -> list[Member]:
        """The next runs."""
        claimed, self.members = self.members[:free], self.members[free:]
        return claimed

    def ended(self, members: object) -> None:
        """Nothing is kept."""


def one_by_one(task: VideoHashing, device: str, workspace: Path) -> Callable[[int], float]:
    """Seconds of a run that trains by the plain stepper, as ``kdsearch launch`` trains it today."""
    context = RunContext(workspace, device)

    def run(turn: int) -> float:
        begin = time.perf_counter()
        task.train(request(turn), context)
        _wait(device)
        return time.perf_counter() - begin

    return run


def together(task: VideoHashing, device: str, workspace: Path, form: Form, width: int) -> Callable[[int], float]:
    """Seconds of a run, one of ``width`` that train together, networks and results included."""
    population = VideoHashingPopulation(task, device, width, form)

    def run(turn: int) -> float:
        begin = time.perf_counter()
        rows = [request(turn * width + k) for k in range(width)]
        contexts = [RunContext(workspace / f"member{k}", device) for k in range(width)]
        members = [population.member(row, context) for row, context in zip(rows, contexts, strict=True)]
        population.serve(Queue(members))
        for row, context, member in zip(rows, contexts, members, strict=True):
            population.result(row, context, member)
        _wait(device)
        return (time.perf_counter() - begin) / width

    return run


def measure(name: str, device: str, widths: list[int], turns: int, epochs: int, workspace: Path) -> Iterator[str]:
    """One line a cell: seconds of a run and how many times as many runs a minute as one by one (median, range)."""
    task = student(name, epochs)
    cells: dict[Cell, Callable[[int], float]] = {("one by one", 1): one_by_one(task, device, workspace)}
    steps = epochs * 4
    for form in FORMS:
        for width in widths:
            cell = together(task, device, workspace, form, width)
            seconds = cell(0) * width / steps  # the first time also warms up
            if seconds > SLOWEST:
                print(f"left out: {name} {form} M={width}, {seconds:.0f} s a step", file=sys.stderr)
                break
            cells[form, width] = cell
    cells["one by one", 1](0)
    times: dict[Cell, list[float]] = {cell: [] for cell in cells}
    for turn in range(1, turns + 1):
        for cell, run in cells.items():
            times[cell].append(run(turn))
    base = times["one by one", 1]
    for (form, width), seconds_each in times.items():
        ratios = [one / own for one, own in zip(base, seconds_each, strict=True)]
        yield (
            f"{name:6s} {form:10s} M={width:<4d} {statistics.median(seconds_each):8.3f} s a run   "
            f"{statistics.median(ratios):6.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--widths", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    add("--students", nargs="+", default=["pose", "masks"], choices=["pose", "masks"])
    add("--turns", type=int, default=5)
    add("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    where = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{torch.get_num_threads()} threads"
    print(
        f"torch {torch.__version__}, {arguments.device} ({where}), {arguments.epochs} epochs, {arguments.turns} turns"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.students:
            for line in measure(
                name, arguments.device, arguments.widths, arguments.turns, arguments.epochs, Path(folder)
            ):
                print(line, flush=True)


if __name__ == "__main__":
    main()
