"""What every peer asks of a configuration: how many seeds it was given, how many ended, their raw mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from kdsearch.search.policies.base import Configuration, Leader


def asked(setting: Configuration) -> int:
    """Seeds that were spent or are under way."""
    return len(setting.objectives) + len(setting.pending) + len(setting.failed)


def settled(setting: Configuration) -> int:
    """Seeds that came to an end, with or without a value."""
    return len(setting.objectives) + len(setting.failed)


def raw_mean(setting: Configuration) -> float | None:
    """Mean over the seeds that have a value; ``None`` without any."""
    return fmean(setting.objectives.values()) if setting.objectives else None


def highest_mean(tried: Sequence[Configuration], among: Iterable[int] | None = None) -> Leader:
    """The highest raw mean of the positions ``among``; of all where none of these has a result; the earliest of equals.

    Raises ``ValueError`` where nothing has a result.
    """
    for positions in (() if among is None else tuple(among), range(len(tried))):
        means = [(mean, -position) for position in positions if (mean := raw_mean(tried[position])) is not None]
        if means:
            mean, position = max(means)
            return Leader(-position, mean)
    raise ValueError("no configuration has a result yet: let the runs that were asked for end first")
