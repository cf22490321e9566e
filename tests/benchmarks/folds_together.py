"""What it costs a population that its runs are of several folds: runs of one fold, of five, and each of its own.

Pose students that listen to a teacher of their fold, all at once in one process on one thread. The three ways take
turns; the time of a run is divided by the clips that it trains on, for folds differ in size by a few.

    KDSEARCH_DATA=... python -m tests.benchmarks.folds_together [--widths 8 16] [--turns 6] [--epochs 10]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch

from kdsearch.data import jhmdb
from kdsearch.data.folds import FIRST, Fold
from kdsearch.statistics import paired_difference
from kdsearch.tasks.base import Job, RunContext, RunRequest, RunResult
from kdsearch.tasks.runner import Form, StudentPopulation
from kdsearch.tasks.video_hashing.task import VideoHashing

NUMBERS = {"representation_weight": 1.0, "alpha": 0.5, "temperature": 4.0, "patience": 10}
WAYS = ("one fold", "five folds", "a fold for each")


class _Listed:
    """Jobs that are all there."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.waiting = list(jobs)

    def claim(self, free: int) -> Sequence[Job]:
        claimed, self.waiting = self.waiting[:free], self.waiting[free:]
        return claimed

    def ended(self, results: Sequence[tuple[Job, RunResult | None]]) -> None:
        pass

    def failed(self, job: Job, error: Exception) -> None:
        raise error


def main() -> None:
    """Print by width and form how many times as long the other two ways take a run."""
    arguments = _parse()
    torch.set_num_threads(1)
    networks = {"teacher": {"frames": 20, "width": 96, "epochs": 1}, "student": {"frames": 10, "width": 32}}
    task = VideoHashing(jhmdb(), epochs=arguments.epochs, **networks)  # type: ignore[arg-type]
    print(task.description)
    with tempfile.TemporaryDirectory() as folder:
        teachers = _teachers(task, Path(folder), max(arguments.widths))
        for width in arguments.widths:
            for form in arguments.forms:
                population = StudentPopulation(task, "cpu", width, cast("Form", form))
                times: dict[str, list[float]] = {way: [] for way in WAYS}
                for turn in range(-1, arguments.turns):
                    for way in WAYS:
                        place = Path(folder) / f"{form}{width}-{turn}-{way}"
                        seconds = _timed(task, population, _folds(way, width), teachers, place)
                        if turn >= 0:  # the first turn allocates
                            times[way].append(seconds)
                print(
                    f"{width} {form}, seconds of a run of 347 clips: " + ", ".join(map(_ratio(times), WAYS)), flush=True
                )


def _folds(way: str, width: int) -> list[Fold]:
    if way == "one fold":
        return [FIRST] * width
    if way == "five folds":
        return [Fold(0, number % 5) for number in range(width)]
    return [Fold(1 + number // 5, number % 5) for number in range(width)]


def _teachers(task: VideoHashing, folder: Path, width: int) -> dict[Fold, Path]:
    """Of one epoch each: what a teacher says costs the same however good it is."""
    found = {}
    for number, fold in enumerate(dict.fromkeys(fold for way in WAYS for fold in _folds(way, width))):
        place = folder / f"teacher{number}"
        place.mkdir()
        found[fold] = task.train(RunRequest("teacher", {}, number, fold=fold), RunContext(place)).weights
    return cast("dict[Fold, Path]", found)


def _timed(
    task: VideoHashing, population: StudentPopulation, folds: Sequence[Fold], teachers: dict[Fold, Path], place: Path
) -> float:
    """Seconds for each clip that the runs train on, times those of a usual fold."""
    jobs = []
    for seed, fold in enumerate(folds):
        workspace = place / str(seed)
        workspace.mkdir(parents=True)
        jobs.append(Job(RunRequest("student", dict(NUMBERS), seed, teachers[fold], fold), RunContext(workspace)))
    clips = sum(len(task.data.parts(fold).train) for fold in folds)
    begin = time.process_time()
    population.train(_Listed(jobs))
    return (time.process_time() - begin) / clips * 347


def _ratio(times: dict[str, list[float]]) -> Callable[[str], str]:
    logs = {way: np.log(values) for way, values in times.items()}

    def said(way: str) -> str:
        middle = f"{way} {np.median(times[way]):.3f}"
        if way == WAYS[0]:
            return middle
        found = paired_difference(list(logs[way]), list(logs[WAYS[0]]))
        return f"{middle}, {np.exp(found.mean):.3f} [{np.exp(found.low):.3f}, {np.exp(found.high):.3f}] times as long"

    return said


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=(8, 16))
    parser.add_argument("--forms", nargs="+", default=("looped", "vmapped"))
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
