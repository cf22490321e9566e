"""What a search has spent of its budget, and whether more of it could still change the answer."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from kdsearch.ledger.records import SearchRun

GAIN = 0.25
"""The search may end when more runs are expected to add less than this part of ``min_effect`` to the winner."""

FEWEST = 4
"""Runs of the search without a teacher, at least: two settings with two seeds each."""


def runs_left(budget: Mapping[str, Any], search: Sequence[SearchRun]) -> int | None:
    """How many more search runs may be ordered: 0 when a limit is reached, ``None`` when no number limits them."""
    if budget.get("hours") is not None and busy_seconds(search) >= 3600 * float(budget["hours"]):
        return 0
    if budget.get("gpu_hours") is not None and own_seconds(search) >= 3600 * float(budget["gpu_hours"]):
        return 0
    if budget.get("runs") is None:
        return None
    return max(0, int(budget["runs"]) - sum(run.state != "cancelled" for run in search))


def shares(budget: Mapping[str, Any], without: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """A budget in two: that of the search, and the share ``without`` of it, for the search without a teacher.

    The share of the runs is rounded; it is ``FEWEST`` or more, but at most half of them. A limit that is not given is
    given to neither. Raises ``ValueError`` for a share below 0, or of 1 and more.
    """
    if not 0 <= without < 1:
        raise ValueError(f"expected a share from 0 to less than 1, got {without}")
    rest, share = dict(budget), dict(budget)
    for name in ("hours", "gpu_hours"):
        if budget.get(name) is not None:
            rest[name], share[name] = (1 - without) * budget[name], without * budget[name]
    if (runs := budget.get("runs")) is not None:
        few = min(max(FEWEST, round(without * runs)), runs // 2) if without > 0 else 0
        rest["runs"], share["runs"] = runs - few, few
    return rest, share


def own_seconds(search: Iterable[SearchRun]) -> float:
    """The runs' own times added up."""
    return sum(run.seconds or 0.0 for run in search)


def busy_seconds(search: Iterable[SearchRun]) -> float:
    """Time in which at least one ended run was under way: the length of the union of their intervals."""
    spans = sorted(
        (run.finished_at.timestamp() - run.seconds, run.finished_at.timestamp())
        for run in search
        if run.finished_at is not None and run.seconds is not None
    )
    total, until = 0.0, float("-inf")
    for begin, end in spans:
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def describe(budget: Mapping[str, Any]) -> str:
    """``200 search runs``, ``2 hours``, or several limits with ``or``."""
    words = {"runs": "search runs", "hours": "hours", "gpu_hours": "GPU-hours"}
    return " or ".join(f"{budget[name]:g} {text}" for name, text in words.items() if budget.get(name) is not None)
