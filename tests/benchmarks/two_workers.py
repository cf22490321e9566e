"""Runs per minute of two workers against one, on the JHMDB pose study, each with its own processes.

Search runs of one study, one at a time in each worker, the same budget, timed from the first to the last finished run,
so that start-up, teacher and confirmation are left out. The two settings alternate.

    KDSEARCH_DATA=... python -m tests.benchmarks.two_workers [--runs 40] [--repeats 2]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdsearch.ledger.records import RunRecord

STUDY = """
import kdsearch as kd
from kdsearch import data, tasks
study = kd.Study(
    name="workers",
    task=tasks.VideoHashing(data=data.jhmdb(), teacher={{"frames": 20, "width": 96, "epochs": 10}}),
    space={{"representation_weight": kd.log(1e-3, 30), "alpha": kd.uniform(0, 1)}},
    budget=kd.Budget(runs={runs}), confirm=kd.Confirm(seeds=2, finalists=0), preflight_seeds=0,
)
"""


def main() -> None:
    """Run the settings in turn and print runs per minute and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(arguments.repeats):
        for workers in (1, 2):
            rates[workers].append(runs_per_minute(workers, arguments.runs))
    one, two = statistics.median(rates[1]), statistics.median(rates[2])
    print(f"{platform.machine()}, {os.cpu_count()} cores, {arguments.runs} search runs, {arguments.repeats} repeats")
    print(f"one worker   {one:6.1f} runs a minute  {[round(rate, 1) for rate in rates[1]]}")
    print(f"two workers  {two:6.1f} runs a minute  {[round(rate, 1) for rate in rates[2]]}")
    print(f"ratio        {two / one:6.2f}                (goal: at least 1.8)")


def runs_per_minute(workers: int, runs: int) -> float:
    """Launch a fresh study with so many workers; returns the pace of its search runs."""
    return pace([run.finished_at for run in launched(workers, runs) if run.pool == "search"])


def launched(workers: int, runs: int) -> tuple[RunRecord, ...]:
    """All runs of the study with so many workers, one at a time in each."""
    return runs_of(STUDY.format(runs=runs), "--workers", str(workers), "--population", "1")


def runs_of(study: str, *options: str) -> tuple[RunRecord, ...]:
    """All runs of a study file of this text, launched in a home of its own, which is gone afterwards."""
    from kdsearch.ledger import embedded
    from kdsearch.ledger.ledger import Ledger

    with tempfile.TemporaryDirectory(prefix="kdsearch-benchmark-") as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user
        os.environ["KDSEARCH_HOME"] = folder
        os.environ.pop("KDSEARCH_STORAGE", None)
        file = Path(folder) / "workers.py"
        file.write_text(study)
        command = [sys.executable, "-m", "kdsearch", "launch", str(file), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        try:
            ledger = Ledger.connect()
            found = ledger.results(ledger.studies()[0].id).runs
            ledger.database.dispose()
        finally:
            embedded.stop()
    return found


def pace(finished: Iterable[datetime | None]) -> float:
    """Runs per minute between the first and the last end; runs that never ended do not count."""
    ends = sorted(end for end in finished if end is not None)
    if len(ends) < 2:
        raise SystemExit(f"expected at least two finished search runs to tell a pace from, got {len(ends)}")
    return 60 * (len(ends) - 1) / (ends[-1] - ends[0]).total_seconds()


if __name__ == "__main__":
    main()
