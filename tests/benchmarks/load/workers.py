"""How long workers wait for the ledger when very many claim, hold a run for its length and store its result.

Most are simulated (``simulated``); a few are whole: processes with kdsearch's own ledger, as workers have it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

if TYPE_CHECKING:
    from kdsearch.ledger.leases import Lease
    from kdsearch.ledger.ledger import Ledger

CONNECTING = 8.0
"""Seconds from the start of the processes to the first claim: all connect in that time."""


@dataclass(frozen=True)
class Load:
    """``workers`` with runs of ``length`` seconds over so many ``connections``, for ``seconds`` after a warm-up.

    ``whole``: workers beside them that are processes of their own.
    """

    workers: int
    length: float
    connections: int
    seconds: float
    warm_up: float = 5.0
    whole: int = 4


@dataclass
class Times:
    """Seconds of each claim that found a run and of each result; how many claims were ``empty``.

    ``late``: seconds from when a worker was due to its turn: what the simulation itself adds, in no other figure.
    """

    claims: list[float] = field(default_factory=list)
    results: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    empty: int = 0

    def add_claim(self, seconds: float | None) -> None:
        """Count a claim, ``None`` one that found nothing."""
        if seconds is None:
            self.empty += 1
        else:
            self.claims.append(seconds)

    def add(self, other: Times) -> None:
        """Count those of another too."""
        self.claims += other.claims
        self.results += other.results
        self.late += other.late
        self.empty += other.empty


@dataclass
class Found:
    """Times of the simulated workers and of the whole ones, and how many ``connections`` the server had."""

    simulated: Times
    whole: Times
    connections: int


def simulate(study_id: int, load: Load) -> Found:
    """Let the workers claim from the study of the ledger that the environment names."""
    from kdsearch.ledger.ledger import Ledger
    from tests.benchmarks.load import statements

    ledger = Ledger.connect()
    sent = statements.recorded(ledger, study_id)
    url = ledger.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    ledger.database.dispose()

    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    begin = time.time() + CONNECTING
    processes = [context.Process(target=_simulated, args=(url, sent, load, begin, queue))]
    processes += [context.Process(target=_whole, args=(study_id, load, begin, i, queue)) for i in range(load.whole)]
    for process in processes:
        process.start()
    simulated, whole = Times(), Times()
    try:
        connections = _connections(begin + load.warm_up + load.seconds / 2)
        for _ in processes:
            kind, times = queue.get(timeout=load.seconds + load.warm_up + 120)
            (whole if kind == "whole" else simulated).add(times)
    finally:
        for process in processes:
            process.join(30)
            process.kill()
    return Found(simulated, whole, connections)


def _simulated(url: str, sent: Any, load: Load, begin: float, queue: Any) -> None:
    from tests.benchmarks.load import simulated

    times = Times()
    asyncio.run(simulated.serve(url, sent, load, begin, times))
    queue.put(("simulated", times))


def _connections(at: float) -> int:
    """How many connections of kdsearch the server has at that time, this one left out."""
    from kdsearch.ledger.ledger import Ledger

    time.sleep(max(0.0, at - time.time()))
    ledger = Ledger.connect()
    with ledger.database.engine.connect() as connection:
        count = connection.execute(
            sa.text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kdsearch'")
        ).scalar_one()
    ledger.database.dispose()
    return int(count) - 1


def _whole(study_id: int, load: Load, begin: float, number: int, queue: Any) -> None:
    """One worker as a process."""
    from kdsearch.ledger.ledger import Ledger

    ledger = Ledger.connect()
    ledger.study_by_id(study_id)
    times = Times()
    due = begin + load.length * (number + 0.5) / load.whole
    held: list[Lease] = []
    while due < begin + load.warm_up + load.seconds:
        time.sleep(max(0.0, due - time.time()))
        counted = due >= begin + load.warm_up
        held = _turn(ledger, study_id, f"load:{os.getpid()}", held, times if counted else Times())
        due += load.length if held else min(load.length, 0.2)
    ledger.release(held)
    ledger.database.dispose()
    queue.put(("whole", times))


def _turn(ledger: Ledger, study_id: int, worker: str, held: list[Lease], times: Times) -> list[Lease]:
    """Store what is held, then claim."""
    from kdsearch.ledger.leases import Outcome
    from tests.benchmarks.load.statements import result

    if held:
        outcomes = [Outcome(lease, "done", result(lease)) for lease in held]
        asked = time.perf_counter()
        ledger.finish(outcomes)
        times.results.append(time.perf_counter() - asked)
    asked = time.perf_counter()
    held = ledger.claim(study_id, worker)
    times.add_claim(time.perf_counter() - asked if held else None)
    return held


def lines(load: Load, found: Found) -> list[str]:
    """The figures as text."""

    def quantiles(seconds: Sequence[float]) -> str:
        if not seconds:
            return "none"
        middle, late = 1000 * np.quantile(seconds, [0.5, 0.99])
        return f"median {middle:.1f} ms, 99 % {late:.1f} ms (n = {len(seconds):,})"

    simulated, whole = found.simulated, found.whole
    empty = simulated.empty + whole.empty
    asked = len(simulated.claims) + len(whole.claims) + empty
    return [
        f"{load.workers:,} simulated workers over {load.connections} connections and {load.whole} whole ones, runs of "
        f"{load.length:g} s, {load.seconds:g} s after {load.warm_up:g} s; {found.connections} connections used",
        f"claims           {quantiles(simulated.claims)}; {len(simulated.claims) / load.seconds:.1f} a second",
        f"results          {quantiles(simulated.results)}",
        f"claims, whole    {quantiles(whole.claims)}",
        f"results, whole   {quantiles(whole.results)}",
        f"found nothing    {empty:,} of {asked:,} claims",
        f"turn came late   {quantiles(simulated.late)}: the simulation's own",
    ]
