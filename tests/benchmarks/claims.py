"""How long 200 workers wait for a run when the ledger holds 10,000 configurations and 100,000 runs.

A process does what ``kdsearch launch --workers 0`` does: its engine's loop with decisions, mirror and progress line.
Each worker claims one run a second, holds it for that second and stores its result. Printed, without the first
seconds (in which the queue grows to what is taken from it): median and 99 % of a claim, the share that found nothing,
and how long the launcher's decisions took. Real workers that find nothing also ask the planner; these do not.
``--busy 2`` measures beside two processes that keep a core busy each: a machine that is slower or has other work.

    python -m tests.benchmarks.claims [--configurations 10000] [--runs 100000] [--workers 200] [--seconds 60]
        [--warm-up 30] [--busy 0]
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

if TYPE_CHECKING:
    from kdsearch.study.declaration import Study

PROCESSES = 4
CONNECTING = 5.0
WARM_UP = 30


class Enough(Exception):
    """The measurement is over."""


@dataclass(frozen=True)
class Claim:
    """One claim: in which ``second`` of the measurement, the ``seconds`` it took, whether it ``found`` a run."""

    second: int
    seconds: float
    found: bool


def main() -> None:
    """Fill a ledger, let the workers claim, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60, help="measured, after the warm-up")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="seconds in which claims are not counted")
    parser.add_argument("--busy", type=int, default=0, help="processes beside it that keep a core busy each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdsearch-benchmark-") as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user
        os.environ["KDSEARCH_HOME"] = folder
        os.environ.pop("KDSEARCH_STORAGE", None)
        seconds = arguments.warm_up + arguments.seconds
        claims, decisions = measure(
            arguments.configurations, arguments.runs, arguments.workers, seconds, arguments.busy
        )
    report(claims, decisions, arguments)


def measure(
    configurations: int, runs: int, workers: int, seconds: int, busy: int = 0
) -> tuple[list[Claim], list[float]]:
    """All claims of so many seconds, and the seconds that each decision of the launcher took meanwhile."""
    from kdsearch.ledger import embedded
    from kdsearch.ledger.ledger import Ledger

    context = multiprocessing.get_context("spawn")
    begin, stop, found, decisions = context.Event(), context.Event(), context.Queue(), context.Queue()
    processes: list[Any] = []

    def start(target: Callable[..., None], *given: object) -> None:
        process = context.Process(target=target, args=given)
        process.start()
        processes.append(process)

    try:
        ledger = Ledger.connect()
        study_id = fill(ledger, configurations, runs)
        ledger.database.dispose()
        start(launch, begin, stop, decisions)
        for _ in range(busy):
            start(spin, stop)
        if not begin.wait(300):
            raise RuntimeError("the launcher has not decided within 300 s")
        shares = [len(part) for part in np.array_split(np.arange(workers), min(PROCESSES, workers))]
        for share in shares:
            start(work, study_id, share, seconds, found)
        claims = [claim for _ in shares for claim in found.get(timeout=seconds + 300)]
        stop.set()
        took = decisions.get(timeout=300)
    finally:
        stop.set()
        for process in processes:
            process.join(60)
            process.kill()
        embedded.stop()
    return claims, took


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
    from kdsearch.engines.study_file import LoadedStudy

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
                "INSERT INTO kdsearch.run (study_id, version, configuration_id, pool, seed, state, attempt, objective, "
                "seconds, finished_at) SELECT :study, :version, c.id, 'search', s, 'done', 1, "
                "(c.params->>'a')::float + random(), 1.0, "
                "now() - (600 + 86400 * random()) * interval '1 second' "
                "FROM kdsearch.configuration c, generate_series(0, :each - 1) s "
                "WHERE c.study_id = :study"
            ),
            {"study": record.id, "version": record.version, "each": runs // configurations},
        )
        connection.execute(sa.text("UPDATE kdsearch.study SET phase = 'search'"))
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    return int(record.id)


