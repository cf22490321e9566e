"""The planner benchmark: worlds by index, searches that go on after a kill, figures by hand, one table."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Loaded, declaration, toy_study

from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger
from kdsearch.report.export import write_table
from kdsearch.search.replay import read_table
from tests.benchmarks.planner import __main__ as command
from tests.benchmarks.planner import archive, bound, measure, policies, record_jhmdb, stop, summary, table, worlds
from tests.search.replay.helpers import Blind


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two policies: one of one seed a configuration, and one of two under the name of ours."""
    made = {
        "ours": lambda space, seed, budget: Blind(space, seed, 2),
        "single": lambda space, seed, budget: Blind(space, seed, 1),
    }
    monkeypatch.setattr(measure, "policies", lambda: made)
    monkeypatch.setattr(command, "policies", lambda: made)


def test_families_make_the_same_world_for_the_same_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    families = worlds.families()
    assert len(families) == 3 * 4 * 2 + 4
    make = families["left-tailed-s2-r0.3"]
    first, again, other = make(3), make(3), make(4)
    assert (first.sigma, first.rho, first.best) == (2.0, 0.3, again.best)
    assert first.best != other.best
    monkeypatch.setattr(worlds, "TABLE", tmp_path / "none.npz")
    worlds.jhmdb.cache_clear()
    with pytest.raises(KdsearchError, match="record_jhmdb"):
        families["jhmdb"](0)


@pytest.mark.skipif(not worlds.TABLE.is_file(), reason="the JHMDB table is not recorded")
def test_the_recorded_table_is_large_enough() -> None:
    worlds.jhmdb.cache_clear()
    tried, seeds = worlds.jhmdb().values.shape
    assert tried >= 128
    assert seeds >= 16
    assert worlds.TABLE.stat().st_size < 1_500_000
    assert worlds.families()["jhmdb-surrogate"](0).tau > 0


def test_jobs_are_balanced_by_index() -> None:
    rows = list(measure.jobs(["a", "b"], {"fast": 5, "slow": 7}, {"fast": 2, "slow": 1}))
    assert [(row.index, row.world, row.policy, row.budget) for row in rows] == [
        (0, "a", "fast", 5),
        (0, "a", "slow", 7),
        (0, "b", "fast", 5),
        (0, "b", "slow", 7),
        (1, "a", "fast", 5),
        (1, "b", "fast", 5),
    ]


@pytest.mark.usefixtures("blind")
def test_a_measurement_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    wanted = list(measure.jobs(["smooth-s1-r0"], {"ours": 12}, {"ours": 3}))
    said: list[str] = []
    assert measure.measure(wanted[:2], path, say=said.append) == 0
    with path.open("a") as file:
        file.write('{"world": "smooth-s1')  # killed while it wrote
    measure.measure(wanted, path, say=said.append)
    assert said[-1].startswith("1 of 1")
    rows = list(measure.read(path))
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert rows[0]["runs"] == [10, 12]
    assert measure.search(wanted[0])["truth"] == rows[0]["truth"]
    measure.forget(path, ["ours"])
    assert list(measure.read(path)) == []


@pytest.mark.usefixtures("blind")
def test_another_version_of_ours_searches_anew_and_peers_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.jsonl"
    wanted = list(measure.jobs(["smooth-s1-r0"], {"ours": 12, "single": 12}, {"ours": 2, "single": 2}))
    said: list[str] = []
    measure.measure(wanted, path, say=said.append)
    archive.write(measure.read(path), tmp_path / "kept.npz")
    assert all(measure.current(row) for row in (*measure.read(path), *archive.read(tmp_path / "kept.npz")))
    monkeypatch.setattr(policies, "VERSION", policies.VERSION + 1)
    assert [row["policy"] for row in archive.read(tmp_path / "kept.npz") if measure.current(row)] == ["single"] * 2
    measure.measure(wanted, path, say=said.append)
    assert [line.split(",")[0] for line in said] == ["4 of 4 searches", "2 of 2 searches"]


@pytest.mark.usefixtures("blind")
def test_a_search_that_raises_is_told_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    wanted = [measure.Job("smooth-s1-r0", "nobody", 0, 5)]
    said: list[str] = []
    assert measure.measure(wanted, path, say=said.append) == 1
    assert "KeyError" in said[0]
    assert measure.measure(wanted, path, say=said.append) == 1
    assert summary.gather(measure.read(path)) == {}


