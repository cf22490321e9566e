"""Are runs that train together the runs alone? In float32, on JHMDB's poses: the same seeds both ways.

A single run's score is no test: one flipped maximum sends it elsewhere, alone as well. So the two ways are compared as
distributions over the same seeds: by two one-sided tests the 90 % interval of the mean paired difference of the test
mAP must lie within 0.5 sd of a run (t interval), and that of the ratio of the sds within 0.7 to 1.4 (bootstrap over
seeds, which keeps the pairs). Half of the members of a population have other numbers, so that weights, temperatures and
learning rates stand side by side; those are not compared. Needs torch, numpy and scipy alone.

    KDSEARCH_DATA=... python -m tests.benchmarks.population.equivalence [--seeds 64] [--width 16] [--form vmapped]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from kdsearch import data
from kdsearch.tasks.base import Job, Layout, RunContext, RunRequest, RunResult
from kdsearch.tasks.video_hashing.task import VideoHashing

COMPARED = {"representation_weight": 1.0, "alpha": 0.5, "temperature": 4.0}
BESIDE = {"representation_weight": 0.0, "alpha": 0.9, "temperature": 12.0, "learning_rate": 3e-3, "patience": 2}
MEAN_MARGIN = 0.5
RATIO = (0.7, 1.4)
RESAMPLES = 10_000
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Verdict:
    """Mean difference in sds of a run and ratio of sds, each with its 90 % interval, and whether both hold."""

    difference: tuple[float, float, float]
    ratio: tuple[float, float, float]

    @property
    def equivalent(self) -> bool:
        """Whether both intervals lie within their margins."""
        inside = self.difference[1] > -MEAN_MARGIN and self.difference[2] < MEAN_MARGIN
        return inside and RATIO[0] < self.ratio[1] and self.ratio[2] < RATIO[1]


def compare(alone: Floats, together: Floats) -> Verdict:
    """The verdict on ``[n]`` scores of the same seeds."""
    sd, gaps = float(alone.std(ddof=1)), together - alone
    half = float(stats.t.ppf(0.95, len(gaps) - 1) * gaps.std(ddof=1) / len(gaps) ** 0.5)
    mean = float(gaps.mean())
    rows = np.random.default_rng(0).integers(len(alone), size=(RESAMPLES, len(alone)))
    spreads = together[rows].std(1, ddof=1), alone[rows].std(1, ddof=1)
    drawn = (spreads[0] > 0) & (spreads[1] > 0)  # of very few seeds all may be one
    low, high = np.quantile(spreads[0][drawn] / spreads[1][drawn], [0.05, 0.95])
    ratio = float(together.std(ddof=1)) / sd
    return Verdict((mean / sd, (mean - half) / sd, (mean + half) / sd), (ratio, float(low), float(high)))


class Listed:
    """Jobs that are all there; a result by seed, for those that are compared."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.waiting = list(jobs)
        self.results: dict[int, RunResult] = {}

    def claim(self, free: int) -> Sequence[Job]:
        """The next ones."""
        claimed, self.waiting = self.waiting[:free], self.waiting[free:]
        return claimed

    def ended(self, results: Sequence[tuple[Job, RunResult | None]]) -> None:
        """Keep what is compared."""
        for job, result in results:
            if result is not None and dict(job.request.params) == COMPARED:
                self.results[job.request.seed] = result

    def failed(self, job: Job, error: Exception) -> None:
        """None may."""
        raise error


def measure(
    task: VideoHashing, seeds: int, layout: Layout, device: str, workspace: Path
) -> tuple[Floats, Floats, float, float]:
    """Scores alone and together ``[seeds]``, and the seconds of each way (together: of twice as many runs)."""

    def context(name: str) -> RunContext:
        (workspace / name).mkdir()
        return RunContext(workspace / name, device)

    teacher = task.train(RunRequest("teacher", {}, 0), context("teacher")).weights
    begin = time.perf_counter()
    alone = [
        task.train(RunRequest("student", COMPARED, seed, teacher), context(f"alone{seed}")) for seed in range(seeds)
    ]
    middle = time.perf_counter()
    numbers = [(row, seed) for seed in range(seeds) for row in (COMPARED, BESIDE)]
    jobs = Listed(
        [Job(RunRequest("student", *pair, teacher), context(f"together{i}")) for i, pair in enumerate(numbers)]
    )
    task.population(layout, device).train(jobs)
    end = time.perf_counter()
    pairs = np.array([(alone[seed].score, jobs.results[seed].score) for seed in range(seeds)], dtype=np.float64)
    return pairs[:, 0], pairs[:, 1], middle - begin, end - middle


def main() -> None:
    """Measure, print, and end with 1 where the two ways are not shown to be equivalent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--form", choices=["vmapped", "looped"], default="vmapped")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--epochs", type=int, default=None, help="at most; default as the task's")
    given = parser.parse_args()
    if given.device == "cpu":
        torch.set_num_threads(1)
    task = VideoHashing(data.jhmdb(protocol="split1"), **({} if given.epochs is None else {"epochs": given.epochs}))
    print(f"{task.description}; torch {torch.__version__}, {given.device}, {given.width} at once ({given.form})")
    with tempfile.TemporaryDirectory() as folder:
        alone, together, first, second = measure(
            task, given.seeds, Layout(given.width, given.form), given.device, Path(folder)
        )
    verdict = compare(alone, together)
    print(f"alone      mAP {alone.mean():.4f}, sd {alone.std(ddof=1):.4f}, n = {given.seeds}, {first:.0f} s")
    print(f"together   mAP {together.mean():.4f}, sd {together.std(ddof=1):.4f}, {second:.0f} s with as many beside")
    print("difference {:+.2f} sd, 90 % interval {:+.2f} to {:+.2f} (within 0.5)".format(*verdict.difference))
    print("sd ratio    {:.2f}, 90 % interval {:.2f} to {:.2f} (within 0.7 to 1.4)".format(*verdict.ratio))
    print("equivalent" if verdict.equivalent else "not shown to be equivalent")
    sys.exit(0 if verdict.equivalent else 1)


if __name__ == "__main__":
    main()
