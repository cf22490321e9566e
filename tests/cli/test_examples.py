"""Example studies are listed and copied, and no file is ever overwritten."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support import run_program

import kdsearch as kd

STUDIES = Path(__file__).resolve().parents[2] / "studies"


def test_each_example_is_listed_with_its_question(home: Path) -> None:
    code, output = run_program("studies", "examples", home=home)
    assert code == 0, output
    lines = output.splitlines()
    for file in STUDIES.glob("*.py"):
        question = (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0]
        assert lines[lines.index(file.stem) + 1] == f"    {question}"


def test_a_copy_is_the_same_study_and_overwrites_nothing(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    copy = folder / "jhmdb_weights.py"
    code, output = run_program("studies", "copy", "jhmdb_weights", str(folder), home=home)
    assert (code, output) == (0, f"{copy}: edit it, then kdsearch launch {copy}\n")
    assert copy.read_text() == (STUDIES / copy.name).read_text()
    assert kd.load(copy, "smoke").stored_name == kd.load(STUDIES / copy.name, "smoke").stored_name
    copy.write_text("mine")
    code, output = run_program("studies", "copy", "jhmdb_weights.py", str(folder), home=home)
    assert (code, output) == (1, f"error: {copy} exists and is not overwritten; name another folder for the copy\n")
    assert copy.read_text() == "mine"


@pytest.mark.parametrize(("name", "hint"), [("jhmdb_weigths", "did you mean 'jhmdb_weights'?"), ("../x", "known: ")])
def test_an_unknown_example_is_refused(home: Path, tmp_path: Path, name: str, hint: str) -> None:
    code, output = run_program("studies", "copy", name, str(tmp_path / "empty"), home=home)
    assert code == 1
    assert output.startswith(f"error: no example study {name!r}; {hint}")
    assert not (tmp_path / "empty").exists()