def row(policy: str, index: int, truth: list[float], runs: list[int] | None = None) -> dict[str, Any]:
    """A stored search in a world whose best is 3, with tau 2 and sigma 0.5; estimates are 0.1 too high."""
    return {
        "world": "smooth-s1-r0",
        "policy": policy,
        "index": index,
        "workers": 1,
        "budget": 200,
        "best": 3.0,
        "sigma": 0.5,
        "tau": 2.0,
        "runs": runs or [10, 66, 200],
        "truth": truth,
        "estimate": [value + 0.1 for value in truth],
        "seeds": [1, 2, 3],
        "wall": 0.5,
    }


def test_figures_by_hand() -> None:
    rows = [row("ours", index, [1.0, 2.0, 3.0]) for index in range(5)]
    rows += [row("peer", index, [1.0, 1.0, 1.5]) for index in range(2, 8)]
    found = summary.gather(rows)
    ours, peer = found["smooth-s1-r0", "ours"], found["smooth-s1-r0", "peer"]
    assert ours.regret[0].tolist() == [1.0, 0.5, 0.0]
    assert ours.inflation == pytest.approx(0.2)
    assert summary.mean(ours.at(ours.regret, 66)) == summary.Estimate(0.5, 0.5, 0.5)
    # Common worlds are 2, 3 and 4; regret 0 against 0.75 at 200.
    assert summary.paired(ours, peer, 200) == summary.Estimate(-0.75, -0.75, -0.75)
    # 0.75 lies half-way between 1 at 10 runs and 0.5 at 66.
    assert summary.runs_needed(ours, peer, 200) == summary.Estimate(38.0, 38.0, 38.0)
    assert math.isinf(summary.runs_needed(peer, ours, 200).value)
    assert summary.runs_needed(ours, peer, 10).value == 10


def test_intervals_cover_the_mean() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        found = summary.mean(rng.standard_normal(60) + 1)
        covered += found.low <= 1 <= found.high
    assert 0.9 <= covered / 300 <= 0.98
    wide = summary.mean(rng.standard_normal(400))
    assert wide.high - wide.low == pytest.approx(2 * 1.96 / 20, rel=0.15)


def test_goals_are_met_missed_or_open() -> None:
    rows = [row("ours", index, [1.0, 2.0, 2.0 + 0.2 * (index % 2)]) for index in range(8)]
    rows += [row("tpe_x5", index, [0.0, 1.0, 1.5]) for index in range(8)]
    said = list(table.goals(summary.gather(rows), "ours", "tpe_x5"))
    assert said[0].startswith("met     smooth-s1-r0: tpe_x5 at 200 reached with at most 66: needs 38 [38, 38]")
    assert "not behind tpe_x5 at 200" in said[1]
    assert said[2].startswith("missed  smooth-s1-r0: inflation")
    worse = [row("ours", index, [0.0, 0.0, 0.0]) for index in range(8)] + rows[8:]
    assert [line.split()[0] for line in table.goals(summary.gather(worse), "ours", "tpe_x5")] == ["missed"] * 3


@pytest.mark.usefixtures("blind")
def test_the_command_prints_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results.jsonl"
    given = ["--quick", "--output", str(output), "--processes", "1", "--reference", "single"]
    command.main(given)
    printed = capsys.readouterr().out
    assert "regret at 40" in printed
    assert printed.count("independent-s1-r0.3    ours") == 1
    assert "not behind single at 40 by more than the interval" in printed
    assert len(output.read_text().splitlines()) == 2 * 2 * 4
    command.main([*given, "--table"])
    assert capsys.readouterr().out in printed


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    wanted = list(measure.jobs(["independent-s1-r0"], {policies.OURS: 14}, {policies.OURS: 2}))
    measure.measure(wanted, tmp_path / "two.jsonl", processes=2, say=lambda line: None)
    found = {row["index"]: row for row in measure.read(tmp_path / "two.jsonl")}
    for job in wanted:
        alone = measure.search(job)
        assert {**found[job.index], "wall": 0} == {**json.loads(json.dumps(alone)), "wall": 0}


def test_the_recorder_fills_its_table_and_goes_on(ledger: Ledger, tmp_path: Path) -> None:
    study = toy_study(baselines={}, preflight_seeds=0)
    loaded: Any = Loaded(study)
    record, _ = ledger.open_study(declaration(study))
    for configurations, seeds in ((3, 2), (4, 3)):
        planner = record_jhmdb.TablePlanner(study, configurations, seeds)
        ledger.decide(record.id, planner.plan)
        record_jhmdb.work(ledger, loaded, planner, should_stop=lambda: False)
        results = ledger.results(record.id)
        assert results.study.phase == "finished"
        values = record_jhmdb.matrix(results)
        assert values.shape == (configurations + 1, seeds)
    assert not any(run.pool == "confirm" for run in results.runs)
    write_table(results, tmp_path / "t.npz", provenance=record_jhmdb.provenance(values), every_score=True)
    np.testing.assert_array_equal(np.sort(read_table(tmp_path / "t.npz").values, 0), np.sort(values, 0))


