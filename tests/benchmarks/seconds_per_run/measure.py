"""Timed runs of the variants, interleaved, each scored by one metric function outside the clock."""

from __future__ import annotations

import gc
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from kdsearch.distillation.triplet import triplet_mean
from kdsearch.metrics.retrieval import mean_average_precision
from kdsearch.models.registry import ENCODERS
from kdsearch.tasks import RunContext, RunRequest, RunResult

from .plain import PlainLoop, Trained, Triplets
from .setting import Setting
from .triplets import cube_triplets, looped_triplets, masked_cube_triplets

USUAL = "plain loop as usually written"
CUBE = "plain loop, N^3 cube, tightest"
SPARSE = "plain loop, sparse triplets"
KDSEARCH = "kdsearch"
VARIANTS = (USUAL, CUBE, SPARSE, KDSEARCH)
_PLAIN: dict[str, Triplets] = {USUAL: masked_cube_triplets, CUBE: cube_triplets, SPARSE: triplet_mean}

T = TypeVar("T")


@dataclass(frozen=True)
class Timed:
    """One run: seconds of CPU and of the clock, the epochs evaluated, the test mAP of the codes after the last."""

    cpu: float
    wall: float
    epochs: list[int]
    score: float


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What ``work`` returns, its CPU seconds (those of ended child processes too) and its wall seconds."""
    gc.collect()
    cpu, wall = _cpu(), time.perf_counter()
    value = work()
    return value, _cpu() - cpu, time.perf_counter() - wall


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def run_variant(name: str, setting: Setting, seed: int) -> Timed:
    """Train one run of a variant, from building the network to its result."""
    if name == KDSEARCH:
        result, cpu, wall = timed(lambda: through_kdsearch(setting, seed))
        return Timed(cpu, wall, [int(epoch) for epoch in result.curve["epoch"]], result.scores["last"])
    trained, cpu, wall = timed(lambda: PlainLoop(setting, _PLAIN[name], seed, usual=name == USUAL).run())
    return Timed(cpu, wall, trained.epochs, score(trained, setting))


def through_kdsearch(setting: Setting, seed: int) -> RunResult:
    """One run by the task's own ``train``: checkpoint in a workspace, a report at each evaluation, a result."""
    heard: list[tuple[int, float]] = []
    request = RunRequest("student", setting.params, seed, setting.teacher)
    with tempfile.TemporaryDirectory() as folder:
        return setting.task.train(
            request, RunContext(Path(folder), report=lambda epoch, value: heard.append((epoch, value)))
        )


@torch.no_grad()
def score(trained: Trained, setting: Setting) -> float:
    """Test mAP of a plain loop's student by the function that kdsearch scores its own with."""
    clips, task = setting.clips, setting.task
    step = task.network("teacher").frames // task.network("student").frames
    inputs = ENCODERS[task.encoder_name("student")].prepare(clips.inputs[:, ::step])
    codes = trained.student.eval()(inputs).codes
    query, database = torch.from_numpy(clips.query), torch.from_numpy(clips.database)
    relevant = torch.from_numpy(clips.labels[clips.query][:, None] == clips.labels[clips.database])
    return float(mean_average_precision(codes[query], codes[database], relevant))


def interleave(setting: Setting, seeds: int, tell: Callable[[str], None]) -> dict[str, list[Timed]]:
    """Every variant once a seed, in an order that rotates, so that a slow minute meets all of them."""
    runs: dict[str, list[Timed]] = {name: [] for name in VARIANTS}
    for seed in range(1, seeds + 1):
        shift = seed % len(VARIANTS)
        for name in VARIANTS[shift:] + VARIANTS[:shift]:
            runs[name].append(run_variant(name, setting, seed))
        tell(f"seed {seed}: " + ", ".join(f"{name} {runs[name][-1].cpu:.2f} s" for name in VARIANTS))
    return runs


def context(setting: Setting) -> dict[str, float]:
    """CPU seconds per epoch, evaluations left out, of forms that the baseline could have had."""
    forms: dict[str, tuple[Triplets, int]] = {
        "N^3 cube, as measured": (cube_triplets, 0),
        "N^3 cube, 1 loader worker": (cube_triplets, 1),
        "N^3 cube with a mask": (masked_cube_triplets, 0),
        "sparse triplets, as measured": (triplet_mean, 0),
        "Python loop over pairs": (looped_triplets, 0),
    }
    return {name: _seconds_per_epoch(setting, *form) for name, form in forms.items()}


def _seconds_per_epoch(setting: Setting, triplets: Triplets, workers: int, epochs: int = 5) -> float:
    def work() -> None:
        loop = PlainLoop(setting, triplets, seed=0, workers=workers)
        for _ in range(epochs):
            loop.train_epoch()

    return timed(work)[1] / epochs
