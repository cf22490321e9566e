"""Tables of beliefs say how many configurations they leave out, where one model cannot hold all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kdsearch.ledger.records import ConfigurationRecord, RunRecord, StudyResults
from kdsearch.report import build, status
from kdsearch.search.policies import subset

Make = Callable[..., StudyResults]
SENTENCE = (
    "8 of 12 configurations with results are in the model and counted here: the best 6 and 2 others. "
    "The rest is neither ranked nor counted."
)


def many(results: Make, count: int) -> StudyResults:
    """A study of ``count`` searched configurations with two runs each."""
    full = results("search")
    searched = {
        100 + i: ConfigurationRecord(100 + i, "searched", f"c{i}", {"alpha": i / count, "representation_weight": 0.5})
        for i in range(count)
    }
    runs = [
        RunRecord(1000 + 10 * id_ + seed, id_, "search", seed, "done", 0.7 + 0.001 * id_ + 0.01 * seed, score=0.6)
        for id_ in searched
        for seed in range(2)
    ]
    kept = {id_: row for id_, row in full.configurations.items() if row.kind != "searched"}
    return replace(full, configurations={**kept, **searched}, runs=tuple(runs))


def test_what_is_left_out_of_the_model_is_said(results: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subset, "MODELLED", 8)
    full = many(results, 12)
    assert SENTENCE in build(full).table("leading").notes
    assert SENTENCE in status(full).notes


def test_nothing_is_said_where_all_are_in_the_model(results: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subset, "MODELLED", 8)
    for notes in (build(many(results, 8)).table("leading").notes, status(many(results, 8)).notes):
        assert not any("in the model" in note for note in notes)


def test_a_design_shows_all(results: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subset, "MODELLED", 8)
    full = many(results, 12)
    study = replace(full.study, settings=full.study.settings.changed(search={"policy": "fixed", "seeds": 2}))
    assert not any("in the model" in note for note in status(replace(full, study=study)).notes)
