"""What ``kdsearch launch`` says before the first run: given teachers, few teachers, data that are not there."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.cli.launch_header import print_header
from kdsearch.engines.devices import slots
from kdsearch.engines.launch import Launch
from kdsearch.ledger.ledger import Ledger


def header(ledger: Ledger, study: kd.Study, width: int | None = None) -> str:
    """What is printed; ``width``: on a terminal of so many columns."""
    record, changes = ledger.open_study(declaration(study))
    out = StringIO()
    console = Console(file=out, width=width, highlight=False, force_terminal=width is not None, color_system=None)
    console.soft_wrap = width is None
    loaded: Any = Loaded(study)
    print_header(console, Launch(loaded, ledger, record, changes, "debug", slots(1), None))
    return out.getvalue()


@pytest.mark.parametrize("teachers", [2, 5, 6])
def test_too_few_teachers_for_a_verdict_are_said_at_once(ledger: Ledger, teachers: int) -> None:
    parameters = {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+order+split+teacher"}
    task = ToyTask(folds=3, parameters=parameters)
    said = header(ledger, toy_study(task=task, teachers=teachers, confirm=kd.Confirm(seeds=8)))
    line = (
        f"note      the report gives no verdict: all fresh seeds share {teachers} teachers, and a verdict needs "
        "6 or more"
    )
    assert (line in said.splitlines()) == (teachers < 6)
    assert f"; one teacher per fold, {teachers} for the fresh seeds, trained without that fold\n" in said


def test_a_given_teacher_is_named_by_its_file(ledger: Ledger, tmp_path: Path) -> None:
    file, root = tmp_path / "given.pt", tmp_path / "data"
    root.mkdir()
    file.write_text("weights")
    task = kd.tasks.VideoHashing(kd.data.jhmdb(root=root))
    study = kd.Study("codes", task, {"alpha": kd.uniform(0, 1)}, teacher=file, teacher_saw="train")
    said = header(ledger, study)
    assert "teacher pose_conv width 96, 20 frames, from given.pt; 48 bits" in said
    assert "last epoch" not in said


def test_a_data_folder_that_holds_none_is_said(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = kd.Study("codes", kd.tasks.VideoHashing(kd.data.jhmdb()), {"alpha": kd.uniform(0, 1)})
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    assert "does not contain" not in header(ledger, study)
    monkeypatch.setenv("KDSEARCH_DATA", str(tmp_path))
    assert f"KDSEARCH_DATA={tmp_path} does not contain these data" in header(ledger, study)


@pytest.mark.parametrize("width", [40, 80])
def test_a_terminal_breaks_lines_between_words_and_elsewhere_each_is_whole(ledger: Ledger, width: int) -> None:
    study = toy_study(task=ToyTask(description="a " + "long-winded description " * 6 + "[of] data"))
    whole, lines = header(ledger, study), header(ledger, study, width).splitlines()
    assert len(lines) > len(whole.splitlines())
    assert max(len(line) for line in lines) <= width
    assert " ".join(" ".join(lines).split()) == " ".join(whole.split())
    assert all(line.startswith(" " * 10) or line[:10].strip() in whole for line in lines)
