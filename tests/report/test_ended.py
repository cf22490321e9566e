"""Why the search ended is said; a winner by one seed is named; a winner alone is compared with nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

import kdsearch as kd
from kdsearch.cli.progress import View
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import ConfigurationRecord, EventRecord, StudyResults
from kdsearch.report import build, render, status
from kdsearch.report.render import render_table

Make = Callable[..., StudyResults]
WINNER, SECOND, ALONE = 10, 11, 2
AT = datetime(2026, 11, 1, tzinfo=UTC)
EARLY = "stopped early, for more runs are expected to add 0.0012 to the winner, less than 0.25 of min_effect = 0.01"


def ended(results: StudyResults, reason: str = EARLY) -> StudyResults:
    event = EventRecord(AT, "search ended", f"search ended: {reason}", id=1)
    return replace(results, events=(*results.events, event))


def with_settings(results: StudyResults, **changes: Any) -> StudyResults:
    return replace(results, study=replace(results.study, settings=results.study.settings.changed(**changes)))


def one_seed(results: StudyResults) -> StudyResults:
    """As it is where the budget ends before any configuration has a second seed."""
    runs = tuple(run for run in results.runs if run.pool != "search" or (run.seed == 0 and run.state == "done"))
    return replace(results, runs=runs)


def printed(results: StudyResults) -> str:
    return " ".join(render_table(status(results), width=100).split())


@pytest.mark.parametrize("reason", [EARLY, "the budget of 20 search runs is spent"])
def test_why_the_search_ended_is_printed(results: Make, reason: str) -> None:
    said = f"Search: 7 of 20 runs; {reason}."  # six ended and one failed
    full = ended(results(), reason)
    assert said in printed(full)
    report = build(full)
    assert said in " ".join(render(report, "table", width=100).split())
    assert list(report.notes).index(said) < next(i for i, note in enumerate(report.notes) if "Primary" in note)
    hours = with_settings(full, budget={"hours": 2.0})
    assert f"Search: 7 runs; {reason}." in printed(hours)


def test_nothing_is_said_of_the_end_before_it(results: Make) -> None:
    assert "Search:" not in printed(results("search"))
    assert not any(note.startswith("Search:") for note in build(results("search")).notes)


def test_launch_prints_why_the_search_ended() -> None:
    events = [EventRecord(AT, "worker started", "worker 1 started", id=1)]
    ledger = cast("Ledger", SimpleNamespace(events_after=lambda _, last: [row for row in events if row.id > last]))
    out = io.StringIO()
    with View(Console(file=out, width=200), ledger, 1):
        events.append(EventRecord(AT, "search ended", f"search ended: {EARLY}", id=2))
        events.append(EventRecord(AT, "worker started", "worker 2 started", id=3))
    assert out.getvalue().strip() == f"search ended: {EARLY}"


def test_a_study_without_a_winner_names_a_command_that_exists(results: Make) -> None:
    full = results("finished", winner_id=None, ablation_id=None, finalist_ids=())
    (note,) = [note for note in build(full).notes if note.startswith("The study ended without a winner")]
    assert note.endswith("kdsearch status counts its runs by state; see why with kdsearch logs 13.")
    assert next(run for run in full.runs if run.id == 13).state == "failed"


def test_a_winner_by_one_seed_is_named(results: Make) -> None:
    full = one_seed(results())
    rule = "highest posterior mean of the objective; none has two seeds: it is chosen by one run"
    choice = EventRecord(AT, "winner", "winner chosen: #10", data={"search_seeds": 1, "rule": rule})
    text = printed(replace(full, events=(choice,)))
    assert "none is ranked" not in text
    assert "Winner: #10, search objective" in text
    assert f"raw 0.8000, n = 1. Chosen by the {rule}." in text
    assert "none is ranked" in printed(one_seed(results("search")))


def test_a_winner_by_one_seed_stays_the_winner_where_others_have_two(results: Make) -> None:
    full = results()
    runs = tuple(run for run in full.runs if not (run.pool == "search" and run.configuration_id == WINNER and run.seed))
    text = printed(replace(full, runs=runs))
    assert "Winner: #10" in text
    assert "n = 1." in text
    assert "Leading" not in text


def test_a_winner_without_counted_search_runs_is_named(results: Make) -> None:
    full = results()
    runs = tuple(run for run in full.runs if not (run.pool == "search" and run.configuration_id == WINNER))
    assert "Winner: #10; none of its search runs is among those counted here." in printed(replace(full, runs=runs))


def test_a_guess_of_the_noise_is_not_printed(results: Make) -> None:
    guessed = build(one_seed(results())).table("winner").notes[-1]
    assert guessed == (
        "Search: 3 configurations, 3 runs; no configuration has two of them: sd over seeds not known, sd of true means "
        "between the configurations that were tried not known."
    )
    assert "not known" not in build(results()).table("winner").notes[-1]


def test_parameters_stand_in_the_order_of_the_study_file(results: Make) -> None:
    full = with_settings(results(), dimensions=["representation_weight", "alpha"])
    labels = [row.label for row in build(full).table("winner").rows]
    assert labels == ["representation_weight", "alpha", "epochs"]


def test_an_idle_number_is_not_shown(results: Make) -> None:
    full = results()
    space = {"mode": kd.categorical(["kl", "cse"]), "alpha": kd.when(kd.uniform(0, 1), mode="cse")}
    settings = {name: dimension.identity() for name, dimension in space.items()}
    modes = {WINNER: "cse"}
    records = {
        id_: ConfigurationRecord(
            id_, row.kind, row.name, {"alpha": 0.5, "mode": modes.get(id_, "kl"), "representation_weight": 0.5}
        )
        for id_, row in full.configurations.items()
    }
    full = with_settings(replace(full, configurations=records), space=settings, dimensions=list(space))
    table = build(full).table("winner")
    assert [row.label for row in table.rows] == ["mode", "alpha", "representation_weight"]
    assert table.rows[1].cells == (0.5, "idle", "idle", "idle")
    assert table.notes[0].startswith("idle: nothing reads this number")
    assert not any(note.startswith("idle") for note in build(results()).table("winner").notes)


def test_a_winner_alone_has_nothing_to_be_compared_with(results: Make) -> None:
    full = results("finished", ablation_id=WINNER, finalist_ids=())
    records = {id_: row for id_, row in full.configurations.items() if row.kind != "baseline"}
    notes = build(replace(full, configurations=records)).table("comparison").notes
    assert notes[0].startswith("There is nothing to compare the winner with")
    assert not any("no interval" in note or "winner - row" in note for note in notes)
    others = build(results()).table("comparison").notes
    assert not any("nothing to compare" in note for note in others)
