"""How long 200 workers wait for a run when the ledger holds 10,000 configurations and 100,000 runs.

A launcher's coordinator plans all the while, with the study's own policy; each worker claims one run a second and
stores its result. Printed: median and 99 % of a claim, how many found nothing, and how long decisions took.

    python -m tests.benchmarks.claims [--configurations 10000] [--runs 100000] [--workers 200] [--seconds 60]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import sqlalchemy as sa

if TYPE_CHECKING:
    from kdsearch.study import Study

PROCESSES = 4
WARM_UP = 5.0


def main() -> None:
    """Fill a ledger, let the workers claim, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdsearch-benchmark-") as folder:
        os.environ["KDSEARCH_HOME"] = folder
        os.environ.pop("KDSEARCH_STORAGE", None)
        waits, empty, decisions = measure(
            arguments.configurations, arguments.runs, arguments.workers, arguments.seconds
        )
    report(waits, empty, decisions, arguments)


def measure(configurations: int, runs: int, workers: int, seconds: float) -> tuple[list[float], int, list[float]]:
    """Seconds of each claim that found a run, claims that found none, seconds of each decision that gave orders."""
    from kdsearch.ledger import embedded
    from kdsearch.ledger.ledger import Ledger

    try:
        ledger = Ledger.connect()
        study_id = fill(ledger, configurations, runs)
        ledger.database.dispose()
        context = multiprocessing.get_context("spawn")
        stop, found, decided = context.Event(), context.Queue(), context.Queue()
        planner = context.Process(target=plan, args=(workers, stop, decided))
        planner.start()
        decided.get(timeout=120)  # the first decision fills the queue
        shares = [len(part) for part in np.array_split(np.arange(workers), min(PROCESSES, workers))]
        claimers = [context.Process(target=claim, args=(study_id, share, seconds, found)) for share in shares]
        for process in claimers:
            process.start()
        parts = [found.get(timeout=seconds + 300) for _ in claimers]
        stop.set()
        for process in [*claimers, planner]:
            process.join(60)
    finally:
        embedded.stop()
    return [w for waits, _ in parts for w in waits], sum(empty for _, empty in parts), _drain(decided)


def study(runs: int = 1_000_000) -> Study:
    """Seven numbers of which one matters; it is never trained."""
    import kdsearch as kd

    return kd.Study(
        name="claims",
        task=nothing,
        space={name: kd.uniform(0, 1) for name in "abcdefg"},
        budget=kd.Budget(runs=runs),
        min_effect=1e-9,
    )


def nothing(params: dict[str, float], seed: int, report: object) -> float:
    """No training."""
    return params["a"]


def fill(ledger: Any, configurations: int, runs: int) -> int:
    """Store ended runs, each configuration the same number; returns the study's id."""
    from kdsearch.engines.studyfile import LoadedStudy

    record, _ = ledger.open_study(LoadedStudy(Path(__file__), study()).declaration())
    draws = np.random.default_rng(0)
    points = draws.random((configurations, 7)).round(6)
    rows = [
        {"study": record.id, "name": f"c{i}", "params": json.dumps(dict(zip("abcdefg", point.tolist(), strict=True)))}
        for i, point in enumerate(points)
    ]
    with ledger.database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO kdsearch.configuration (study_id, kind, name, params, origin) "
                "VALUES (:study, 'searched', :name, CAST(:params AS jsonb), 'sampler')"
            ),
            rows,
        )
        connection.execute(
            sa.text(
                "INSERT INTO kdsearch.run (study_id, configuration_id, pool, seed, state, objective, seconds, "
                "finished_at) SELECT :study, c.id, 'search', s, 'done', (c.params->>'a')::float + random(), 1.0, "
                "now() - (600 + 86400 * random()) * interval '1 second' "
                "FROM kdsearch.configuration c, generate_series(0, :each - 1) s "
                "WHERE c.study_id = :study"
            ),
            {"study": record.id, "each": runs // configurations},
        )
        connection.execute(sa.text("UPDATE kdsearch.study SET phase = 'search'"))
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    return int(record.id)


def plan(workers: int, stop: Any, decided: Any) -> None:
    """A launcher without workers of its own: decides whenever runs are missing."""
    from kdsearch.engines.coordinator import Coordinator
    from kdsearch.engines.studyfile import LoadedStudy
    from kdsearch.ledger.ledger import Ledger

    ledger = Ledger.connect()
    declared = study()
    record, _ = ledger.open_study(LoadedStudy(Path(__file__), declared).declaration())
    coordinator = Coordinator(ledger, declared, record, capacity=2 * workers)
    while not stop.is_set():
        begin = time.perf_counter()
        if coordinator.advance():
            decided.put(time.perf_counter() - begin)
        else:
            time.sleep(0.1)


def claim(study_id: int, workers: int, seconds: float, found: Any) -> None:
    """So many workers as threads of this process, each with its own connection, once a second each."""
    waits: list[float] = []
    empty: list[int] = []
    threads = [
        threading.Thread(target=_work, args=(study_id, i / workers, seconds, waits, empty)) for i in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.put((waits, len(empty)))


def _work(study_id: int, offset: float, seconds: float, waits: list[float], empty: list[int]) -> None:
    from kdsearch.ledger.leases import Outcome
    from kdsearch.ledger.ledger import Ledger

    ledger = Ledger.connect()
    name = f"benchmark:{os.getpid()}:{threading.get_ident()}"
    ledger.study_by_id(study_id)  # connected, before the first claim is timed
    begin = time.monotonic() + WARM_UP + offset
    for second in range(int(seconds)):
        time.sleep(max(0.0, begin + second - time.monotonic()))
        asked = time.perf_counter()
        leases = ledger.claim(study_id, name)
        waited = time.perf_counter() - asked
        if leases:
            waits.append(waited)
            ledger.finish([Outcome(lease, "done", {"objective": 0.5, "seconds": 1.0}) for lease in leases])
        else:
            empty.append(second)
    ledger.database.dispose()


def _drain(queue: Any) -> list[float]:
    values: list[float] = []
    while True:
        try:
            values.append(queue.get(timeout=0.5))
        except Empty:
            return values


def report(waits: list[float], empty: int, decisions: list[float], arguments: argparse.Namespace) -> None:
    """Print the figures beside the goals."""
    middle, late = np.quantile(waits, [0.5, 0.99]) * 1000
    print(
        f"{platform.machine()}, {os.cpu_count()} cores (server, planner and all workers on them), embedded PostgreSQL, "
        f"{arguments.configurations:,} configurations, {arguments.runs:,} runs, {arguments.workers} workers, one claim "
        f"and one result a second each, {arguments.seconds:g} s"
    )
    print(f"claim, median    {middle:8.1f} ms   (goal: under 50)")
    print(f"claim, 99 %      {late:8.1f} ms   (goal: under 250)")
    print(f"claims           {len(waits):8,}, {empty:,} found no run waiting")
    if decisions:
        print(f"decisions        {len(decisions):8,}, median {1000 * float(np.median(decisions)):.0f} ms")


if __name__ == "__main__":
    main()
