"""What came after the choice does not rewrite what the choice rested on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kdsearch.ledger.records import EventRecord, RunRecord, StudyResults, choice_of, runs_before_choice
from kdsearch.report import build
from kdsearch.report.selection import select

Make = Callable[..., StudyResults]
CHOSEN_AT = datetime(2026, 11, 2, tzinfo=UTC)
EARLIER, LATER = CHOSEN_AT - timedelta(hours=1), CHOSEN_AT + timedelta(hours=1)
WINNER, SECOND = 10, 11
DECIDED = {"search_seeds": 3, "estimate": 0.7931, "estimate_sd": 0.0104}
CHOICE = EventRecord(CHOSEN_AT, "winner", "winner chosen: #10", data=DECIDED)


def chosen(results: StudyResults, *later: RunRecord, events: tuple[EventRecord, ...] = ()) -> StudyResults:
    """Give all runs of ``results`` times around the choice, and add runs after it."""
    runs = tuple(
        replace(run, finished_at=LATER if run.pool == "confirm" else EARLIER) if run.state != "failed" else run
        for run in results.runs
    )
    return replace(results, runs=(*runs, *later), events=(CHOICE, *events))


def added(count: int, configuration: int = WINNER, **changes: object) -> list[RunRecord]:
    values = {"state": "done", "objective": 0.60, "score": 0.55, "finished_at": LATER, "code_hash": "aaaa", **changes}
    return [
        RunRecord(id=900 + index, configuration_id=configuration, pool="search", seed=100 + index, **values)  # type: ignore[arg-type]
        for index in range(count)
    ]


def test_runs_added_later_change_no_evidence(results: Make) -> None:
    before = build(chosen(results()))
    full = chosen(results(), *added(8), *[replace(run, id=run.id + 50) for run in added(4, SECOND, objective=0.99)])
    after = build(full)
    assert [table for table in after.tables if table.key != "added"] == list(before.tables)
    assert "12 search runs came after the choice: shown under 'Added after the choice', in no other table." in (
        after.notes
    )
    assert not any("came after the choice" in note for note in before.notes)


def test_the_choice_is_told_as_it_was_decided(results: Make) -> None:
    note = build(chosen(results(), *added(8))).table("winner").notes[0]
    assert note == (
        "#10 was chosen on the objective (validation mAP) of 3 search seeds, before any confirm seed ran: "
        "estimate 0.7931 (posterior sd 0.0104), raw mean 0.8000 ± 0.0200."
    )


def test_the_choice_is_told_where_code_hashes_leave_runs_out(results: Make) -> None:
    full = chosen(results())
    first = next(run for run in full.runs if run.configuration_id == WINNER and run.pool == "search")
    runs = tuple(replace(run, code_hash="bbbb") if run.id == first.id else run for run in full.runs)
    note = build(replace(full, runs=runs)).table("winner").notes[0]
    assert "of 3 search seeds" in note
    assert "raw mean of the 2 counted here 0.8000" in note


def test_without_a_choice_all_runs_count(results: Make) -> None:
    full = replace(results("search"), events=())
    assert choice_of(full) is None
    assert runs_before_choice(full) == full.runs


def test_open_and_retried_search_runs_are_later(results: Make) -> None:
    open_run = added(1, state="queued", objective=None, score=None, finished_at=None)
    full = chosen(results(), *open_run)
    assert [run.id for run in full.runs if run not in runs_before_choice(full)] == [900]
    assert [select(full).post_hoc_searched(ended=ended) for ended in (True, False)] == [0, 1]
    said = "1 search run added after the choice has not ended yet: see 'Added after the choice'."
    notes = build(full).notes
    assert said in notes
    assert not any("came after the choice" in note for note in notes)
    more = build(chosen(results(), *added(3), *[replace(run, id=run.id + 50) for run in open_run])).notes
    assert any(
        note.startswith("3 search runs came after the choice: shown under")
        and note.endswith("in no other table. 1 more of them has not ended yet.")
        for note in more
    )
    at_the_very_time = chosen(results(), *added(1, finished_at=CHOSEN_AT))
    assert select(at_the_very_time).post_hoc_searched(ended=True) == 0


def test_runs_added_to_a_code_hash_of_their_own_are_not_counted_as_left_out(results: Make) -> None:
    notes = build(chosen(results(), *added(50, code_hash="cccc"))).notes
    assert not any("other code hashes" in note for note in notes)
    assert any(note.startswith("50 search runs came after the choice") for note in notes)
