"""A recorded table: configurations, the same seeds for all of them, the objective of each run and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdsearch.search.replay.draws import key_of
from kdsearch.search.replay.spread import Spread, spread
from kdsearch.space import Dimension, active
from kdsearch.tasks.base import Scalar

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Table:
    """I configurations x J seeds, complete, so that every seed is a row of residuals that all configurations share.

    ``params``: the I configurations. ``values``: objectives ``[I, J]``. ``seconds``: cost of each run ``[I, J]``.
    Raises ``ValueError`` for fewer than 2 x 2 runs, for holes and for configurations that stand twice.
    """

    name: str
    space: Mapping[str, Dimension]
    params: tuple[Mapping[str, Scalar], ...]
    values: Floats
    seconds: Floats

    def __post_init__(self) -> None:
        shape = (len(self.params), self.values.shape[-1])
        if self.values.shape != shape or self.seconds.shape != shape or min(shape) < 2:
            raise ValueError(
                f"expected a table of at least 2 configurations x 2 seeds, got {self.values.shape} for {shape}"
            )
        if not (np.isfinite(self.values).all() and np.isfinite(self.seconds).all()):
            raise ValueError(f"table {self.name}: a run has no objective or no seconds")
        if len({key_of(self.space, row) for row in self.params}) < len(self.params):
            raise ValueError(f"table {self.name}: two of its configurations have the same numbers")

    @property
    def spread(self) -> Spread:
        """Unbiased sigma, tau and rho of what was recorded."""
        return spread(self.values)

    def scaled(self) -> Table:
        """The same table with the configurations' means standardised to mean 0 and sd 1."""
        means = self.values.mean(1)
        return self._with(values=(self.values - means.mean()) / means.std())

    def part(self, index: int, share: float = 0.75) -> Table:
        """A random ``share`` of the configurations, a function of ``index``: many worlds from one table.

        What varies between parts is which configurations there are, hence which is best and what its neighbours tell.
        They overlap, so an interval over parts says nothing about tables of other data.
        """
        count = max(2, round(share * len(self.params)))
        kept = np.sort(np.random.default_rng([index, 2]).choice(len(self.params), size=count, replace=False))
        return self._with(
            params=tuple(self.params[i] for i in kept), values=self.values[kept], seconds=self.seconds[kept]
        )

    def _with(self, **changes: Any) -> Table:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Table(**{**fields, **changes})


@dataclass(frozen=True)
class Row:
    """One recorded run. ``objective`` is nan where there is none."""

    params: Mapping[str, Scalar]
    seed: int
    objective: float
    seconds: float


def assemble(name: str, space: Mapping[str, Dimension], rows: Sequence[Row]) -> Table:
    """The largest complete table in recorded runs: the first J seeds and the configurations that have all of them.

    J is the one with the most runs, at least 2; the more seeds, where two are equal. Configurations outside the space,
    such as baselines, are left out. Raises ``ValueError`` where no 2 configurations share 2 seeds.
    """
    cells: dict[tuple[float | str, ...], dict[int, Row]] = {}
    for row in rows:
        known = all(name in row.params for name in space)
        inside = known and all(space[name].contains(row.params[name]) for name in active(space, row.params))
        if inside and np.isfinite(row.objective):
            cells.setdefault(key_of(space, row.params), {})[row.seed] = row
    seeds = sorted({seed for found in cells.values() for seed in found})
    sizes = {j: sum(all(seed in found for seed in seeds[:j]) for found in cells.values()) for j in _counts(seeds)}
    best = max((j for j in sizes if sizes[j] >= 2), key=lambda j: (j * sizes[j], j), default=None)
    if best is None:
        raise ValueError(
            f"{name}: no two configurations of the space share two seeds (found {len(cells)} and {len(seeds)} seeds); "
            "an adaptive search gives each its own seeds: record a table with search=kd.Fixed(seeds=...)"
        )
    kept = [found for found in cells.values() if all(seed in found for seed in seeds[:best])]
    grid = [[found[seed] for seed in seeds[:best]] for found in kept]
    return Table(
        name=name,
        space=dict(space),
        params=tuple({name: line[0].params[name] for name in space} for line in grid),
        values=np.array([[row.objective for row in line] for line in grid], dtype=np.float64),
        seconds=np.array([[_seconds(row) for row in line] for line in grid], dtype=np.float64),
    )


def _counts(seeds: Sequence[int]) -> range:
    return range(2, len(seeds) + 1)


def _seconds(row: Row) -> float:
    return row.seconds if np.isfinite(row.seconds) and row.seconds > 0 else 1.0
