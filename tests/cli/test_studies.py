"""Looking for studies: names in ``kdsearch list`` are whole, and a name finds the file that it was launched from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import declaration, run_program, toy_study

from kdsearch.cli.common import launched_from
from kdsearch.cli.studies import table_of
from kdsearch.errors import StudyFileError
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.settings import StudySettings
from kdsearch.report.formats.terminal import render_text

NAME = "a_study_with_a_long_name_for_a_narrow_terminal@poses-split1+silhouettes"
DATA = "JHMDB poses, 609 clips of 14 of 21 classes, official split 1: 433 train (database), 176 test"


def record(name: str) -> StudyRecord:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    return StudyRecord(1, name, "finished", {}, StudySettings.from_json({}), DATA, "mAP", 0.1, "data", at)


@pytest.mark.parametrize("width", [40, 60, 80, 104, 105, 139, 141, 200])
def test_nothing_is_cut(width: int) -> None:
    lines = render_text(table_of([record(NAME), record("short@toy")], width), width).splitlines()
    assert all(len(line) <= width for line in lines)
    text = "".join(lines)
    assert "…" not in text
    assert NAME in "".join(line for line in lines if not line.startswith("    "))
    assert any(line.startswith(NAME) for line in lines) == (width >= len(NAME))
    words = " ".join(text.split())
    assert words.replace(" ", "").count("finished") == 2
    beside = width >= len(NAME) + 70
    assert any("phase" in line for line in lines) == beside
    below = "".join(line.strip() for line in lines if line.startswith("    "))
    assert (DATA.replace(" ", "") in below.replace(" ", "")) == (not beside)


def test_other_programs_read_whole_names(home: Path) -> None:
    folder = home / "postgres"
    try:
        ledger = Ledger.connect(embedded.start(folder))
        ledger.open_study(replace(declaration(toy_study()), name=NAME))
        code, output = run_program("list", home=home, COLUMNS="40")
        assert code == 0, output
        assert NAME in output
    finally:
        embedded.stop(folder)


def test_a_name_whose_file_is_not_here_says_which_file_it_takes(ledger: Ledger) -> None:
    study, _ = ledger.open_study(replace(declaration(toy_study()), source_file="/elsewhere/toy.py"))
    with pytest.raises(StudyFileError) as refused:
        launched_from(study)
    assert str(refused.value) == (
        "expected the file that the study toy@toy was launched from, /elsewhere/toy.py, but there is none on this "
        "machine. Give the path of a copy in place of the name, with --preset none"
    )


def test_a_name_finds_file_and_preset(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "toy.py"
    file.write_text("")
    study = toy_study(presets={"smoke": {}}).with_preset("smoke")
    stored, _ = ledger.open_study(replace(declaration(study), source_file=str(file)))
    assert launched_from(stored) == (file, "smoke")


def test_launching_a_name_says_which_file_it_was_launched_from(home: Path, tmp_path: Path) -> None:
    code, output = run_program("launch", "toy", home=home)
    assert (code, output) == (
        1,
        "error: expected a study file, found no file toy. kdsearch studies examples lists studies to start from.\n",
    )
    folder = home / "postgres"
    assert not folder.exists(), "nothing is started to say so"
    file = tmp_path / "my toy.py"
    file.write_text("")
    try:
        ledger = Ledger.connect(embedded.start(folder))
        for preset in ("smoke", "full"):
            study = toy_study(presets={preset: {}}).with_preset(preset)
            ledger.open_study(replace(declaration(study), source_file=str(file)))
        code, output = run_program("launch", "toy", home=home)
        assert code == 1
        head, *lines = output.splitlines()
        assert head.endswith("A stored study has this name. Give the file that it was launched from:")
        assert sorted(lines) == [
            f"  toy@toy+full: kdsearch launch '{file}' --preset full",
            f"  toy@toy+smoke: kdsearch launch '{file}' --preset smoke",
        ]
        file.unlink()
        code, output = run_program(
            "launch", "toy@toy+full", "--storage", embedded.start(folder), home=tmp_path / "other"
        )
        assert code == 1
        assert f"kdsearch launch '{file}' --preset full\n  Where the file is not on this machine, give" in output
        assert not (tmp_path / "other" / "postgres").exists(), "the database is the one that is named"
    finally:
        embedded.stop(folder)


def test_launching_a_name_finds_the_file_beside_and_the_example(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run_program("launch", "studies/jhmdb_weights.py", home=home)
    assert code == 1
    assert output.endswith("To start from the example of this name: kdsearch studies copy jhmdb_weights\n")
    Path("mine.py").write_text("")
    code, output = run_program("launch", "mine", home=home)
    assert (code, output) == (1, "error: expected a study file, found no file mine. Did you mean mine.py?\n")
