"""Variables before the program of a command: they become fields of the study file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kdsearch as kd
from kdsearch.cli.app import app

_SCRIPT = """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=float(os.environ["WEIGHT"]))
parser.add_argument("--seed", type=int, default=0)
parser.parse_args()
"""


@pytest.mark.parametrize("before", ["", "env "])
def test_variables_of_the_command_become_those_of_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(_SCRIPT)
    command = f"{before}CUDA_VISIBLE_DEVICES=0 WEIGHT=0.25 NAME='{{x}} y' {sys.executable} train.py"
    result = CliRunner().invoke(app, ["init", command, "--output", "study.py"])
    assert result.exit_code == 0, result.output
    study = kd.load("study.py")
    assert study.task.identity()["environment"] == {"WEIGHT": "0.25", "NAME": "{{x}} y"}
    assert study.task.identity()["command"] == f"{sys.executable} train.py --alpha={{alpha}} --seed={{seed}}"
    assert dict(study.baselines["default"]) == {"alpha": 0.25}
    assert "# CUDA_VISIBLE_DEVICES is left out" in Path("study.py").read_text()


def test_options_that_the_script_does_not_have_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(_SCRIPT)
    words = "WEIGHT=0.25 {} -B train.py --alpah=0.3 --alpha -0.5 --epochs 3 -- --other"
    result = CliRunner().invoke(app, ["init", words.format(sys.executable), "--output", "study.py"])
    assert result.exit_code == 0, result.output
    notes = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    assert [line.split(";")[0] for line in notes] == [
        "note: the script has no option --alpah",
        "note: the script has no option --epochs",
    ]
    assert "did you mean '--alpha'" in notes[0]


def test_variables_alone_are_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["init", "A=1"])
    assert result.exit_code != 0
    assert "expected a command" in str(result.exception)
