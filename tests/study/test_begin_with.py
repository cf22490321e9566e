"""Configurations that a search begins with: of the study file, or the best of another study with new seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.samplers import RandomSampler
from support import Loaded, declaration, run_program

import kdsearch as kd
from kdsearch.draws import Draws
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import StudyFileError
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.search.begin import best_of
from kdsearch.search.planner import begin_seeds

SPACE = {"x": kd.uniform(0, 1), "mode": kd.categorical("a", "b")}
FIRST = [{"x": 0.3, "mode": "b"}, {"x": 0.7}, {"x": 0.3, "mode": "b"}]


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    return 1 - abs(params["x"] - 0.4) + 0.001 * (seed % 7)


def study(name: str = "first", **fields: Any) -> kd.Study:
    given = {"defaults": {"mode": "a"}, "budget": kd.Budget(runs=12), "confirm": kd.Confirm(seeds=2, finalists=1)}
    return kd.Study(name, train, SPACE, chance=0.0, **{**given, **fields})


def finished(ledger: Ledger, made: kd.Study) -> StudyResults:
    record, _ = ledger.open_study(declaration(made))
    DebugEngine(Coordinator(ledger, made, record, capacity=2), Loaded(made)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


@pytest.mark.parametrize("search", [kd.Adaptive(), kd.Fixed(seeds=2)])
def test_they_are_tried_before_anything_else(ledger: Ledger, search: Any) -> None:
    results = finished(ledger, study(begin_with=FIRST, search=search))
    rows = {row.name: row for row in results.configurations.values()}
    assert dict(rows["b0"].params) == {"x": 0.3, "mode": "b"}
    assert dict(rows["b1"].params) == {"x": 0.7, "mode": "a"}
    assert "b2" not in rows  # said twice
    assert (rows["b0"].kind, rows["b0"].origin) == ("searched", "begin")
    searched = sorted((run for run in results.runs if run.pool == "search"), key=lambda run: run.id)
    assert [results.configurations[run.configuration_id].name for run in searched[:2]] == ["b0", "b1"]
    assert "c0" in rows
    assert len(searched) == 12


def test_they_are_part_of_what_a_study_is() -> None:
    assert "begin_with" not in study().identity()
    assert study(begin_with=FIRST).identity()["begin_with"] == [{"x": 0.3, "mode": "b"}, {"x": 0.7, "mode": "a"}]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ([{"y": 1}], r"begin_with, number 1: unknown 'y'"),
        ([{"x": 0.5}, {"x": 2}], r"begin_with, number 2: x=2 lies outside"),
        ([{"mode": "c"}], r"begin_with, number 1: mode='c' lies outside"),
        ([{}], r"begin_with, number 1: expected names with values"),
        ([3], r"begin_with, number 1: expected names with values"),
    ],
)
def test_what_the_search_could_not_propose_is_refused(first: Any, said: str) -> None:
    with pytest.raises(StudyFileError, match=said):
        study(begin_with=first)


_FILE = """
import kdsearch as kd


def train(params, seed, report):
    return 1 - abs(params["x"] - 0.4) + 0.001 * (seed % 7)


study = kd.Study("{name}", train, {{"x": kd.uniform({low}, 1)}}, search=kd.Fixed(seeds=2), chance=0.0,
    budget=kd.Budget(runs=24), confirm=kd.Confirm(seeds=2, finalists=1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose home's server is stopped at the end."""
    yield tmp_path
    embedded.stop(tmp_path / "home" / "postgres")


@pytest.mark.slow
def test_a_study_begins_with_the_best_of_another_and_counts_none_of_its_runs(folder: Path) -> None:
    for name, low in (("one", 0.0), ("two", 0.3)):
        (folder / f"{name}.py").write_text(_FILE.format(name=name, low=low))
    home = folder / "home"
    assert run_program("launch", str(folder / "one.py"), "--engine", "debug", home=home)[0] == 0
    again = ("launch", str(folder / "two.py"), "--workers", "1", "--begin-with", "one")
    code, output = run_program(*again, home=home)
    assert code == 0, output
    ledger = Ledger.connect(embedded.start(home / "postgres"))
    one, two = (ledger.results(ledger.study(name).id) for name in ("one", "two"))
    winner = one.configurations[one.study.winner_id or 0]
    first = [row for row in two.configurations.values() if row.origin == "begin"]
    assert 2 <= len(first) <= 5
    assert dict(first[0].params) == dict(winner.params)
    assert all(row.params["x"] >= 0.3 for row in first)
    assert sum(run.pool == "search" for run in two.runs) == 24
    code, output = run_program(*again, home=home)
    assert code == 0
    assert "Nothing was left to do" in output
    (folder / "other.py").write_text(_FILE.format(name="other", low=0.4))
    assert run_program("launch", str(folder / "other.py"), "--engine", "debug", home=home)[0] == 0
    code, output = run_program(*again[:-1], "other", home=home)
    assert code == 1
    assert "the study two@function began with configurations that other@function has not" in output
    assert run_program("delete", "one", "--yes", home=home)[0] == 0
    assert run_program(*again, home=home)[0] == 0  # its configurations were kept
    (folder / "three.py").write_text(_FILE.format(name="three", low=0.9999))
    code, output = run_program("launch", str(folder / "three.py"), "--begin-with", "other", home=home)
    assert code == 1
    assert "there is nothing to begin with" in output


def test_what_diverged_is_none_of_the_best(ledger: Ledger) -> None:
    def diverges(params: dict[str, Any], seed: int, report: Any) -> float:
        return float("nan") if params["x"] > 0.5 else params["x"]

    def always(params: dict[str, Any], seed: int, report: Any) -> float:
        return float("nan")

    fields: dict[str, Any] = {"chance": 0.0, "search": kd.Fixed(seeds=2), "budget": kd.Budget(runs=8)}
    space = {"x": kd.uniform(0, 1)}
    results = finished(ledger, kd.Study("some", diverges, space, **fields))
    assert any(row.params["x"] > 0.5 for row in results.configurations.values())
    best = best_of(results, space)
    assert best
    assert all(params["x"] <= 0.5 for params in best)
    assert best_of(finished(ledger, kd.Study("all", always, space, **fields)), space) == []


@pytest.mark.parametrize("search", [kd.Adaptive(), kd.Fixed(seeds=2), kd.OptunaSearch(RandomSampler)])
def test_they_have_seeds_that_no_other_study_chose_them_on(ledger: Ledger, search: Any) -> None:
    """What was lucky on its seeds would be lucky again; a design with common seeds keeps to common ones."""
    before = finished(ledger, study("before", search=search))
    after = finished(ledger, study("after", search=search, begin_with=FIRST))
    old, new = ({run.seed for run in found.runs if run.pool == "search"} for found in (before, after))
    begun = {row.id for row in after.configurations.values() if row.origin == "begin"}
    own = {run.seed for run in after.runs if run.pool == "search" and run.configuration_id in begun}
    assert own
    assert not own & old
    assert own == {min(own) + place for place in range(2)} or isinstance(search, kd.Adaptive)
    if not isinstance(search, kd.Adaptive):
        assert new == own, "all configurations are trained on the same ones"
    assert max(own) < 1_000_000, "those of the pre-flight begin there"


def test_the_folds_are_met_in_turn() -> None:
    for folds in (1, 3, 5, 7):
        record: Any = SimpleNamespace(name="after@function", draws=Draws(folds=folds))
        assert begin_seeds(record) % folds == 0
        assert 949_000 < begin_seeds(record) < 990_000
