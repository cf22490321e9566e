"""Runs per minute of the engine ray against the engine local, with so many workers each and runs that sleep.

Runs are timed from the moment when all workers train to the last end before the queue runs dry: start-up, which is
printed too, is left out. The engines alternate.

    python -m tests.benchmarks.ray_overhead [--workers 8] [--runs 400] [--seconds 1] [--repeats 2]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from dataclasses import dataclass
from datetime import datetime

from tests.benchmarks.two_workers import runs_of

STUDY = """
import time
import kdsearch as kd

def train(params, seed, report):
    time.sleep({seconds})
    return params["x"] + 0.01 * (seed % 7)

study = kd.Study(name="overhead", task=train, space={{"x": kd.uniform(0, 1)}}, search=kd.Fixed(seeds=4),
    budget=kd.Budget(runs={runs}), confirm=kd.Confirm(seeds=2, finalists=0))
"""


@dataclass(frozen=True)
class Measured:
    """``pace``: runs per minute while all workers train. ``begins``: seconds from the start to the first end."""

    pace: float
    begins: float


def main() -> None:
    """Run both engines in turn and print runs per minute and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    found: dict[str, list[Measured]] = {"local": [], "ray": []}
    for _ in range(given.repeats):
        for engine, measured in found.items():
            measured.append(launched(engine, given.workers, given.runs, given.seconds))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {given.workers} workers, {given.runs} search runs of "
        f"{given.seconds:g} s, {given.repeats} repeats"
    )
    for engine, measured in found.items():
        paces, begins = [row.pace for row in measured], [row.begins for row in measured]
        print(
            f"{engine:6} {statistics.median(paces):7.1f} runs a minute {[round(pace, 1) for pace in paces]}, first end "
            f"after {statistics.median(begins):.1f} s"
        )
    ray, local = (statistics.median([row.pace for row in found[engine]]) for engine in ("ray", "local"))
    print(f"ratio  {ray / local:7.2f}               (goal: at least 0.9)")


def launched(engine: str, workers: int, runs: int, seconds: float) -> Measured:
    """Launch the study on an engine."""
    text, begin = STUDY.format(runs=runs, seconds=seconds), time.time()
    found = runs_of(text, "--engine", engine, "--workers", str(workers))
    ends = sorted(run.finished_at for run in found if run.pool == "search" and run.finished_at is not None)
    return Measured(pace(ends, workers), ends[0].timestamp() - begin)


def pace(ends: list[datetime], workers: int) -> float:
    """Runs per minute between the ends of the 4th and of the 4th last run of each worker.

    Before, workers are still starting; after, some have nothing left to do.
    """
    inner = ends[4 * workers : -4 * workers]
    if len(inner) < 2:
        raise SystemExit(f"expected more than {8 * workers + 1} finished runs to tell a pace from, got {len(ends)}")
    return 60 * (len(inner) - 1) / (inner[-1] - inner[0]).total_seconds()


if __name__ == "__main__":
    main()
