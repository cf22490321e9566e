"""The named worlds of the benchmark, each a family: one world an index, the same for every policy.

Synthetic families draw another truth for each index. Recorded ones draw three quarters of the table's configurations
and their own sequence of seeds: 400 worlds of one table, which say nothing about tables of other data. Everywhere the
truths of the configurations have sd 1 (recorded tables are standardised before a part is drawn), so regrets are in tau.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import product
from pathlib import Path

from kdsearch.errors import KdsearchError
from kdsearch.search.replay import (
    SyntheticWorld,
    Table,
    TableWorld,
    World,
    hpo_rl_bench,
    read_table,
)
from kdsearch.search.replay.synthetic import KINDS

from .surrogate import MeanSurface, SurrogateWorld

SIGMAS = (0.5, 1.0, 2.0, 3.0)
RHOS = (0.0, 0.3)
TABLE = Path(__file__).with_name("jhmdb.npz")
RECORDED = ("jhmdb", "jhmdb-surrogate", "enduro", "pong")


def families() -> dict[str, Callable[[int], World]]:
    """Name to maker; nothing is read before a world is made."""
    made: dict[str, Callable[[int], World]] = {
        f"{kind}-s{sigma:g}-r{rho:g}": partial(SyntheticWorld, kind, sigma, rho)
        for kind, rho, sigma in product(KINDS, RHOS, SIGMAS)
    }
    return {**made, **{name: partial(recorded, name) for name in RECORDED}}


def recorded(name: str, index: int) -> World:
    """One world of a recorded family."""
    if name == "jhmdb":
        return TableWorld(jhmdb().part(index), index)
    if name == "jhmdb-surrogate":
        part = jhmdb().part(index)
        return SurrogateWorld(part, index, surface=MeanSurface.fit(part, _surface().lengths))
    # Of 3 and 5 recorded seeds the residuals are a good deal too small.
    return TableWorld(_grid(name).part(index), index, widen=True)


@lru_cache(maxsize=1)
def jhmdb() -> Table:
    """The recorded table, standardised."""
    if not TABLE.is_file():
        raise KdsearchError(f"no table {TABLE.name}; python -m tests.benchmarks.planner.record_jhmdb records it")
    return read_table(TABLE).scaled()


@lru_cache(maxsize=1)
def _surface() -> MeanSurface:
    return MeanSurface.fit(jhmdb())


@lru_cache(maxsize=2)
def _grid(name: str) -> Table:
    return hpo_rl_bench(name)
