"""README's Python examples are executed as they stand; its links lead somewhere; its commands exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def example(mark: str) -> str:
    (found,) = [text for text in EXAMPLES if mark in text]
    return found


def run(text: str, home: Path) -> str:
    script = f"import sys\nif __name__ == '__main__':\n{_indented(text)}"
    file = home.parent / "example.py"
    file.write_text(script)
    done = subprocess.run([sys.executable, str(file)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else line for line in text.splitlines())


def test_the_optuna_example(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    output = run(example("optuna.create_study"), home)
    assert re.search(r"0\.\d+ ± 0\.\d+", output)


def test_the_ray_example(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    monkeypatch.setenv("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    output = run(example("tune.Tuner"), home)
    assert re.search(r"0\.\d+ ± 0\.\d+", output)


def test_the_study_file_example_can_be_launched(home: Path) -> None:
    from support import run_program

    from kdsearch.ledger import embedded

    file = home.parent / "mine.py"
    file.write_text(example("def train(params, seed, report)"))
    code, output = run_program("launch", str(file), "--engine", "debug", home=home)
    embedded.stop(home / "postgres")
    assert code == 0, output
    assert "Comparison on confirm seeds" in output


def test_the_replay_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        {"name": f"c{i}", "kind": "searched", "params": {"rate": rate}} for i, rate in enumerate((0.1, 0.2, 0.3))
    ]
    space = {"rate": {"kind": "uniform", "low": 0.0, "high": 1.0}}
    meta = {"study": "mine", "space": space, "pools": ["search"], "states": ["done"], "configurations": records}
    np.savez_compressed(
        tmp_path / "runs.npz",
        configuration=np.repeat(np.arange(3, dtype=np.int32), 2),
        seed=np.tile(np.arange(2), 3),
        pool=np.zeros(6, np.int8),
        state=np.zeros(6, np.int8),
        objective=np.array([0.5, 0.6, 0.7, 0.8, 0.2, 0.3]),
        seconds=np.ones(6),
        meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
    )
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(example("replay.TableWorld"), made)
    assert made["world"].truth({"rate": 0.2}) == pytest.approx(0.75)
    assert list(made["study"].space) == ["rate"]
    assert made["study"].stored_name.startswith("replayed@replay")


def test_options_named_in_readme_exist() -> None:
    for command, option in (("export runs", "--table"), ("add", "--set"), ("extend", "--confirm-seeds")):
        assert option in README
        asked = [sys.executable, "-m", "kdsearch", *command.split(), "--help"]
        environment = {**os.environ, "COLUMNS": "200"}
        assert option in subprocess.run(asked, capture_output=True, text=True, check=True, env=environment).stdout
    assert "vary=nothing" in README
    assert '"Where the spread comes from"' in (ROOT / "kdsearch/report/sections/variance_components.py").read_text()


def test_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if not target.startswith("http")]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_command_in_readme_exists() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "kdsearch", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = set(re.findall(r"^(?:\$ )?kdsearch ([a-z]+)", README, re.MULTILINE))
    assert {"launch", "report", "status"} <= commands
    assert [command for command in sorted(commands) if not re.search(rf"^  {command}\b", help_text, re.MULTILINE)] == []


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert "make test" in README
    assert "make test" in (ROOT / ".ci" / "run").read_text()
