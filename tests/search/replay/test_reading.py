"""What export writes, replay reads; and the grids of HPO-RL-Bench."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import ToyTask, declaration, run_program, toy_study

import kdsearch as kd
from kdsearch import environment
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.report.export import runs_csv, runs_json, write_table
from kdsearch.search.replay import hpo_rl_bench, read_table


@pytest.fixture
def results(ledger: Ledger) -> StudyResults:
    from support import Loaded

    study = toy_study(task=ToyTask(diverges_above=0.9), search=kd.Fixed(seeds=4))
    record, _ = ledger.open_study(declaration(study))
    DebugEngine(Coordinator(ledger, study, record, 4), Loaded(study)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_an_exported_study_reads_back_from_all_three_forms(results: StudyResults, tmp_path: Path) -> None:
    write_table(results, tmp_path / "runs.npz")
    (tmp_path / "runs.json").write_text(runs_json(results))
    (tmp_path / "runs.csv").write_text(runs_csv(results))
    space = toy_study().space
    first = read_table(tmp_path / "runs.npz")
    for name, given in (("runs.json", None), ("runs.csv", space)):
        other = read_table(tmp_path / name, given)
        assert other.params == first.params
        np.testing.assert_array_equal(other.values, first.values)
        np.testing.assert_array_equal(other.seconds, first.seconds)
    assert first.space == space
    ids = {tuple(row.params[name] for name in space): id_ for id_, row in results.configurations.items()}
    stored = {(run.configuration_id, run.seed): run.objective for run in results.runs}
    for params, values in zip(first.params, first.values, strict=True):
        id_ = ids[tuple(params[name] for name in space)]
        assert values.tolist() == [stored[id_, seed] for seed in range(values.size)]


def test_the_archive_holds_every_column(results: StudyResults, tmp_path: Path) -> None:
    write_table(results, tmp_path / "runs.npz", provenance={"command": "here"})
    with np.load(tmp_path / "runs.npz") as archive:
        meta = json.loads(bytes(archive["meta"]))
        columns = {name: archive[name] for name in archive.files}
    assert meta["schema"] == "kdsearch.table/1"
    assert meta["provenance"] == {"command": "here"}
    assert set(meta["pools"]) == {"teacher", "preflight", "search", "confirm"}
    runs = sorted(results.runs, key=lambda run: run.id)
    for at, run in enumerate(runs):
        record = results.configurations[run.configuration_id]
        assert meta["configurations"][columns["configuration"][at]]["params"] == dict(record.params)
        assert meta["pools"][columns["pool"][at]] == run.pool
        assert (columns["seed"][at], columns["objective"][at]) == (run.seed, run.objective)
        assert columns["score"][at] == run.score
        curve = run.curve.get("objective", [])
        np.testing.assert_allclose(columns["curve"][at][: len(curve)], curve)
        assert np.isnan(columns["curve"][at][len(curve) :]).all()
        assert columns["curve_epoch"][at][: len(curve)].tolist() == run.curve.get("epoch", [])


def test_scores_stay_hidden_while_a_study_searches(ledger: Ledger, tmp_path: Path) -> None:
    study = toy_study(budget=kd.Budget(runs=4))
    record, _ = ledger.open_study(declaration(study))
    write_table(ledger.results(record.id), tmp_path / "empty.npz")
    with np.load(tmp_path / "empty.npz") as archive:
        assert archive["score"].size == 0
    with pytest.raises(KdsearchError, match="no two configurations"):
        read_table(tmp_path / "empty.npz")


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(KdsearchError, match=r"expected a \.npz"):
        read_table(tmp_path / "runs.txt")
    with pytest.raises(KdsearchError, match="found no file"):
        read_table(tmp_path / "runs.npz")
    (tmp_path / "runs.csv").write_text("study,seed\n")
    with pytest.raises(KdsearchError, match="pass space="):
        read_table(tmp_path / "runs.csv")


def test_the_grids_need_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.DATA, raising=False)
    with pytest.raises(KdsearchError, match=environment.DATA):
        hpo_rl_bench("enduro")
    with pytest.raises(KdsearchError, match=r"hpo_rl_bench/ppo_static\.npz"):
        hpo_rl_bench("pong", tmp_path)
    with pytest.raises(KdsearchError, match="enduro, pong"):
        hpo_rl_bench("breakout")


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "seeds", "sigma"), [("enduro", 5, 0.16), ("pong", 3, 0.34)])
def test_the_grids_have_the_published_noise(name: str, seeds: int, sigma: float) -> None:
    root = environment.data_root()
    if root is None or not (root / "hpo_rl_bench").is_dir():
        pytest.skip(f"needs {environment.DATA} with hpo_rl_bench")
    table = hpo_rl_bench(name)
    assert table.values.shape == (108, seeds)
    assert table.values.mean(1).std() == pytest.approx(1)
    assert np.sqrt(table.values.var(axis=1, ddof=1).mean()) == pytest.approx(sigma, abs=0.005)


def test_the_command_writes_a_table(home: Path, tmp_path: Path) -> None:
    code, output = run_program("export", "runs", "x", "--table", "x.csv", home=home)
    assert code == 1
    assert "FILE.npz" in output
