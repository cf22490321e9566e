"""The JHMDB study as a user launches it, in its smoke preset: on synthetic data, and on the real poses."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support import run_program

from kdsearch.ledger import embedded

pytestmark = pytest.mark.slow

STUDY = Path(__file__).resolve().parents[2] / "studies" / "jhmdb_weights.py"


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("jhmdb") / "home"
    code, output = run_program("launch", str(STUDY), "--preset", "smoke", home=home, KDSEARCH_DATA="")
    assert code == 0, output
    assert "synthetic data, not JHMDB" in output.splitlines()[1]
    yield home
    embedded.stop(home / "postgres")


def ask(home: Path, *arguments: str) -> str:
    code, output = run_program(*arguments, home=home, KDSEARCH_DATA="")
    assert code == 0, output
    return output


def test_every_table_says_that_the_data_are_synthetic(synthetic: Path) -> None:
    report = json.loads(ask(synthetic, "report", "jhmdb_weights", "--format", "json"))
    assert len(report["tables"]) >= 6
    assert all("synthetic data, not JHMDB" in json.dumps(table) for table in report["tables"])
    text = ask(synthetic, "report", str(STUDY), "--preset", "smoke", "--format", "md")
    tables = text.split("\n## ")[1:]
    assert len(tables) >= 6
    assert all("synthetic data, not JHMDB" in table for table in tables)
    assert "synthetic data, not JHMDB" in ask(synthetic, "status", "jhmdb_weights")
    assert "synthetic data, not JHMDB" in ask(synthetic, "logs", "1").splitlines()[0]
    assert "synthetic data, not JHMDB" in ask(synthetic, "list")


def test_weights_are_kept_for_teachers_and_the_winners_confirm_runs_alone(synthetic: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(synthetic, "export", "runs", "jhmdb_weights"))))
    kept = Counter(row["pool"] for row in rows if row["artifact"])
    # One teacher a fold, and one for each of the two fresh seeds.
    assert kept == {"teacher": 5 + 2, "confirm": 2}
    names = {row["artifact"] for row in rows if row["artifact"]}
    assert {path.name for path in (synthetic / "artifacts").iterdir()} == names
    assert list((synthetic / "runs").iterdir()) == [], "checkpoints of finished runs are gone"
    file = tmp_path / "winner.pt"
    printed = ask(synthetic, "export", "model", "jhmdb_weights", "-o", str(file))
    assert "fresh seed 0" in printed
    content = torch.load(file, weights_only=True)
    assert all(torch.isfinite(value).all() for value in content["state"].values())


def test_runs_keep_what_a_reader_needs_to_trust_them(synthetic: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(synthetic, "export", "runs", "jhmdb_weights"))))
    for row in rows:
        assert row["state"] == "done"
        assert float(row["seconds"]) > 0
        assert int(row["peak_memory"]) > 0
        assert row["device"] == "cpu"
        assert len(row["code_hash"]) == 12
        assert row["data_hash"]
    assert len({row["code_hash"] for row in rows}) == 1
    assert {"objective", "score"} <= set(rows[0])


def test_a_report_by_study_file_imports_no_torch(synthetic: Path) -> None:
    import subprocess
    import sys

    script = (
        f"import sys; sys.argv = ['kdsearch', 'report', {str(STUDY)!r}, '--preset', 'smoke']\n"
        "from kdsearch.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('LOADED', [name for name in ('torch', 'ray', 'optuna') if name in sys.modules], file=sys.stderr)"
    )
    env = {**os.environ, "KDSEARCH_HOME": str(synthetic), "KDSEARCH_DATA": ""}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stderr.strip().endswith("LOADED []")


def test_a_wrong_parameter_or_preset_is_said(synthetic: Path) -> None:
    for arguments, expected in [
        (["train", str(STUDY), "--set", "alhpa=1"], "did you mean 'alpha'"),
        (["launch", str(STUDY), "--preset", "huge"], "has no preset 'huge'; it has: smoke, cpu"),
        (["launch", str(STUDY), "--data", "/no/such/folder"], "/no/such/folder"),
        (["report", "jhmdb_weights", "--format", "xml"], "table, md, latex, csv, json"),
    ]:
        code, output = run_program(*arguments, home=synthetic, KDSEARCH_DATA="")
        assert code == 1, output
        assert expected in output
        assert "Traceback" not in output


@pytest.mark.real_data
def test_the_real_poses(home: Path) -> None:
    data = os.environ.get("KDSEARCH_DATA")
    if not data or not (Path(data) / "jhmdb" / "jhmdb_pose.npz").exists():
        pytest.skip("KDSEARCH_DATA names no JHMDB archives")
    try:
        code, output = run_program("launch", str(STUDY), "--preset", "smoke", home=home)
        assert code == 0, output
        assert "JHMDB poses, 609 clips of 14 of 21 classes, official split 1" in output
        assert "synthetic" not in output
    finally:
        embedded.stop(home / "postgres")
