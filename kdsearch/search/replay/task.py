"""A world as a task, so that a whole study of known truth runs through ledger, planner and engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.replay import surfaces
from kdsearch.search.replay.world import World
from kdsearch.space import unconditional
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.function import FunctionTask

_SIGNED = 16
Report = Callable[[int, float], None]


def task(world: World) -> FunctionTask:
    """``kd.Study(task=replay.task(world), space=world.space)``: a run is a draw of the world, confirm seeds are too.

    A recorded world gives a point off its table the nearest row's draws; ``world.truth(params)`` stays the mean of a
    configuration's runs. The fingerprint is of some of the world's runs, so that two worlds are two studies. Runs take
    no time here; for a virtual clock see ``simulate``.
    """

    def replayed(params: Mapping[str, Scalar], seed: int, report: Report) -> float:
        objective = world.run(params, seed)
        report(1, objective)
        return objective

    encoding = Encoding(world.space)
    ranges = {name: unconditional(row) for name, row in world.space.items()}
    midpoint = {name: Encoding({name: row}).params(np.array([0.5]))[name] for name, row in ranges.items()}
    return FunctionTask(
        replayed,
        parameters=midpoint,
        chance=world.best - 10 * (world.tau + world.sigma),
        label="replay",
        description=f"replay of {world.name}, no training",
        data_version=f"{world.name} {_signature(world, encoding)}",
    )


def _signature(world: World, encoding: Encoding) -> list[str]:
    points = encoding.snap(surfaces.sample(len(world.space))[:_SIGNED])
    # Six digits: the last ones depend on the machine's linear algebra.
    return [f"{world.run(encoding.params(point), seed):.6g}" for seed, point in enumerate(points)]
