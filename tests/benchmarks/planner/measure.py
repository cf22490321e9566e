"""Simulates policies in worlds with a pool of processes; each result is one JSON line, so that a run can go on."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kdsearch.search.replay import World, simulate

from .policies import Factory, policies, version
from .worlds import families

CHECKPOINTS = (10, 20, 30, 40, 50, 60, 66, 80, 100, 133, 166, 200, 300, 400, 600)
Key = tuple[str, str, int, int, int]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """One search: a policy in the index-th world of a family, with so many runs and so many at once."""

    world: str
    policy: str
    index: int
    budget: int
    workers: int = 1

    @property
    def key(self) -> Key:
        """What is one result. The budget belongs to it: some peers plan by it, so a longer search is another one."""
        return (self.world, self.policy, self.index, self.budget, self.workers)


def jobs(
    worlds: Sequence[str], budgets: Mapping[str, int], count: Mapping[str, int], workers: int = 1, first: int = 0
) -> Iterator[Job]:
    """Every search of a comparison, by index first: what is there when it is killed is balanced.

    ``budgets`` and ``count``: runs and number of worlds of each policy; ``first``: index of the first world.
    """
    for index in range(first, first + max(count.values(), default=0)):
        for world in worlds:
            for policy, budget in budgets.items():
                if index - first < count[policy]:
                    yield Job(world, policy, index, budget, workers)


def measure(wanted: Iterable[Job], path: Path, processes: int = 1, say: Callable[[str], None] = print) -> int:
    """Run what ``path`` does not hold yet and append it; returns how many searches failed.

    A search that raises is stored with its traceback, counted, and tried again next time.
    """
    done = {key_of(row) for row in read(path) if "error" not in row and current(row)}
    missing = [job for job in wanted if job.key not in done]
    failed, begin = 0, time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    cut_off = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        if cut_off:
            file.write("\n")  # by a kill: the half line stays alone
        for number, row in enumerate(_results(missing, processes), 1):
            file.write(json.dumps(row) + "\n")
            file.flush()
            if "error" in row:
                failed += 1
                say(f"{row['policy']} in {row['world']} {row['index']}: {row['error'].strip().splitlines()[-1]}")
            if number % 100 == 0 or number == len(missing):
                say(f"{number} of {len(missing)} searches, {time.monotonic() - begin:.0f} s")
    return failed


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The stored results; lines that were cut off by a kill are left out."""
    if not path.is_file():
        return
    with path.open() as file:
        for line in file:
            with contextlib.suppress(json.JSONDecodeError):
                yield json.loads(line)


def current(row: Mapping[str, Any]) -> bool:
    """Whether a result is of the policy's present version."""
    return str(row.get("version", "")) == version(row["policy"])


def forget(path: Path, names: Sequence[str]) -> None:
    """Drop the results of policies whose code has changed."""
    kept = [row for row in read(path) if row["policy"] not in names]
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(row) + "\n" for row in kept))
    partial.replace(path)


def key_of(row: Mapping[str, Any]) -> Key:
    """The key of a stored result; see ``Job.key``."""
    return (row["world"], row["policy"], row["index"], row["budget"], row["workers"])


def search(job: Job) -> dict[str, Any]:
    """One search as a JSON object."""
    begin = time.perf_counter()
    try:
        return _search(job, families()[job.world](job.index), policies()[job.policy], begin)
    except Exception:
        return {**asdict(job), "error": traceback.format_exc()}


def _search(job: Job, world: World, factory: Factory, begin: float) -> dict[str, Any]:
    looks = [*(count for count in CHECKPOINTS if count < job.budget), job.budget]
    policy = factory(world.space, job.index, job.budget)
    trace = simulate(policy, world, job.budget, job.workers, checkpoints=looks)
    return {
        **asdict(job),
        "version": version(job.policy),
        "best": round(world.best, 5),
        "sigma": round(world.sigma, 5),
        "tau": round(world.tau, 5),
        "runs": trace.runs.tolist(),
        "time": [round(value, 1) for value in trace.time.tolist()],
        "truth": [round(value, 5) for value in trace.truth.tolist()],
        "estimate": [round(value, 5) for value in trace.estimate.tolist()],
        "seeds": trace.seeds.tolist(),
        "settings": trace.tried,
        "ended": trace.ended,
        "wall": round(time.perf_counter() - begin, 3),
    }


def _results(wanted: Sequence[Job], processes: int) -> Iterator[dict[str, Any]]:
    if processes <= 1:
        yield from map(search, wanted)
        return
    # One thread each, set before a child imports numpy.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        try:
            yield from pool.imap_unordered(search, wanted)
        except KeyboardInterrupt:
            print("stopped; the same command goes on from here", file=sys.stderr)
            raise
