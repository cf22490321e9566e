"""The time of a whole table of pose runs through one population: so many settings of a study with so many seeds each.

Settings, space and task are those of ``tests.benchmarks.planner.record_jhmdb`` (studies/jhmdb_weights.py); each seed
has a fold of its own, and one teacher is trained before the clock starts. Runs end early as their plateaus say, slots
are filled anew, evaluations and results are made: all that a worker does but its ledger.
"""

from __future__ import annotations

import runpy
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kdsearch.data.folds import Fold
from kdsearch.tasks.base import Job, Layout, RunContext, RunRequest, RunResult
from kdsearch.tasks.video_hashing.task import VideoHashing
from kdsearch.training.memory import peak_memory, reset_peak_memory
from tests.benchmarks.gpu.cells import release
from tests.benchmarks.planner.design import design
from tests.benchmarks.population.students import wait

STUDY = Path(__file__).resolve().parents[3] / "studies" / "jhmdb_weights.py"
FULL, TINY = (128, 16), (3, 2)
AROUND = 2.0
"""Times as long as its steps that a table is expected to take: evaluations, orders of clips and results are beside."""


@dataclass
class Listed:
    """Jobs that are all there, none of them given out once ``over()``; counts those that ended, by state."""

    waiting: list[Job]
    over: Callable[[], bool]
    results: list[RunResult] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def claim(self, free: int) -> Sequence[Job]:
        """The next ones."""
        if self.over():
            return []
        claimed, self.waiting = self.waiting[:free], self.waiting[free:]
        return claimed

    def ended(self, results: Sequence[tuple[Job, RunResult | None]]) -> None:
        """Keep them."""
        self.results += [result for _, result in results if result is not None]

    def failed(self, job: Job, error: Exception) -> None:
        """Keep its first line."""
        self.errors.append(f"{type(error).__name__}: {error}".splitlines()[0])


def seeds_that_fit(rate: float, seconds: float, size: tuple[int, int]) -> int:
    """How many seeds of ``size`` (settings, seeds), halved until they fit; 0 where not one does.

    ``rate``: runs a second by their steps alone.
    """
    settings, seeds = size
    while seeds and AROUND * settings * seeds / rate > seconds:
        seeds //= 2
    return seeds


def measure_table(device: str, layout: Layout, size: tuple[int, int], seeds: int, seconds: float) -> dict[str, Any]:
    """The row of the table ``size`` with its first ``seeds`` seeds; no run begins after ``seconds``."""
    task = runpy.run_path(str(STUDY))["study"].task
    assert isinstance(task, VideoHashing)
    if size == TINY:
        task = task.with_options(epochs=2, evaluate_every=1, student={"width": 4}, teacher={"width": 4})
    release(device)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        teacher = task.train(RunRequest("teacher", {}, 0), _context(Path(folder) / "teacher", device)).weights
        wait(device)
        taught = time.perf_counter() - begin
        jobs = listed(task, teacher, device, size[0], seeds, Path(folder))
        reset_peak_memory(device)
        begin = time.perf_counter()
        queue = Listed(jobs, lambda: time.perf_counter() - begin > seconds)
        task.population(layout, device).train(queue)
        wait(device)
        took = time.perf_counter() - begin
    if not queue.results:
        raise RuntimeError(queue.errors[0] if queue.errors else "no run ended")
    done, whole = len(queue.results), size[0] * size[1]
    return {
        "state": "done",
        "settings": size[0],
        "seeds": size[1],
        "runs": done,
        "failed": len(queue.errors),
        "first_error": queue.errors[0] if queue.errors else None,
        "diverged": sum(result.state == "diverged" for result in queue.results),
        "median_epochs": float(np.median([result.epochs for result in queue.results])),
        "median_objective": float(np.median([result.objective for result in queue.results])),
        "width": layout.width,
        "form": layout.form,
        "seconds": took,
        "seconds_of_whole": took * whole / done,
        "teacher_seconds": taught,
        "peak_memory": peak_memory(device),
    }


def listed(task: VideoHashing, teacher: Path | None, device: str, settings: int, seeds: int, folder: Path) -> list[Job]:
    """The jobs, seed by seed, so that a part of them is a smaller table."""
    space = runpy.run_path(str(STUDY))["study"].space
    rows = [row for name, row in design(space, task.parameters, settings).items() if name != "defaults"]
    return [
        Job(
            RunRequest("student", row, seed, teacher, Fold(0, seed % task.folds)),
            _context(folder / f"{seed}-{i}", device),
        )
        for seed in range(seeds)
        for i, row in enumerate(rows)
    ]


def _context(workspace: Path, device: str) -> RunContext:
    workspace.mkdir()
    return RunContext(workspace, device)
