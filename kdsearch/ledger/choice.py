"""What the choice of the winner rested on: runs that were added to the search afterwards are told apart here alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import EventRecord
from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.records import StudyResults


def choice_of(results: StudyResults) -> EventRecord | None:
    """Return the event that chose the winner, ``None`` where the study has none.

    Its ``data`` holds ``rule``, ``estimate``, ``estimate_sd``, ``search_seeds`` and ``candidates`` as decided on.
    """
    return next((event for event in results.events if event.kind == "winner"), None)


def runs_added_after_choice(results: StudyResults) -> tuple[RunRecord, ...]:
    """Return the runs on search seeds that ended after the choice, or not yet.

    The choice waits for all search runs, so one that is still open was added, or queued again, later. An ended run
    without a time counts as earlier.
    """
    choice = choice_of(results)
    if choice is None:
        return ()
    return tuple(
        run
        for run in results.runs
        if run.pool == "search"
        and (run.state in ("queued", "leased") or (run.finished_at is not None and run.finished_at > choice.at))
    )


def runs_after_choice(results: StudyResults) -> tuple[RunRecord, ...]:
    """Return the runs of both searches, with and without teacher, among ``runs_added_after_choice``."""
    return tuple(
        run
        for run in runs_added_after_choice(results)
        if searched(results.configurations, run) or searched(results.configurations, run, "without")
    )


def runs_before_choice(results: StudyResults) -> tuple[RunRecord, ...]:
    """Return the runs without ``runs_after_choice``, in their order; all runs where no winner has been chosen.

    Runs of the other pools stay in, so that this stands wherever ``results.runs`` stood: it takes away no more than
    what would rewrite the search's evidence.
    """
    late = {run.id for run in runs_after_choice(results)}
    return tuple(run for run in results.runs if run.id not in late)


def searched(
    configurations: Mapping[int, ConfigurationRecord], run: SearchRun, kind: Literal["searched", "without"] = "searched"
) -> bool:
    """Whether a run is of a configuration that a search may choose; others may have runs in its pool too.

    ``kind``: which search, the one for the winner, or the one ``without`` teacher.
    """
    record = configurations.get(run.configuration_id)
    return kind == "searched" if record is None else record.kind == kind
