"""What ``kdsearch logs`` prints of a run's events."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta

from kdsearch.cli.logs import event_lines
from kdsearch.ledger.records import EventRecord

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
        "attempts 1 to 3: the same",
        SAME,
        "2026-11-02 12:00:02 exception: run 7 attempt 2: ValueError: no such layer <Layer at 0x7e99>",
        "2026-11-02 12:00:03 exception: run 7 attempt 3: ValueError: no such layer <Layer at 0x7f01>",
    ]


def test_tracebacks_that_differ_are_all_printed() -> None:
    lost = EventRecord(AT, "lease lost", "run 7 lost its worker and is queued again", 7)
    lines = event_lines([failed(1, SAME), failed(2, OTHER), lost, failed(3, SAME), failed(4, SAME), failed(5, OTHER)])
    assert lines.count(SAME) == lines.count(OTHER) == 1
    assert lines[lines.index(SAME) - 1] == "attempts 1, 3 to 4: the same"
    assert lines[lines.index(OTHER) - 1] == "attempts 2, 5: the same"
    assert sum("attempt " in line for line in lines) == 5
    assert event_lines([failed(1, OTHER)])[1:] == [OTHER], "one attempt needs no comparison"
