"""Further metrics of runs: reported by name, stored, in tables and exports, part of no choice; one of them a cost."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import Loaded, declaration

import kdsearch as kd
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.errors import StudyFileError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyResults
from kdsearch.report import build, render
from kdsearch.report.export import runs_csv, runs_json, shown_before_choice
from kdsearch.tasks import Command, FunctionTask, JsonLines, RunContext, RunRequest


def train(params: dict[str, Any], seed: int, report: Any) -> float:
    """Larger networks are better, and slower."""
    value = 0.0
    for epoch in range(1, 4):
        value = 0.5 + 0.05 * params["width"] - 0.2 / epoch + 0.001 * (seed % 7)
        report(epoch, accuracy=value, loss=1 - value, latency=2.0 * params["width"] + 0.01 * (seed % 3))
    return value


def study(**fields: Any) -> kd.Study:
    return kd.Study(
        "wide",
        train,
        {"width": kd.integer(1, 6)},
        baselines={"small": {"width": 1}, "middle": {"width": 3}},
        search=kd.Fixed(seeds=2),
        budget=kd.Budget(runs=12),
        confirm=kd.Confirm(seeds=4, finalists=1),
        chance=0.0,
        **fields,
    )


@pytest.fixture
def results(ledger: Ledger) -> StudyResults:
    """A finished study with a cost."""
    made = study(cost="latency")
    record, _ = ledger.open_study(declaration(made))
    DebugEngine(Coordinator(ledger, made, record, capacity=2), Loaded(made)).run()  # type: ignore[arg-type]
    return ledger.results(record.id)


def test_runs_hold_the_last_values_and_the_curves(results: StudyResults) -> None:
    for run in results.runs:
        assert run.metrics["loss"] == pytest.approx(1 - (run.objective or 0))
        assert list(run.metrics) == ["loss", "latency"]
        assert list(run.curve) == ["epoch", "objective", "loss", "latency"]
        assert run.curve["loss"][-1] == run.metrics["loss"]
        assert run.curve["objective"][-1] == run.objective


def test_exports_have_a_column_for_each(results: StudyResults) -> None:
    (first, *_) = csv.DictReader(io.StringIO(runs_csv(results)))
    assert float(first["metric.latency"]) >= 2
    assert {"metric.loss", "metric.latency"} <= set(first)
    document = json.loads(runs_json(results))
    assert document["runs"][0]["metric.latency"] == float(first["metric.latency"])


def test_a_table_has_their_means_and_says_what_nothing_beats(results: StudyResults) -> None:
    report = json.loads(render(build(results), "json"))
    table = next(table for table in report["tables"] if table["key"] == "further")
    assert [column["key"] for column in table["columns"]] == ["n", "metric.latency", "metric.loss", "unbeaten"]
    rows = {row["label"]: row["cells"] for row in table["rows"]}
    winner = next(cells for label, cells in rows.items() if label.startswith("winner ("))
    assert rows["small"]["metric.latency"]["value"] == pytest.approx(2.0, abs=0.03)
    assert rows["small"]["metric.latency"]["n"] == 4
    assert rows["small"]["metric.loss"]["low"] < rows["small"]["metric.loss"]["value"]
    assert {cells["unbeaten"] for cells in rows.values()} == {"yes"}  # each is cheaper or better than any other
    assert winner["metric.latency"]["value"] > rows["middle"]["metric.latency"]["value"]


def test_what_is_worse_and_dearer_is_beaten(ledger: Ledger) -> None:
    def wasteful(params: dict[str, Any], seed: int, report: Any) -> float:
        value = 0.5 + 0.05 * params["width"]
        report(1, value, latency=10 - params["width"])
        return value

    made = kd.Study(
        "waste",
        wasteful,
        {"width": kd.integer(1, 6)},
        baselines={"small": {"width": 1}},
        search=kd.Fixed(seeds=2),
        budget=kd.Budget(runs=12),
        confirm=kd.Confirm(seeds=2, finalists=0),
        chance=0.0,
        cost="latency",
    )
    record, _ = ledger.open_study(declaration(made))
    DebugEngine(Coordinator(ledger, made, record, capacity=2), Loaded(made)).run()  # type: ignore[arg-type]
    report = json.loads(render(build(ledger.results(record.id)), "json"))
    table = next(table for table in report["tables"] if table["key"] == "further")
    assert {row["label"].split(" ")[0]: row["cells"]["unbeaten"] for row in table["rows"]} == {
        "winner": "yes",
        "small": "no",
    }


def run(function: Any, folder: Path) -> Any:
    task = FunctionTask(function, {"x": 0.5}, chance=0.0)
    return task.train(RunRequest("student", {"x": 0.5}, 0), RunContext(folder))


def test_reports_may_name_other_metrics_each_time(tmp_path: Path) -> None:
    def uneven(params: dict[str, Any], seed: int, report: Any) -> float:
        report(1, 0.1)
        report(2, 0.2, loss=0.8)
        report(3, accuracy=0.3, latency=5)
        return 0.3

    curve = run(uneven, tmp_path).curve
    assert curve["objective"] == [0.1, 0.2, 0.3]
    assert [[value for value in curve[name] if not math.isnan(value)] for name in ("loss", "latency")] == [[0.8], [5.0]]
    assert {len(values) for values in curve.values()} == {3}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda report: report(1), r"called report\(epoch\) without a value"),
        (lambda report: report(1, 0.5, score=0.5), r"the metric 'score': it is a name of kdsearch's own"),
        (lambda report: report(1, 0.5, **{"": 0.5}), r"the metric '': expected a name"),
        (lambda report: report(1, 0.5, loss="low"), r"expected a number"),
    ],
)
def test_what_is_no_metric_is_refused(tmp_path: Path, call: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        run(lambda params, seed, report: call(report), tmp_path)


def test_a_command_gives_further_metrics_at_the_epoch_that_counts(tmp_path: Path) -> None:
    (tmp_path / "said.py").write_text(
        "import json, sys\nwith open(sys.argv[1], 'w') as log:\n"
        "    for epoch, v in enumerate((0.1, 0.5, 0.3), 1):\n"
        "        log.write(json.dumps({'epoch': epoch, 'v': v, 'loss': 1 - v}) + '\\n')\nprint('parameters: 12')\n"
    )
    log = "{workspace}/log.jsonl"
    task = Command(
        [sys.executable, "said.py", log],
        JsonLines(log, "v"),
        chance=0.0,
        cwd=tmp_path,
        choose="best",
        metrics={"loss": JsonLines(log, "loss"), "parameters": r"parameters: (\d+)", "nowhere": JsonLines(log, "no")},
    )
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    result = task.train(RunRequest("student", {}, 0), RunContext(workspace))
    assert (result.epoch, result.metrics) == (2, {"loss": 0.5, "parameters": 12.0})
    assert result.curve["loss"] == pytest.approx([0.9, 0.5, 0.7])
    assert task.identity()["metrics"]["loss"] == {"json_lines": log, "key": "loss", "epoch": "epoch"}


def test_a_cost_is_one_of_the_metrics() -> None:
    task = Command("{python} -c pass {x}", r"(\d)", chance=0.0, metrics={"loss": r"loss (\d)"})
    with pytest.raises(StudyFileError, match=r"cost='latency' is none of the command's metrics: loss"):
        kd.Study("s", task, {"x": kd.uniform(0, 1)}, cost="latency")
    with pytest.raises(StudyFileError, match=r"cost=3: expected the name of a metric"):
        study(cost=3)
    with pytest.raises(StudyFileError, match=r"metrics: 'score': it is a name of kdsearch's own"):
        Command("{python} -c pass {x}", r"(\d)", chance=0.0, metrics={"score": r"loss (\d)"})


def test_curves_of_further_metrics_are_not_shown_before_the_choice() -> None:
    """One of them may be of test data."""

    def record(task: str) -> Any:
        return SimpleNamespace(identity={"task": {"task": task}})

    shown = shown_before_choice(record("function"))
    assert [name for name in ("epoch", "objective", "learning_rate", "score", "test_acc", "loss") if shown(name)] == [
        "epoch",
        "objective",
        "learning_rate",
    ]
    assert shown_before_choice(record("video_hashing"))("loss")


def test_a_cost_that_no_run_reports_is_said(ledger: Ledger) -> None:
    made = study(cost="latncy")
    record, _ = ledger.open_study(declaration(made))
    DebugEngine(Coordinator(ledger, made, record, capacity=2), Loaded(made)).run()  # type: ignore[arg-type]
    results = ledger.results(record.id)
    text = " ".join(render(build(results), "table").split())
    assert "No run reports the metric 'latncy', which the study names as its cost; they report " in text
