"""``kdsearch launch`` when it is interrupted or refused: what it prints and its exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support import NOISY, run_program

import kdsearch as kd
from kdsearch.cli.launch import launch
from kdsearch.engines.launch import Launch
from kdsearch.engines.study_file import LoadedStudy
from kdsearch.errors import StudyMismatch
from kdsearch.ledger.ledger import Ledger


@pytest.fixture(autouse=True)
def small(database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDSEARCH_STORAGE", database_url)
    monkeypatch.setenv("NOISY_RUNS", "8")
    monkeypatch.setenv("NOISY_CONFIRM", "2")


def interrupt(*arguments: Any, **options: Any) -> NoReturn:
    raise KeyboardInterrupt


def launched(capsys: pytest.CaptureFixture[str]) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as ended:
        launch(NOISY, engine="debug")
    return ended.value.code, capsys.readouterr().out


def test_an_interrupted_study_is_resumed_by_the_same_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Launch, "run", interrupt)
        code, printed = launched(capsys)
    assert code == 130
    assert printed.endswith("Interrupted; nothing is lost. The same command resumes the study.\n")
    code, printed = launched(capsys)
    assert code == 0
    assert "Comparison on confirm seeds" in printed


@pytest.mark.parametrize("where", ["kdsearch.engines.launch.Ran", "kdsearch.report.build"])
def test_an_interruption_while_results_are_read_says_that_the_study_is_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    kd.launch(NOISY, engine="debug")
    monkeypatch.setattr(where, interrupt)
    code, printed = launched(capsys)
    assert code == 130
    assert printed.endswith(
        "Interrupted; the study is finished. To see its results: kdsearch report noisy_quadratic@function\n"
    )


def test_an_older_recipe_is_named_before_the_study_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: Any) -> NoReturn:
        raise StudyMismatch("another study")

    stored: Callable[[LoadedStudy, Ledger], LoadedStudy] = lambda loaded, ledger: replace(loaded)  # noqa: E731
    monkeypatch.setattr(LoadedStudy, "as_stored", stored)
    monkeypatch.setattr(Ledger, "open_study", refuse)
    with pytest.raises(StudyMismatch):
        launch(NOISY, engine="debug")
    assert "noisy_quadratic@function began with one validation split and one teacher" in capsys.readouterr().out


FUNCTION = """
import kdsearch as kd


def train(params, seed, report):
    return VALUE


study = kd.Study(name="wrong", task=train, space={"x": kd.uniform(0, 1)}, chance=0.0)
"""


def test_a_wrong_return_value_is_said_alike_by_train_and_launch(home: Path, tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(FUNCTION.replace("VALUE", '"high"'))
    sentence = "TypeError: train must return a number (objective) or two (objective, score), got 'high'"
    code, output = run_program("train", str(file), "--set", "x=0.5", home=home)
    assert code == 1
    assert output.endswith(f"error: the run failed: {sentence}\n")
    assert "File" not in output
    code, output = run_program("launch", str(file), "--engine", "debug", home=home, KDSEARCH_STORAGE=database_url)
    assert code == 1
    assert sentence in output


def test_train_shows_where_a_function_of_ones_own_raises(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "raises.py"
    file.write_text(FUNCTION.replace("VALUE", '{}[params["x"]]'))
    code, output = run_program("train", str(file), "--set", "x=0.5", home=home)
    assert code == 1
    assert f'File "{file}", line 6, in train\n    return {{}}[params["x"]]' in output
    assert output.count("File ") == 1, "no line of kdsearch's own"
    assert output.endswith("error: the run failed: KeyError: 0.5\n")
