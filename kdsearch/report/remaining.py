"""How much of a study is left, in runs and in time: one answer for ``kdsearch launch`` and ``kdsearch status``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from kdsearch.ledger.records import ENDED
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.records import StudyRecord
from kdsearch.report.drawn import HELD
from kdsearch.search.budget import busy_seconds
from kdsearch.search.budget import own_seconds
from kdsearch.search.budget import runs_left
from kdsearch.search.expected import runs_expected
from kdsearch.search.searches import Spent
from kdsearch.search.searches import spent

RECENT = 30
GENERATIONS = 4
"""The pace is that of so many runs at least, and of so many run lengths: workers that start together end together."""

PAUSE = 1.0
"""Seconds between two runs of a worker; what is longer is a pause in which the study was stopped."""


@dataclass(frozen=True)
class Remaining:
    """``runs`` that are still to end, and the ``seconds`` that they take: ``None`` while no run tells."""

    runs: int
    seconds: float | None


def remaining(
    study: StudyRecord, configurations: Mapping[int, ConfigurationRecord], runs: Sequence[SearchRun]
) -> Remaining:
    """Return what is left from the ledger alone, at the pace of the runs that ended last, whoever trained them.

    A limit in hours is a time, and only divided by the pace to count runs; of several limits the first to be reached
    counts. A search may end before its budget: this is the most that it takes.
    """
    parts = list(spent(study.settings, configurations, runs).values())
    waiting = sum(_waiting(part.runs) for part in parts)
    # All but the search, by a budget that has nothing left.
    nothing = replace(study, settings={**study.settings, "budget": {"runs": 0}})
    ended = sum(run.state in ENDED or run.state == "failed" for run in runs)
    others = runs_expected(nothing, configurations, runs) - ended - waiting
    seconds = pace(_students(study, runs))
    to_come = float(waiting)
    if study.winner_id is None and study.phase != "finished":
        to_come = sum(_search(part, seconds) for part in parts)
    left = max(0.0, others + to_come)
    return Remaining(math.ceil(left - 1e-9), None if seconds is None else left * seconds)


def pace(runs: Sequence[SearchRun]) -> float | None:
    """Return the seconds from the end of one run to the end of the next, without pauses; ``None`` where none ended.

    Runs that are stored together, or trained side by side, end together: the gaps add up to the time that passed. In
    the first two generations they say little, and each run that trains now counts as one that goes on beside the rest.
    """
    timed = sorted(
        (run.finished_at.timestamp(), run.seconds)
        for run in runs
        if run.state in ENDED and run.finished_at is not None and run.seconds is not None
    )
    elapsed, own, count = 0.0, 0.0, 0
    for index in range(len(timed) - 1, -1, -1):
        end, seconds = timed[index]
        elapsed += min(end - timed[index - 1][0], seconds + PAUSE) if index else seconds
        own, count = own + seconds, count + 1
        if count >= RECENT and elapsed >= GENERATIONS * own / count:
            break
    beside = sum(run.state == "leased" for run in runs)
    if 0 < len(timed) < 2 * beside:
        return own / count / beside
    return elapsed / count if count else None


def _students(study: StudyRecord, runs: Sequence[SearchRun]) -> list[SearchRun]:
    """Runs as they are still to come: teachers are among them only where fresh seeds have their own."""
    own = study.settings.get("teachers", "one") not in HELD
    return [run for run in runs if run.pool != "teacher" or own]


def _waiting(search: Sequence[SearchRun]) -> int:
    return sum(run.state in ("queued", "leased") for run in search)


def _search(part: Spent, pace: float | None) -> float:
    """Runs of a search that are still to end by the limit that is reached first; those that wait where none tells.

    Its share of the hours is counted in runs at the ``pace`` of both, as many more as they are shorter.
    """
    budget, search = part.budget, part.runs
    waiting = _waiting(search)
    limits: list[float] = []
    if budget.get("runs") is not None:
        limits.append(waiting + (runs_left({"runs": budget["runs"]}, search) or 0))
    if budget.get("hours") is not None and pace:
        own, every = _mean(search), _mean([*search, *part.beside])
        shorter = every / own if own and every else 1.0
        limits.append((3600 * budget["hours"] - busy_seconds(search, part.beside)) / pace * shorter)
    if budget.get("gpu_hours") is not None and (mean := _mean(search)):
        limits.append((3600 * budget["gpu_hours"] - own_seconds(search)) / mean)
    return max(float(waiting), min(limits, default=0.0))


def _mean(search: Sequence[SearchRun]) -> float | None:
    seconds = [run.seconds for run in search if run.seconds]
    return sum(seconds) / len(seconds) if seconds else None
