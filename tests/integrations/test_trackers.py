"""Runs in MLflow, Weights & Biases and TensorBoard, written and read back by the libraries themselves, offline."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from figures.known import HIDDEN, known

from kdsearch.errors import KdsearchError
from kdsearch.integrations.trackers import mlflow as to_mlflow
from kdsearch.integrations.trackers import tensorboard as to_tensorboard
from kdsearch.integrations.trackers import wandb as to_wandb
from kdsearch.integrations.trackers.tracked import steps, tracked


def small(phase: str = "finished") -> Any:
    return known(phase, n=8)


def test_a_run_with_its_group_numbers_and_curve() -> None:
    found = small()
    rows = list(tracked(found))
    assert [row.id for row in rows] == [run.id for run in found.runs]
    run, row = found.runs[-1], rows[-1]
    assert (row.group, row.name) == ("usual", f"usual fresh seed {run.seed}")
    assert row.config == {**found.configurations[1].params, "seed": run.seed}
    assert row.metrics == {"objective": run.objective, "score": run.score, "epoch": 3.0, "seconds": 60.0}
    assert row.curve[-1] == (3.0, {"objective": run.objective})
    assert row.tags["winner"] == "false"
    assert row.tags["pool"] == "confirm"


def test_no_test_score_before_the_choice() -> None:
    assert str(HIDDEN) not in repr(list(tracked(small("search"))))
    assert str(HIDDEN) in repr(list(tracked(small())))


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="needs mlflow")
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = small()
    for _ in range(2):  # the second replaces the first
        count, place = to_mlflow.export(found)
        assert (count, place) == (len(found.runs), "sqlite:///mlflow.db")
    client = MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name(found.study.name)
    runs = client.search_runs([experiment.experiment_id], max_results=500)
    parents = {run.info.run_id: run for run in runs if "mlflow.parentRunId" not in run.data.tags}
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(children) == len(found.runs)
    assert len(parents) == len({run.configuration_id for run in found.runs})
    by_id = {int(run.data.tags["kdsearch.run"]): run for run in children}
    for run in found.runs:
        stored, record = by_id[run.id], found.configurations[run.configuration_id]
        assert parents[stored.data.tags["mlflow.parentRunId"]].info.run_name == record.name
        assert stored.data.params == {name: str(value) for name, value in {**record.params, "seed": run.seed}.items()}
        assert stored.data.metrics["objective"] == run.objective
        assert stored.info.status == "FINISHED"
    curve = client.get_metric_history(by_id[1].info.run_id, "curve.objective")
    assert [(point.step, point.value) for point in curve] == list(
        zip((1, 2, 3), found.runs[0].curve["objective"], strict=True)
    )
    with pytest.raises(KdsearchError, match="MLflow at nonsense:"):
        to_mlflow.export(found, "nonsense://x")


def records(stored: bytes) -> Iterator[bytes]:
    """Records of an offline run's file: after a head of 7 bytes a log in the format of LevelDB."""
    block, place, parts = 2**15, 7, b""
    while place + 7 <= len(stored):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = int.from_bytes(stored[place + 4 : place + 6], "little"), stored[place + 6]
        parts += stored[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="needs wandb")
    from wandb.proto import wandb_internal_pb2

    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))
    found = small()
    kept = tuple(found.runs[:1] + found.runs[-1:])
    assert to_wandb.export(replace(found, runs=kept), tmp_path / "out", project="p") == 2
    groups, logged = {}, 0
    for file in (tmp_path / "out" / "wandb").rglob("*.wandb"):
        for data in records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "run" and record.run.run_group:
                groups[record.run.display_name] = (record.run.run_group, record.run.project)
            logged += record.WhichOneof("record_type") == "history"
    first, last = kept
    names = [found.configurations[run.configuration_id].name for run in kept]
    assert groups == {
        f"{names[0]} seed {first.seed}": (names[0], "p"),
        f"{names[1]} fresh seed {last.seed}": (names[1], "p"),
    }
    assert logged == 6


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard to read what was written")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = small()
    for _ in range(2):
        assert to_tensorboard.export(found, tmp_path) == len(found.runs)
    run = found.runs[-1]
    events = EventAccumulator(str(tmp_path / "known_poses-split1" / "usual" / f"fresh-seed-{run.seed}"))
    events.Reload()
    curve = events.Scalars("curve/objective")
    assert [point.step for point in curve] == [1, 2, 3]
    assert [point.value for point in curve] == pytest.approx(run.curve["objective"])
    assert events.Scalars("reached/score")[0].value == pytest.approx(run.score)
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_values_that_are_not_finite_are_left_out() -> None:
    found = small()
    broken = replace(found.runs[0], state="diverged", curve={"epoch": [1, 2], "objective": [math.nan, 0.5]})
    (row,) = tracked(replace(found, runs=(broken,)))
    assert row.curve == ((2, {"objective": 0.5}),)


@pytest.mark.parametrize(("module", "package"), [(to_mlflow, "mlflow"), (to_wandb, "wandb")])
def test_a_library_that_is_missing_is_said(
    module: Any, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(KdsearchError, match=rf'this export needs {package}: pip install "kdsearch\[{package}\]"'):
        module.export(small(), *([tmp_path] if package == "wandb" else []))


def test_no_further_metric_of_a_users_own_before_the_choice() -> None:
    """It may be of test data: a function may report anything under any name."""
    found = small("search")
    study = replace(found.study, identity={**found.study.identity, "task": {"task": "function"}})
    curve = {"epoch": [1.0], "objective": [0.5], "test_accuracy": [0.987]}
    runs = tuple(replace(run, metrics={"test_accuracy": 0.987}, curve=curve) for run in found.runs)
    assert "0.987" not in repr(list(tracked(replace(found, study=study, runs=runs))))
    chosen = replace(small().study, identity=study.identity)
    assert "0.987" in repr(list(tracked(replace(found, study=chosen, runs=runs))))


def test_epochs_that_are_fractions_keep_their_order() -> None:
    (run, *_) = tracked(small())
    assert steps(run) == [1, 2, 3]
    assert steps(replace(run, curve=((0.25, {}), (0.5, {}), (1.0, {})))) == [0, 1, 2]
    assert steps(replace(run, curve=((5.0, {}), (1.0, {})))) == [0, 1]


def test_configurations_of_one_name_are_two_groups() -> None:
    found = small()
    rows = {id_: replace(row, name="c0") if id_ == 1 else row for id_, row in found.configurations.items()}
    groups = {run.group for run in tracked(replace(found, configurations=rows))}
    assert {"c0", "c0 (baseline)"} <= groups


def test_folders_of_tensorboard_are_the_studys_own(tmp_path: Path) -> None:
    found = small()
    rows = {id_: replace(row, name="c0?") if id_ == 1 else row for id_, row in found.configurations.items()}
    rows[10] = replace(rows[10], name="c0/")
    to_tensorboard.export(replace(found, configurations=rows), tmp_path)
    other = replace(found, study=replace(found.study, name="other"))
    to_tensorboard.export(other, tmp_path)
    made = {path.name for path in (tmp_path / "known_poses-split1").iterdir()}
    assert {"c0_", "c0__2"} <= made
    assert (tmp_path / "other").is_dir()
