"""What a search has spent of its budget, and whether more of it could still change the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.settings import Limits

GAIN = 0.25
"""The search may end when more runs are expected to add less than this part of ``min_effect`` to the winner."""

FEWEST = 4
"""Runs of the search without a teacher, at least: two configurations with two seeds each."""


@dataclass(frozen=True)
class Use:
    """How far one limit of a budget is used: its ``size``, what is ``used``, and what one more run takes of it.

    ``used`` counts queued and training runs by what they are expected to take. ``known``: whether any run has ended
    that tells it.
    """

    size: float
    used: float
    each: float
    known: bool = True


def runs_left(budget: Limits, search: Sequence[SearchRun], beside: Sequence[SearchRun] = ()) -> int | None:
    """How many more search runs may be ordered: 0 when a limit is reached, ``None`` when no number limits them.

    ``beside``: runs of the other search, see ``busy_seconds``.
    """
    if time_is_over(budget, search, beside):
        return 0
    return None if budget.runs is None else max(0, budget.runs - ordered(search))


def time_is_over(budget: Limits, search: Sequence[SearchRun], beside: Sequence[SearchRun] = ()) -> bool:
    """Whether a limit in hours or in GPU-hours is reached."""
    if budget.hours is not None and busy_seconds(search, beside) >= 3600 * budget.hours:
        return True
    return budget.gpu_hours is not None and own_seconds(search) >= 3600 * budget.gpu_hours


def ordered(search: Iterable[SearchRun]) -> int:
    """How many runs were ordered and not taken back."""
    return sum(run.state != "cancelled" for run in search)


def uses(budget: Limits, search: Sequence[SearchRun], beside: Sequence[SearchRun] = ()) -> list[Use]:
    """How far each limit of a budget is used; a run takes as long as those of its search that have ended.

    Before any of them has ended, those ``beside`` tell, and before any at all has ended each counts as one second.
    """
    found = [] if budget.runs is None else [Use(float(budget.runs), float(ordered(search)), 1.0)]
    waiting = sum(run.state in ("queued", "leased") for run in search)
    mean = _mean_seconds(search) or _mean_seconds(beside)
    each = mean or 1.0
    if budget.gpu_hours is not None:
        spent = own_seconds(search) + waiting * each
        found.append(Use(3600 * budget.gpu_hours, spent, each, mean is not None))
    if budget.hours is not None:
        # Several workers train several seconds in one of the clock.
        trained = own_seconds(search) + own_seconds(beside)
        each *= (busy_seconds([*search, *beside]) / trained if trained else 0.0) or 1.0
        spent = busy_seconds(search, beside) + waiting * each
        found.append(Use(3600 * budget.hours, spent, each, mean is not None))
    return found


def shares(budget: Limits, without: float) -> tuple[Limits, Limits]:
    """A budget in two: that of the search, and the share ``without`` of it, for the search without a teacher.

    The share of the runs is rounded; it is ``FEWEST`` or more, but at most half of them. A limit that is not given is
    given to neither. Raises ``ValueError`` for a share below 0, or of 1 and more.
    """
    if not 0 <= without < 1:
        raise ValueError(f"expected a share from 0 to less than 1, got {without}")
    rest, few = budget.runs, None
    if rest is not None:
        few = min(max(FEWEST, round(without * rest)), rest // 2) if without > 0 else 0
        rest -= few
    return _of_time(budget, 1 - without, rest), _of_time(budget, without, few)


def own_seconds(search: Iterable[SearchRun]) -> float:
    """The runs' own times added up."""
    return sum(run.seconds or 0.0 for run in search)


def busy_seconds(search: Iterable[SearchRun], beside: Iterable[SearchRun] = ()) -> float:
    """Time in which at least one ended run was under way: the length of the union of their intervals.

    ``beside``: runs of the other search, which has the same clock. While both train, the time is divided between them
    by how many runs of each are under way, so that the times of both add up to that of all runs.
    """
    changes = sorted(
        change
        for runs, mine in ((search, 1), (beside, 0))
        for run in runs
        if run.finished_at is not None and run.seconds is not None
        for end in [run.finished_at.timestamp()]
        for change in ((end - run.seconds, 1, mine), (end, -1, -mine))
    )
    total, before, under_way, own = 0.0, 0.0, 0, 0
    for at, change, mine in changes:
        if own:
            total += (at - before) * own / under_way
        before, under_way, own = at, under_way + change, own + mine
    return total


def describe(budget: Limits) -> str:
    """``200 search runs``, ``2 hours``, or several limits with ``or``."""
    limits = ((budget.runs, "search runs"), (budget.hours, "hours"), (budget.gpu_hours, "GPU-hours"))
    return " or ".join(f"{limit:g} {words}" for limit, words in limits if limit is not None)


def _of_time(budget: Limits, share: float, runs: int | None) -> Limits:
    """So many runs, and a share of the hours."""
    hours, gpu_hours = (None if limit is None else share * limit for limit in (budget.hours, budget.gpu_hours))
    return Limits(runs, hours, gpu_hours)


def _mean_seconds(search: Iterable[SearchRun]) -> float | None:
    timed = [run.seconds for run in search if run.seconds]
    return sum(timed) / len(timed) if timed else None
