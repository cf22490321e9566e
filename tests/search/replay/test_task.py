"""A world as a task: a whole study through the real ledger, whose truth is known."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger.ledger import Ledger
from kdsearch.search import replay

from .helpers import small_table


def study(world: replay.World, runs: int = 30) -> kd.Study:
    return kd.Study(
        name="replayed",
        task=replay.task(world),
        space=world.space,
        budget=kd.Budget(runs=runs),
        confirm=kd.Confirm(seeds=20, finalists=1),
    )


def test_a_study_of_a_world_runs_through_the_ledger(ledger: Ledger) -> None:
    world = replay.SyntheticWorld("smooth", 0.5, 0.3, seed=3)
    declared = study(world)
    record, _ = ledger.open_study(declaration(declared))
    DebugEngine(Coordinator(ledger, declared, record, 4), Loaded(declared)).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    assert results.study.phase == "finished"
    fresh: dict[int, list[float]] = defaultdict(list)
    for run in results.runs:
        params = results.configurations[run.configuration_id].params
        assert run.objective == world.run(params, run.seed), "an objective is a draw of the world, whoever stored it"
        if run.pool == "confirm":
            fresh[run.configuration_id].append(float(run.objective))
    winner = results.study.winner_id
    assert winner is not None
    truth = world.truth(results.configurations[winner].params)
    assert np.mean(fresh[winner]) == pytest.approx(truth, abs=4 * 0.5 / np.sqrt(20))


def test_other_worlds_are_other_studies() -> None:
    first, again, noisier, other = (
        replay.SyntheticWorld("smooth", sigma, 0.3, seed) for sigma, seed in ((0.5, 3), (0.5, 3), (1.0, 3), (0.5, 4))
    )
    prints = [replay.task(world).fingerprint() for world in (first, again, noisier, other)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_a_recorded_world_gives_confirm_seeds_rows_too() -> None:
    world = replay.TableWorld(small_table(), seed=0)
    task = replay.task(world)
    values = {task.function(small_table().params[1], 2**31 + index, lambda *a: None) for index in range(20)}
    assert values == {6.0, 2.0}
    assert task.parameters["x"] == 5.0
    assert task.sources()[0].name == "task.py"
