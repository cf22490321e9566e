"""What ``kdsearch launch`` says before the first run: given teachers, few teachers, and a study of before folds."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support import Loaded, ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.cli.launching import _announce
from kdsearch.engines.devices import slots
from kdsearch.engines.launch import Launch
from kdsearch.ledger.ledger import Ledger


def announced(ledger: Ledger, study: kd.Study) -> str:
    record, changes = ledger.open_study(declaration(study))
    out = StringIO()
    console = Console(file=out, width=200, highlight=False, soft_wrap=True)
    loaded: Any = Loaded(study)
    _announce(console, Launch(loaded, loaded, ledger, record, changes, "debug", slots(1), None))
    return out.getvalue()


@pytest.mark.parametrize("teachers", [2, 5, 6])
def test_too_few_teachers_for_a_verdict_are_said_at_once(ledger: Ledger, teachers: int) -> None:
    parameters = {"alpha": 0.5, "rate": 0.3, "vary": "initialisation+order+split+teacher"}
    task = ToyTask(folds=3, parameters=parameters)
    said = announced(ledger, toy_study(task=task, teachers=teachers, confirm=kd.Confirm(seeds=8)))
    line = f"note      below 6 teachers no verdict: the fresh seeds share {teachers}, and each counts once"
    assert (line in said.splitlines()) == (teachers < 6)


def test_a_given_teacher_is_named_by_its_file(ledger: Ledger, tmp_path: Path) -> None:
    file, root = tmp_path / "given.pt", tmp_path / "data"
    root.mkdir()
    file.write_text("weights")
    task = kd.tasks.VideoHashing(kd.data.jhmdb(root=root))
    study = kd.Study("codes", task, {"alpha": kd.uniform(0, 1)}, teacher=file, teacher_saw="train")
    said = announced(ledger, study)
    assert "teacher pose_conv width 96, 20 frames, from given.pt; 48 bits" in said
    assert "last epoch" not in said


def test_a_data_folder_that_holds_none_is_said(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = kd.Study("codes", kd.tasks.VideoHashing(kd.data.jhmdb()), {"alpha": kd.uniform(0, 1)})
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    assert "holds none" not in announced(ledger, study)
    monkeypatch.setenv("KDSEARCH_DATA", str(tmp_path))
    assert f"KDSEARCH_DATA={tmp_path} holds none of these data" in announced(ledger, study)
