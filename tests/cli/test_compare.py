"""``kdsearch compare`` of one study file on several official splits, each of which is a preset."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.cli.report import compare
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.engines.study_file import load
from kdsearch.ledger.ledger import Ledger

FILE = """
from dataclasses import dataclass

from support import ToyTask
from support import toy_study

import kdsearch as kd


@dataclass(frozen=True)
class OnSplit(ToyTask):
    protocol: str = "split1"

    def __post_init__(self):
        object.__setattr__(self, "label", f"toy-{self.protocol}")

    def identity(self):
        return {**super().identity(), "data": {"data": "toy", "protocol": self.protocol}}


study = toy_study(
    task=OnSplit(),
    budget=kd.Budget(runs=12),
    confirm=kd.Confirm(seeds=3, finalists=0),
    preflight_seeds=0,
    presets={
        "cpu": {},
        "split2": {"task": {"protocol": "split2"}},
        "split3": {"task": {"protocol": "split3"}},
        "quiet": {"task": {"protocol": "split3", "noise": 0.001}},
    },
)
"""
PRESETS = ["cpu", "split2", "split3"]


def printed(capsys: pytest.CaptureFixture[str], studies: list[str], preset: list[str] | None = None) -> str:
    compare(studies, preset=preset)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_three_presets_are_three_splits(
    ledger: Ledger,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KDSEARCH_STORAGE", database_url)
    path = tmp_path / "toy.py"
    path.write_text(FILE)
    for preset in [*PRESETS, "quiet"]:
        loaded = load(path, preset)
        record, _ = ledger.open_study(loaded.declaration())
        DebugEngine(Coordinator(ledger, loaded.study, record, 2), loaded).run()
    file = printed(capsys, [str(path)], PRESETS)
    assert "Over splits" in file
    assert "Descriptive, without a verdict" in file
    assert all(f"{split} (toy@toy-{split}" in file for split in ("split1", "split2", "split3"))
    names = ["toy@toy-split1+cpu", "toy@toy-split2", "toy@toy-split3+split3"]
    assert printed(capsys, names) == file, "by name as kdsearch list shows them, with the preset where it is needed"
    assert printed(capsys, [names[0], str(path)], PRESETS[1:]) == file, "a name has its preset in it"
    other = printed(capsys, [str(path)], ["cpu", "split2", "quiet"])
    assert "Across studies" in other, "this one differs in more than its split"
