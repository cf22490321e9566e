"""Records the JHMDB table with the product itself: many configurations of studies/jhmdb_weights.py, each with many
seeds.

The configurations are a scrambled Sobol sequence over the study's space, and the task's defaults moved into it.
Teacher, ledger, leases and workers are those of any study; only the planner is another, which queues the whole table,
seed by seed. Kill it at any moment and call it again: what is finished stays. The database goes on running; kdsearch db
stop ends it.

    KDSEARCH_DATA=... python -m tests.benchmarks.planner.record_jhmdb [--configurations 128] [--seeds 16] [--workers 2]
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import kdsearch as kd
from kdsearch.engines.devices import slots, use_slot
from kdsearch.engines.study_file import LoadedStudy, load
from kdsearch.engines.worker import Worker
from kdsearch.engines.worker_names import known_of
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import EnterPhase, NewConfiguration, NewRun, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import StudyResults
from kdsearch.report.export import write_table
from kdsearch.search import preflight
from kdsearch.search.observations import pending
from kdsearch.search.replay.spread import spread
from kdsearch.search.teachers import Teachers
from tests.benchmarks.planner.design import SOBOL_SEED, design

REPOSITORY = Path(__file__).resolve().parents[3]
STUDY = REPOSITORY / "studies" / "jhmdb_weights.py"
TABLE = Path(__file__).with_name("jhmdb.npz")


def main() -> None:
    """Record with worker processes until the table is whole, then write it."""
    arguments = _parse()
    ledger = Ledger.connect()
    loaded = declared(arguments.configurations, arguments.seeds)
    record, _ = ledger.open_study(loaded.declaration())
    if arguments.worker:
        use_slot("cpu")
        parent = os.getppid()
        planner = TablePlanner(loaded.study, arguments.configurations, arguments.seeds)
        work(ledger, loaded, planner, should_stop=lambda: os.getppid() != parent)
        return
    command = [sys.executable, "-m", "tests.benchmarks.planner.record_jhmdb", *sys.argv[1:], "--worker"]
    places = slots(arguments.workers)
    workers = [
        subprocess.Popen(command, env={**os.environ, **dict(place.environment)}, cwd=REPOSITORY) for place in places
    ]
    try:
        while any(worker.poll() is None for worker in workers):
            _show(ledger.search_state(record.id))
            time.sleep(2.0)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()
    print(flush=True)
    results = ledger.results(record.id)
    if results.study.phase != "finished":
        raise SystemExit("the workers ended before the table was whole; call again to go on")
    values = matrix(results)
    measured = spread(values)
    write_table(results, arguments.output, provenance=provenance(values), every_score=True)
    print(f"{arguments.output}: {values.shape[0]} settings x {values.shape[1]} seeds, {measured}")


def declared(configurations: int, seeds: int) -> LoadedStudy:
    """The jhmdb study's preset ``cpu`` under another name, with the table as its budget and nothing to confirm."""
    loaded = load(STUDY, "cpu")
    study = dataclasses.replace(
        loaded.study,
        name="jhmdb_table",
        baselines={},
        published=(),
        budget=kd.Budget(runs=(configurations + 1) * seeds),
        preflight_seeds=0,
        seed=SOBOL_SEED,
    )
    return LoadedStudy(loaded.path, study)


class TablePlanner:
    """Teacher first, then every cell of the table, seed by seed, so that a part of it is a smaller table."""

    def __init__(self, study: kd.Study, configurations: int, seeds: int) -> None:
        self.study = study
        self.rows = design(dict(study.space), dict(study.task.parameters), configurations)
        self.seeds = seeds

    def plan(self, state: SearchState) -> Sequence[Order]:
        """See ``kdsearch.search.planner.Planner.plan``."""
        if state.study.phase == "teacher":
            return preflight.orders(self.study, state)
        teachers = Teachers(state, self.study.uses_teacher)
        stored = {row.name: row.id for row in state.configurations.values() if row.kind == "searched"}
        known = {(run.configuration_id, run.seed) for run in state.runs}
        orders: list[Order] = [
            NewConfiguration("searched", name, params, "table")
            for name, params in self.rows.items()
            if name not in stored
        ]
        for name, params in self.rows.items():
            for seed in range(self.seeds):
                if (stored.get(name), seed) not in known:
                    place = teachers.for_run(params, "search", seed)
                    run = NewRun(("searched", name), "search", seed, needs=place.needs, priority=seed, fold=place.fold)
                    orders += [*place.orders, run]
        if orders:
            back = [EnterPhase("search")] if state.study.phase == "finished" else []
            return [*back, *orders]
        return [] if pending(list(state.runs)) or state.study.phase == "finished" else [EnterPhase("finished")]


def work(ledger: Ledger, loaded: LoadedStudy, planner: TablePlanner, should_stop: Callable[[], bool]) -> None:
    """One worker: trains runs until the table is whole, and plans when there is none to train."""
    record = ledger.study(loaded.study.stored_name)

    def advance() -> int:
        ledger.expire(record.id, known_of(ledger.lease_holders(record.id)))
        return len(ledger.decide(record.id, planner.plan))

    Worker(ledger, loaded, record, advance=advance, should_stop=should_stop).run_until_finished()


def matrix(results: StudyResults) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Objectives ``[configurations, seeds]``; refuses a table with holes."""
    runs = [run for run in results.runs if run.pool == "search"]
    failed = [run.id for run in runs if run.objective is None]
    if failed:
        raise SystemExit(f"{len(failed)} runs have no value, such as run {failed[0]}: kdsearch logs {failed[0]}")
    ids = list(dict.fromkeys(run.configuration_id for run in runs))
    values = np.full((len(ids), 1 + max(run.seed for run in runs)), np.nan)
    for run in runs:
        values[ids.index(run.configuration_id), run.seed] = run.objective
    return values


def provenance(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    """What the table was made with, and which world it is: sigma, tau and rho of the objective."""
    return {
        "command": "python -m tests.benchmarks.planner.record_jhmdb " + " ".join(sys.argv[1:]),
        "recorded": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in ("kdsearch", "torch", "numpy")},
        "settings": f"scrambled Sobol, seed {SOBOL_SEED}, and the task's defaults moved into the space",
        "objective": {"settings": values.shape[0], "seeds": values.shape[1], **dataclasses.asdict(spread(values))},
    }


def _show(state: SearchState) -> None:
    counts = Counter(run.state for run in state.runs)
    line = f"{state.study.phase}: " + ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
    print(f"\r{line:<60}", end="", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=128, help="Sobol points, without the defaults")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--workers", type=int, default=None, help="default one a core")
    parser.add_argument("--output", type=Path, default=TABLE)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