def launch(begin: Any, stop: Any, decisions: Any) -> None:
    """``kdsearch launch --workers 0``, with a clock at each decision; ``begin`` is set after the first."""
    from rich.console import Console

    from kdsearch.cli.progress import View
    from kdsearch.engines.coordinator import Coordinator
    from kdsearch.engines.local import LocalEngine
    from kdsearch.engines.study_file import LoadedStudy
    from kdsearch.ledger.ledger import Ledger

    ledger = Ledger.connect()
    declared = study()
    record, _ = ledger.open_study(LoadedStudy(Path(__file__), declared).declaration())
    took: list[float] = []

    class Timed(Coordinator):
        def advance(self) -> int:
            if stop.is_set():
                raise Enough
            before = time.perf_counter()
            given = super().advance()
            if begin.is_set():
                took.append(time.perf_counter() - before)
            begin.set()
            return given

    coordinator = Timed(ledger, declared, record, capacity=max(2, 0), ahead=True)  # as engines.launch makes it
    try:
        with open(os.devnull, "w") as nowhere, View(Console(file=nowhere), ledger, record.id) as view:
            LocalEngine(coordinator, [], Path(__file__)).run(view.show)
    except Enough:
        decisions.put(took)


def spin(stop: Any) -> None:
    """Keep a core busy, but not for longer than who started it lives."""
    parent = multiprocessing.parent_process()
    while not stop.is_set() and parent is not None and parent.is_alive():
        for _ in range(100_000):
            pass


def work(study_id: int, workers: int, seconds: int, found: Any) -> None:
    """So many workers as threads of this process, each with its own connection, one claim a second each."""
    claims: list[Claim] = []
    threads = [threading.Thread(target=_work, args=(study_id, i / workers, seconds, claims)) for i in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.put(claims)


def _work(study_id: int, offset: float, seconds: int, claims: list[Claim]) -> None:
    """Claim once a second; what was claimed is held until just before the next claim."""
    from kdsearch.ledger.leases import Lease, Outcome
    from kdsearch.ledger.ledger import Ledger

    ledger = Ledger.connect()
    name = f"benchmark:{os.getpid()}:{threading.get_ident()}"
    ledger.study_by_id(study_id)  # connected, before the first claim is timed
    held: list[Lease] = []
    draws = np.random.default_rng(int(offset * 1e6))
    begin = time.monotonic() + CONNECTING + offset
    for second in range(seconds + 1):
        time.sleep(max(0.0, begin + second - time.monotonic()))
        if held:
            ledger.finish([Outcome(lease, "done", _result(lease, draws)) for lease in held])
        if second < seconds:
            asked = time.perf_counter()
            held = ledger.claim(study_id, name)
            claims.append(Claim(second, time.perf_counter() - asked, bool(held)))
    ledger.database.dispose()


def _result(lease: Any, draws: np.random.Generator) -> dict[str, float]:
    """As in ``fill``: one number matters, and noise."""
    return {"objective": float(lease.params["a"]) + float(draws.random()), "seconds": 1.0}


def report(claims: Sequence[Claim], decisions: Sequence[float], arguments: argparse.Namespace) -> None:
    """Print the figures beside the goals."""
    counted = [claim for claim in claims if claim.second >= arguments.warm_up]
    before = [claim for claim in claims if claim.second < arguments.warm_up]
    found = [claim.seconds for claim in counted if claim.found]
    middle, late = np.quantile(found, [0.5, 0.99]) * 1000 if found else (float("nan"), float("nan"))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores (server, launcher and all workers on them), embedded "
        f"PostgreSQL, {arguments.configurations:,} configurations, {arguments.runs:,} runs, {arguments.workers} "
        f"workers, each with one claim a second and a run held for that second, {arguments.seconds} s after a warm-up "
        f"of {arguments.warm_up} s, {arguments.busy} busy processes beside"
    )
    print(f"claim, median    {middle:8.1f} ms   (goal: under 50)")
    print(f"claim, 99 %      {late:8.1f} ms   (goal: under 250)")
    print(f"found a run      {len(found):8,} of {len(counted):,} claims")
    print(f"found nothing    {_empty(counted):8.2%} of them; {_empty(before):.2%} of {len(before):,} in the warm-up")
    if decisions:
        middle, late = np.quantile(decisions, [0.5, 0.9])
        print(
            f"decisions        {len(decisions):8,}, median {middle:.2f} s, 90 % {late:.2f} s, "
            f"longest {max(decisions):.2f} s"
        )


def _empty(claims: Sequence[Claim]) -> float:
    return sum(not claim.found for claim in claims) / max(1, len(claims))


if __name__ == "__main__":
    main()
