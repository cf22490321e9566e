"""``status --json``: what programs read of a study."""

from __future__ import annotations

import json

import pytest
from figures.known import HIDDEN, known

from kdsearch.ledger.recovery import WorkerAtWork
from kdsearch.report.status_json import SCHEMA, status_json


def test_a_study_that_runs() -> None:
    found = known("search")
    text = status_json(found, [WorkerAtWork("w1", [7, 8], "here", "cpu")])
    assert str(HIDDEN) not in text
    document = json.loads(text)
    assert (document["schema"], document["phase"], document["winner"]) == (SCHEMA, "search", None)
    assert document["runs"] == {"search": {"done": 60}}
    assert (document["answer"], document["verdict"]) == (None, None)
    assert document["workers"] == [{"name": "w1", "node": "here", "device": "cpu", "runs": [7, 8]}]
    assert document["seconds_left"] > 0
    leading = document["leading"]
    assert len(leading) == 5
    assert [row["estimate"] for row in leading] == sorted((row["estimate"] for row in leading), reverse=True)
    assert all(row["n"] > 1 and row["parameters"]["lr"] > 0 for row in leading)


def test_a_study_that_is_finished() -> None:
    document = json.loads(status_json(known()))
    assert document["winner"] in {row["name"] for row in document["leading"]}
    assert document["verdict"]
    assert document["answer"].endswith(".")
    assert document["seconds_left"] is None


@pytest.mark.parametrize("phase", ["teacher", "confirm"])
def test_other_phases(phase: str) -> None:
    assert json.loads(status_json(known(phase)))["phase"] == phase
