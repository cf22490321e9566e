"""Looking for studies: names in ``kdsearch list`` are whole, and a name finds the file that it was launched from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import declaration, run_program, toy_study

from kdsearch.cli.common import find, load_stored
from kdsearch.cli.studies import lines_of
from kdsearch.errors import LedgerError, StudyFileError
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.settings import StudySettings

NAME = "a_study_with_a_long_name_for_a_narrow_terminal@poses-split1+silhouettes"
DATA = "JHMDB poses, 609 clips of 14 of 21 classes, official split 1: 433 train (database), 176 test"


def record(name: str) -> StudyRecord:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    return StudyRecord(1, name, "finished", {}, StudySettings.from_json({}), DATA, "mAP", 0.1, "data", at)


@pytest.mark.parametrize("width", [40, 60, 80, 104, 105, 139, 150, 200])
def test_nothing_is_cut(width: int) -> None:
    lines = [line for row in lines_of([record(NAME), record("short@toy")], width) for line in row.splitlines()]
    assert all(len(line) <= width or line == NAME for line in lines)
    assert [line.split()[0] for line in lines if not line.startswith(" ") and line.split()[0] != "study"] == [
        NAME,
        "short@toy",
    ]
    beside = width >= len(NAME) + 72
    assert lines[0].startswith("study ") == beside
    column = lines[0].index("data") if beside else 0
    words = " ".join(line[column:].strip() for line in lines)
    assert words.count(DATA) == 2, "broken between words, and nothing is missing"
    assert words.count("finished, created 2026-11-02 00:00 UTC") == (0 if beside else 2)


def test_without_a_terminal_a_study_is_one_line() -> None:
    lines = list(lines_of([record(NAME), record("short@toy")], None))
    assert [line.split()[0] for line in lines] == ["study", NAME, "short@toy"]
    assert all(line.endswith(DATA) for line in lines[1:])


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
        load_stored(ledger, study.name)
    assert str(refused.value) == (
        "expected the file that the study toy@toy was launched from, /elsewhere/toy.py, but there is none on this "
        "machine. Give the path of a copy in place of the name, with --preset none"
    )


def test_a_name_finds_file_and_preset(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "toy.py"
    file.write_text("from support import toy_study\n\nstudy = toy_study(presets={'smoke': {}, 'cpu': {}})\n")
    study = toy_study(presets={"smoke": {}}).with_preset("smoke")
    stored, _ = ledger.open_study(replace(declaration(study), source_file=str(file)))
    loaded, found = load_stored(ledger, "toy")
    assert (loaded.path, loaded.study.preset, found) == (file, "smoke", stored)


def test_a_file_that_was_not_launched_is_said_with_what_was(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "my toy.py"
    file.write_text("from support import toy_study\n\nstudy = toy_study(presets={'smoke': {}, 'cpu': {}})\n")
    ledger.open_study(declaration(toy_study(name="top")))
    with pytest.raises(LedgerError) as refused:
        find(ledger, str(file), "smoke")
    assert str(refused.value) == (
        f"the study 'toy@toy+smoke' has not been launched. To launch it: kdsearch launch '{file}' --preset smoke"
    )
    ledger.open_study(declaration(toy_study(presets={"smoke": {}}).with_preset("smoke")))
    with pytest.raises(LedgerError, match=r"Launched with other data or another preset: toy@toy\+smoke\. To launch"):
        find(ledger, str(file), "cpu")
    assert find(ledger, str(file), "smoke").name == "toy@toy+smoke"
    with pytest.raises(LedgerError, match=r"--preset none$"):
        find(ledger, str(file), "none")


def test_a_name_that_only_shares_its_data_with_another_is_not_offered(ledger: Ledger) -> None:
    ledger.open_study(declaration(toy_study(name="codes")))
    with pytest.raises(LedgerError, match=r"no study 'mine@toy' in .*; kdsearch list shows what there is"):
        find(ledger, "mine@toy")
    with pytest.raises(LedgerError, match="did you mean 'codes@toy'"):
        find(ledger, "code")


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


def test_a_preset_tells_studies_of_one_name_apart(ledger: Ledger) -> None:
    for preset in ("smoke", "cpu"):
        ledger.open_study(declaration(toy_study(presets={"smoke": {}, "cpu": {}}).with_preset(preset)))
    assert find(ledger, "toy", "cpu").name == "toy@toy+cpu"
    assert find(ledger, "toy@toy+cpu", "cpu").name == "toy@toy+cpu"
    with pytest.raises(LedgerError, match="names several studies"):
        find(ledger, "toy")
    with pytest.raises(LedgerError, match=r"no study 'toy' with preset full"):
        find(ledger, "toy", "full")
    with pytest.raises(LedgerError, match=r"no study 'toy@toy\+cpu' with preset smoke"):
        find(ledger, "toy@toy+cpu", "smoke")


def test_of_several_studies_of_one_name_the_newest_is_read_and_that_is_said(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    for preset in ("cpu", "smoke"):
        ledger.open_study(declaration(toy_study(presets={"smoke": {}, "cpu": {}}).with_preset(preset)))
    assert find(ledger, "toy", newest=True).name == "toy@toy+smoke"
    said = capsys.readouterr()
    assert said.out == ""
    others = "The others, by their names: toy@toy+cpu"
    assert said.err == f"toy names several studies; this is the newest, toy@toy+smoke. {others}\n"
    assert find(ledger, "toy", "cpu", newest=True).name == "toy@toy+cpu"
    assert find(ledger, "toy@toy+cpu", newest=True).name == "toy@toy+cpu"
    assert capsys.readouterr().err == ""


def test_a_preset_also_chooses_the_study_whose_file_is_read(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "toy.py"
    file.write_text("from support import toy_study\n\nstudy = toy_study(presets={'smoke': {}, 'cpu': {}})\n")
    for preset in ("smoke", "cpu"):
        study = toy_study(presets={"smoke": {}, "cpu": {}}).with_preset(preset)
        ledger.open_study(replace(declaration(study), source_file=str(file)))
    loaded, record = load_stored(ledger, "toy", "cpu")
    assert (loaded.study.preset, record.name) == ("cpu", "toy@toy+cpu")
    with pytest.raises(LedgerError, match="names several studies"):
        load_stored(ledger, "toy")
