"""Simulated workers: each claims a run, holds it for its length and stores its result; nothing is trained.

A thread has one connection and serves its share of the workers, those that are due first: with as many connections as
workers each has its own, as real ones do.
"""

from __future__ import annotations

import heapq
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

if TYPE_CHECKING:
    from kdsearch.ledger.leases import Lease
    from kdsearch.ledger.ledger import Ledger

PROCESSES = 2
CONNECTING = 8.0
"""Seconds from the start of the processes to the first claim: all connect in that time."""


@dataclass(frozen=True)
class Load:
    """``workers`` with runs of ``length`` seconds over so many ``connections``, for ``seconds`` after a warm-up."""

    workers: int
    length: float
    connections: int
    seconds: float
    warm_up: float = 5.0


@dataclass
class Found:
    """Seconds of each claim that found a run and of each result; how many claims were ``empty``.

    ``late``: seconds from when a worker was due to its turn: what the simulation itself adds, in no other figure.
    """

    claims: list[float] = field(default_factory=list)
    results: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    empty: int = 0
    connections: int = 0


def simulate(study_id: int, load: Load) -> Found:
    """Let the workers claim from the study of the ledger that the environment names."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    begin = time.time() + CONNECTING
    shares = _shares(load.connections, min(PROCESSES, load.connections))
    workers = _shares(load.workers, len(shares))
    processes = [
        context.Process(target=_process, args=(study_id, load, threads, own, begin, queue))
        for threads, own in zip(shares, workers, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        connections = _connections(begin + load.warm_up + load.seconds / 2)
        parts = [queue.get(timeout=load.seconds + load.warm_up + 120) for _ in processes]
    finally:
        for process in processes:
            process.join(30)
            process.kill()
    found = Found(connections=connections)
    for part in parts:
        found.claims += part.claims
        found.results += part.results
        found.late += part.late
        found.empty += part.empty
    return found


def _shares(count: int, parts: int) -> list[int]:
    return [len(part) for part in np.array_split(np.arange(count), parts)]


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


def _process(study_id: int, load: Load, threads: int, workers: int, begin: float, queue: Any) -> None:
    found = [Found() for _ in range(threads)]
    places = np.array_split(np.arange(workers) / workers, threads)
    running = [
        threading.Thread(target=_serve, args=(study_id, load, own.tolist(), begin, part))
        for own, part in zip(places, found, strict=True)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    whole = Found()
    for part in found:
        whole.claims += part.claims
        whole.results += part.results
        whole.late += part.late
        whole.empty += part.empty
    queue.put(whole)


def _serve(study_id: int, load: Load, offsets: Sequence[float], begin: float, found: Found) -> None:
    """One connection: its workers take turns; the first claims of all are spread over the length of a run."""
    from kdsearch.ledger.ledger import Ledger

    ledger = Ledger.connect()
    ledger.study_by_id(study_id)
    due: list[tuple[float, int, list[Lease]]] = [
        (begin + offset * load.length, number, []) for number, offset in enumerate(offsets)
    ]
    heapq.heapify(due)
    end = begin + load.warm_up + load.seconds
    while due and due[0][0] < end:
        at, number, held = heapq.heappop(due)
        time.sleep(max(0.0, at - time.time()))
        counted = at >= begin + load.warm_up
        if counted:
            found.late.append(time.time() - at)
        held = _turn(ledger, study_id, f"load:{os.getpid()}:{number}", held, found if counted else Found())
        heapq.heappush(due, (at + (load.length if held else min(load.length, 0.2)), number, held))
    for _, _, held in due:
        ledger.release(held)
    ledger.database.dispose()


def _turn(ledger: Ledger, study_id: int, worker: str, held: list[Lease], found: Found) -> list[Lease]:
    """Store what is held, then claim."""
    from kdsearch.ledger.leases import Outcome

    if held:
        asked = time.perf_counter()
        ledger.finish([Outcome(lease, "done", _result(lease)) for lease in held])
        found.results.append(time.perf_counter() - asked)
    asked = time.perf_counter()
    held = ledger.claim(study_id, worker)
    if held:
        found.claims.append(time.perf_counter() - asked)
    else:
        found.empty += 1
    return held


def _result(lease: Lease) -> dict[str, Any]:
    """What a run of ten evaluations stores."""
    value = float(lease.params["a"] or 0) + lease.seed * 7919 % 13 / 13
    rising = [value * step / 10 for step in range(1, 11)]
    return {
        "objective": value,
        "epoch": 10,
        "epochs": 10,
        "seconds": 1.0,
        "scores": {},
        "curve_names": ["epoch", "objective"],
        "curves": [[float(step) for step in range(1, 11)], rising],
    }


def lines(load: Load, found: Found) -> list[str]:
    """The figures as text."""

    def quantiles(seconds: Sequence[float]) -> str:
        if not seconds:
            return "none"
        middle, late = 1000 * np.quantile(seconds, [0.5, 0.99])
        return f"median {middle:.1f} ms, 99 % {late:.1f} ms (n = {len(seconds):,})"

    asked = len(found.claims) + found.empty
    return [
        f"{load.workers:,} workers, runs of {load.length:g} s, {load.connections} connections asked for, "
        f"{found.connections} used, {load.seconds:g} s after {load.warm_up:g} s",
        f"claims           {quantiles(found.claims)}; {len(found.claims) / load.seconds:.1f} a second",
        f"results          {quantiles(found.results)}",
        f"found nothing    {found.empty:,} of {asked:,} claims",
        f"turn came late   {quantiles(found.late)}: the simulation's own",
    ]
