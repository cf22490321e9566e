"""What ``kdsearch logs`` prints of a run's events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from textwrap import indent

import pytest
from typer.testing import CliRunner

from kdsearch.cli.app import app
from kdsearch.cli.logs import describe_draw, event_lines
from kdsearch.data.folds import Fold
from kdsearch.ledger.records import EventRecord, RunRecord

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
SAME = "Traceback (most recent call last):\n  File ...\nValueError: no such layer <Layer at 0x7f01>"
OTHER = "Traceback (most recent call last):\n  File ...\nMemoryError"


def failed(attempt: int, traceback: str) -> EventRecord:
    last = traceback.splitlines()[-1]
    at = AT + timedelta(seconds=attempt)
    return EventRecord(at, "exception", f"run 7 attempt {attempt}: {last}", 7, {"traceback": traceback})


def test_a_traceback_that_repeats_is_printed_once() -> None:
    lines = event_lines([failed(1, SAME), failed(2, SAME.replace("7f01", "7e99")), failed(3, SAME)])
    assert lines == [
        "2026-11-02 12:00:01 exception: run 7 attempt 1: ValueError: no such layer <Layer at 0x7f01>",
        indent(SAME, "    "),
        "2026-11-02 12:00:02 exception: run 7 attempt 2: ValueError: no such layer <Layer at 0x7e99> "
        "(traceback as above)",
        "2026-11-02 12:00:03 exception: run 7 attempt 3: ValueError: no such layer <Layer at 0x7f01> "
        "(traceback as above)",
    ]


def test_tracebacks_that_differ_are_all_printed() -> None:
    lost = EventRecord(AT, "lease lost", "run 7 lost its worker and is queued again", 7)
    lines = event_lines([failed(1, SAME), failed(2, OTHER), lost, failed(3, SAME), failed(4, SAME), failed(5, OTHER)])
    same, other = indent(SAME, "    "), indent(OTHER, "    ")
    assert lines.count(same) == lines.count(other) == 1
    assert "attempt 1:" in lines[lines.index(same) - 1]
    assert "attempt 2:" in lines[lines.index(other) - 1]
    assert [line.split(":")[3][-1] for line in lines if line.endswith("(traceback as above)")] == ["3", "4", "5"]
    assert "2026-11-02 12:00:00 lease lost: run 7 lost its worker and is queued again" in lines
    assert event_lines([failed(1, OTHER)])[1:] == [other]


@pytest.mark.parametrize(
    ("pool", "needs", "folds", "line"),
    [
        ("confirm", 12, 5, "validated on fold 2 of 5, partition 3, teacher: run 12"),
        ("search", None, 5, "validated on fold 2 of 5, partition 3"),
        ("teacher", None, 5, "trained without fold 2 of 5, partition 3"),
        ("search", 4, 0, "teacher: run 4"),
        ("search", None, 0, ""),
    ],
)
def test_what_a_run_drew_is_said(pool: str, needs: int | None, folds: int, line: str) -> None:
    run = RunRecord(1, 1, pool, 7, "done", 0.5, needs=needs, fold=Fold(3, 2))  # type: ignore[arg-type]
    assert describe_draw(run, folds) == line


@pytest.mark.parametrize("typed", ["jhmdb", "0", "-- -3", "1.5", "9" * 30])
def test_what_is_no_id_of_a_run_is_refused(typed: str) -> None:
    result = CliRunner().invoke(app, ["logs", *typed.split()], env={"COLUMNS": "400"})
    assert result.exit_code == 2
    assert f"expected a run's id, such as 17, got '{typed.split()[-1]}'. kdsearch status STUDY names" in result.output
