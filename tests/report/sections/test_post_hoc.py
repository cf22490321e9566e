"""Runs that came after the choice are shown by themselves: with n, mean ± sd of the objective, and no rank."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from kdsearch.ledger.records import ConfigurationRecord, EventRecord, RunRecord, StudyResults
from kdsearch.report import FORMATS, Estimate, Report, build, render

Make = Callable[..., StudyResults]
CHOSEN_AT = datetime(2026, 11, 2, tzinfo=UTC)
WINNER, MINE, OTHER, STREAMS = 10, 50, 51, 52
SCORE = 0.4444
MINE_AT = {"alpha": 0.33, "representation_weight": 2.5, "epochs": 40}


def later(configuration: int, *objectives: float, **changes: Any) -> list[RunRecord]:
    values: dict[str, Any] = {
        "state": "done",
        "score": SCORE,
        "finished_at": CHOSEN_AT + timedelta(hours=1),
        "code_hash": "aaaa",
        **changes,
    }
    return [
        RunRecord(1000 * configuration + i, configuration, "search", 100 + i, objective=value, **values)
        for i, value in enumerate(objectives)
    ]


def with_added(results: StudyResults, *runs: RunRecord) -> StudyResults:
    more = {
        MINE: ConfigurationRecord(MINE, "searched", "u0", MINE_AT, "user"),
        OTHER: ConfigurationRecord(OTHER, "searched", "u1", {**MINE_AT, "alpha": 0.9}, "user"),
        STREAMS: ConfigurationRecord(STREAMS, "ablation", "v0", {**MINE_AT, "vary": "order"}, "user"),
    }
    choice = EventRecord(CHOSEN_AT, "winner", "winner chosen: #10")
    return replace(
        results,
        configurations={**results.configurations, **more},
        runs=(*results.runs, *runs),
        events=(*results.events, choice),
    )


def built(results: Make, *runs: RunRecord, **options: Any) -> Report:
    return build(with_added(results(), *runs), **options)


def test_added_runs_have_a_table_of_their_own(results: Make) -> None:
    table = built(results, *later(MINE, 0.60, 0.62), *later(OTHER, 0.70, 0.71, 0.75)).table("added")
    assert table.title == "Added after the choice"
    assert "objective (validation mAP) on search seeds, not a result" in table.caption
    assert "took part in no choice and in no comparison" in table.notes[0]
    assert [row.label for row in table.rows] == ["u0", "u1"], "in the order of adding, the better one second"
    assert all(row.context for row in table.rows)
    first, second = (cell for cell in table.column("objective") if isinstance(cell, Estimate))
    assert (first.value, first.sd, first.n) == pytest.approx((0.61, 0.0141421, 2), abs=1e-6)
    assert (second.value, second.n) == (pytest.approx(0.72), 3)
    assert table.column("parameter_alpha") == [0.33, 0.9]
    assert table.column("parameter_representation_weight") == [2.5, 2.5]


def test_there_is_none_where_nothing_was_added(results: Make) -> None:
    assert "added" not in [table.key for table in built(results).tables]
    assert "added" not in [table.key for table in build(results("search")).tables]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_it_and_none_shows_a_test_score(results: Make, form: str) -> None:
    text = render(built(results, *later(MINE, 0.6012, 0.6234)), form)
    assert "Added after the choice" in text or form == "csv"
    assert "0.4444" not in text
    if form == "csv":
        rows = [row for row in csv.DictReader(StringIO(text)) if (row["table"], row["column"]) == ("added", "n")]
        assert [(row["row"], row["value"], row["context"]) for row in rows] == [("u0", "2", "1")]
    elif form == "json":
        (table,) = [table for table in json.loads(text)["tables"] if table["key"] == "added"]
        assert table["rows"][0]["cells"]["objective"]["value"] == pytest.approx(0.6123)
    else:
        assert re.search(r"u0\*?[ |&*]+(2|\\num\{2\})[ |&*]+(0\.6123 ± 0\.0157|\\num\{0\.6123 \+- 0\.0157\})", text)


def test_further_seeds_of_the_winner_are_counted_alone(results: Make) -> None:
    report = built(results, *later(WINNER, 0.60, 0.61))
    table = report.table("added")
    assert [row.label for row in table.rows] == ["winner (#10)"]
    assert table.column("n") == [2]
    assert "3 search seeds" in report.table("winner").notes[0]


def test_diverged_failed_and_waiting_runs_are_said(results: Make) -> None:
    runs = [
        *later(MINE, 0.6),
        replace(later(MINE, 0.05)[0], id=60_001, seed=201, state="diverged"),
        replace(later(MINE, 0.0)[0], id=60_002, seed=202, state="failed", objective=None),
        replace(later(MINE, 0.0)[0], id=60_003, seed=203, state="queued", objective=None, finished_at=None),
    ]
    (row,) = built(results, *runs).table("added").rows
    assert row.note == "1/2 diverged, 1 failed, 1 to come"
    assert row.cells[0] == 2
    assert isinstance(row.cells[1], Estimate)
    assert row.cells[1].value == pytest.approx((0.6 + 0.05) / 2)


def test_other_trainer_code_is_not_mixed_in_unless_asked(results: Make) -> None:
    runs = [*later(MINE, 0.60, 0.62), *(replace(run, id=run.id + 500) for run in later(OTHER, 0.9, code_hash="bbbb"))]
    table = built(results, *runs).table("added")
    assert table.column("n") == [2, 0]
    assert "1 run of them ended under another code hash, not counted; see --mix-code." in table.notes
    assert built(results, *runs, mix_code=True).table("added").column("n") == [2, 1]


def test_runs_of_some_streams_alone_are_shown_with_them(results: Make) -> None:
    report = built(results, *later(STREAMS, 0.6, 0.61))
    table = report.table("added")
    assert table.column("parameter_vary") == ["order"]
    assert not any("came after the choice" in note for note in report.notes), "they are no part of the search"
