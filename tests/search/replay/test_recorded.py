"""Recorded worlds: the truth is the table's mean, a seed is a row, pairs stay pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support import random_table

from kdsearch.search.replay import Table, TableWorld
from kdsearch.search.replay.spread import spread
from kdsearch.search.replay.table import Row, assemble

from .helpers import SPACE, small_table


def test_truth_and_spread_by_hand() -> None:
    world = TableWorld(small_table(), seed=3)
    assert [world.truth(row) for row in world.table.params] == [1.0, 4.0, 2.0]
    assert world.best == 4.0
    assert world.sigma == pytest.approx(np.sqrt((1 + 1 + 4 + 4) / 6))
    assert world.tau == pytest.approx(np.std([1.0, 4.0, 2.0]))


def test_a_seed_is_the_same_recorded_row_for_every_setting() -> None:
    world = TableWorld(small_table(), seed=3)
    for seed in (0, 1, 2, 7, 2**31 + 5):
        row = world.drawn(seed)
        assert [world.run(params, seed) for params in world.table.params] == world.table.values[:, row].tolist()
        assert world.cost(world.table.params[1], seed) == world.table.seconds[1, row]
    assert {world.drawn(seed) for seed in range(20)} == {0, 1}
    assert [world.drawn(seed) for seed in range(30)] != [TableWorld(small_table(), 4).drawn(s) for s in range(30)]


def test_the_mean_of_many_seeds_is_the_truth_and_pairs_keep_their_correlation() -> None:
    world = TableWorld(random_table(), seed=1)
    first, second = world.table.params[10], world.table.params[40]
    runs = np.array([[world.run(params, seed) for params in (first, second)] for seed in range(8000)])
    assert runs.mean(0) == pytest.approx([world.truth(first), world.truth(second)], abs=0.02)
    recorded = np.corrcoef(world.table.values[[10, 40]])[0, 1]
    assert np.corrcoef(runs.T)[0, 1] == pytest.approx(recorded, abs=0.03)


def test_residuals_lack_the_variance_of_their_mean_unless_widened() -> None:
    table = random_table(seeds=4, rho=0.0)
    plain, wide = TableWorld(table, 0), TableWorld(table, 0, widen=True)
    assert plain.sigma == pytest.approx(np.sqrt(table.values.var(axis=1, ddof=0).mean()))
    assert wide.sigma == pytest.approx(np.sqrt(table.values.var(axis=1, ddof=1).mean()))
    assert wide.sigma == pytest.approx(0.5, rel=0.1)
    draws = [wide.run(table.params[0], seed) for seed in range(4000)]
    assert np.mean(draws) == pytest.approx(plain.truth(table.params[0]), abs=0.03)


def test_points_off_the_table_go_to_the_nearest_untried_row() -> None:
    place = TableWorld(small_table(), seed=0).placement()
    # Along x in the unit cube; k adds 0.5^2 for the third row.
    assert place({"x": 0.1, "k": 1})["x"] == 0.0
    assert place({"x": 0.1, "k": 1})["x"] == 5.0, "the nearest row is taken"
    assert place({"x": 0.0, "k": 1})["x"] == 0.0, "a point on the table is that row, tried or not"
    assert place({"x": 0.1, "k": 1}) == {"x": 10.0, "k": 2}
    assert place({"x": 4.0, "k": 1})["x"] == 5.0, "with none left it is the nearest again"
    fresh = TableWorld(small_table(), seed=0).placement()
    assert fresh({"x": 0.1, "k": 1})["x"] == 0.0, "each search has its own state"


def test_off_the_table_truth_and_runs_agree() -> None:
    world = TableWorld(small_table(), seed=0)
    off = {"x": 4.0, "k": 1}
    assert world.truth(off) == 4.0
    assert world.run(off, 5) == world.run(world.table.params[1], 5)


def test_parts_are_functions_of_their_index() -> None:
    table = random_table()
    parts = [table.part(index) for index in range(20)]
    assert {len(part.params) for part in parts} == {45}
    assert table.part(3).params == parts[3].params
    assert len({part.params[0]["x"] for part in parts}) > 1
    assert len({TableWorld(part, 0).best for part in parts}) > 1


def test_scaled_tables_have_tau_one() -> None:
    table = random_table().scaled()
    assert table.values.mean() == pytest.approx(0)
    assert TableWorld(table, 0).tau == pytest.approx(1)
    assert table.spread.rho == pytest.approx(random_table().spread.rho)


def test_spread_by_hand() -> None:
    # Rows 1, 5 and columns -1, 1 around them, no rest: MS_e = 0, var b = 2, tau^2 = 8.
    found = spread(np.array([[0.0, 2.0], [4.0, 6.0]]))
    assert (found.sigma**2, found.tau**2, found.rho) == (pytest.approx(2), pytest.approx(8), 1.0)
    with pytest.raises(ValueError, match="complete table"):
        spread(np.array([[0.0, np.nan], [4.0, 6.0]]))


def test_spread_finds_what_was_drawn() -> None:
    found = [random_table(200, 60).spread.sigma, random_table(200, 60).spread.tau, random_table(200, 60).spread.rho]
    assert found == pytest.approx([0.5, 1.0, 0.3], abs=0.1)


def test_the_largest_complete_block_is_kept() -> None:
    def rows(x: float, seeds: int) -> list[Row]:
        return [Row({"x": x, "k": 1, "extra": 3}, seed, x + seed, 1.0) for seed in range(seeds)]

    table = assemble("t", SPACE, [*rows(1, 4), *rows(2, 4), *rows(3, 2), *rows(4, 1), *rows(99, 4)])
    assert table.values.tolist() == [[1, 2, 3, 4], [2, 3, 4, 5]], "2 x 4 runs are more than 3 x 2"
    assert table.params[0] == {"x": 1, "k": 1}
    assert table.seconds.tolist() == [[1.0] * 4] * 2
    untold = [replace(row, seconds=seconds) for row, seconds in zip(rows(1, 4), (math.nan, 0, -2, 7), strict=True)]
    told = assemble("t", SPACE, [*untold, *rows(2, 4)])
    assert told.seconds.tolist() == [[1, 1, 1, 7], [1] * 4], "a run that says no time takes one second"
    with pytest.raises(ValueError, match="no two configurations"):
        assemble("t", SPACE, [*rows(1, 4), *rows(4, 1)])


def test_tables_refuse_holes_and_doubles() -> None:
    table = small_table()
    with pytest.raises(ValueError, match="no objective"):
        Table("t", SPACE, table.params, np.full((3, 2), np.nan), table.seconds)
    with pytest.raises(ValueError, match="same numbers"):
        Table("t", SPACE, (table.params[0], *table.params[:2]), table.values, table.seconds)
    with pytest.raises(ValueError, match="at least 2"):
        Table("t", SPACE, table.params, table.values[:, :1], table.seconds[:, :1])