def test_the_design_grows_by_adding() -> None:
    study = record_jhmdb.declared(4, 2).study
    assert study.budget.runs == 10
    few, many = (record_jhmdb.design(dict(study.space), dict(study.task.parameters), count) for count in (3, 128))
    assert len(many) == 129
    assert all(many[name] == params for name, params in few.items())
    for params in many.values():
        study.check({name: params[name] for name in study.space}, inside=True)
    assert many["defaults"]["representation_weight"] == 1e-3, "0 is not in a logarithmic range"
    assert len({params["patience"] for params in many.values()}) == 10


def test_an_early_end_is_noted_where_little_is_left_to_gain() -> None:
    runs, regret, late, early = stop.study("smooth-s1-r0", 60, 20.0, 0)
    assert early
    assert 15 <= runs < 60
    assert regret >= late - 0.5
    runs, regret, late, early = stop.study("smooth-s1-r0", 30, 1e-3, 0)
    assert not early
    assert (runs, regret) == (30, late)


def test_who_knows_the_prior_is_ahead_of_five_seeds_each_at_the_same_price() -> None:
    informed, five = bound.compare(1.0, 40, 40, 200)
    assert informed.low > five.high
    noiseless, _ = bound.compare(1e-6, 20, 20, 400)
    assert noiseless.value == pytest.approx(1.867, abs=0.15), "the expected best of 20 standard normals"


def test_a_policy_needs_no_more_runs_than_it_had_to_reach_its_own_regret() -> None:
    draws = np.random.default_rng(3)
    runs = (10, 50, 100, 200, 400)
    regret = 1 / np.sqrt(np.array(runs)) * np.exp(draws.normal(size=(30, 5)))
    curves = summary.Curves(tuple(range(30)), runs, regret, regret, regret, 0.1)
    for count in runs:
        assert summary.runs_needed(curves, curves, count).value <= count


def test_kept_searches_give_the_table_of_the_file(
    blind: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path / "build" / "planner.jsonl")
    monkeypatch.setattr(archive, "KEPT", tmp_path / "kept.npz")
    asked = ["--on", "smooth-s1-r0", "--budget", "30", "--worlds", "3", "--processes", "1", "--reference", "single"]
    asked += ["--output", str(tmp_path / "build" / "planner.jsonl"), "--long-budget", "30", "--long"]

    def figures() -> list[float]:
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("smooth")]
        return [float(number) for line in lines for number in re.findall(r"-?\d+\.\d+", line)]

    command.main([*asked, "--keep"])
    first = figures()
    (tmp_path / "build" / "planner.jsonl").unlink()
    command.main([*asked, "--table"])
    assert first
    assert figures() == pytest.approx(first, abs=0.0101), "printed with two decimals, kept with four"
    assert len(list(archive.read())) == 6
    (tmp_path / "build" / "planner.jsonl").unlink()
    command.main([*asked, "--table", "--fresh"])
    assert not figures()


def test_who_is_ahead_is_said_budget_by_budget() -> None:
    def policy(early: float, late: float, runs: tuple[int, ...] = (30, 66)) -> summary.Curves:
        spread = np.linspace(-0.1, 0.1, 40)[:, None]
        regret = np.concatenate([early + spread, late + spread], axis=1)
        return summary.Curves(tuple(range(40)), runs, regret, regret, regret, 0.1)

    found = {
        ("smooth", "ours"): policy(0.5, 0.1),
        ("smooth", "quick"): policy(0.2, 0.1),
        ("smooth", "slow"): policy(0.9, 0.9),
        ("rough", "ours"): policy(0.5, 0.5),
        ("rough", "late"): policy(0.1, 0.1, (50, 200)),
    }
    assert list(table.behind(found, "ours", (30, 66))) == [
        "30 runs: 1 of 2 peers by family are ahead",
        "  smooth quick at 30: ours - it 0.30 [0.30, 0.30]",
        "66 runs: 0 of 2 peers by family are ahead",
    ], "a tie is not ahead, and where no checkpoint is shared nothing is compared"
