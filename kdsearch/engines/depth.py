"""How many runs shall wait in the queue, so that no worker waits for a decision."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

_AHEAD = 3
_RATE_SECONDS = 4.0
_REMEMBERED_SECONDS = 300.0
_KEPT = 0.9
_SHARE = 0.5


@dataclass(frozen=True)
class _Interval:
    """From one reading of the study to the next: when it ended, how long it was, how many runs were taken."""

    end: float
    seconds: float
    taken: int


class Depth:
    """At least ``least`` runs: what is taken from the queue in three times the longest wait of late.

    Runs that are ordered by what one reading shows are there when that decision has ended, and the next ones only at
    the end of the next decision: the queue must last for two intervals between readings, and what is taken varies.
    A long decision is rare (a model fitted anew) but comes again, so intervals count for five minutes; the rate is
    that of the last seconds. Where all that waited was taken, more may have been asked for: the queue doubles. It
    shrinks by a tenth a reading at most, so that the rate is known before that has an effect. What waits was decided
    without the results of all before it, so it is at most half of what has been taken so far: a database that was away
    for a minute must not have a small study planned to its end.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._intervals: deque[_Interval] = deque()
        self._last: tuple[float, int, int] | None = None
        self._wanted = least

    def wanted(self, now: float, claims: int, waiting: int, run_seconds: float) -> int:
        """How many runs to keep queued after a reading at ``now`` (seconds of one clock that never goes back).

        ``claims``: of search runs so far, all attempts; ``waiting``: runs queued just now; ``run_seconds``: how long a
        run takes, infinite where none has ended. Where runs outlast the longest interval twice, a worker needs one and
        the planner sees to that.
        """
        last, self._last = self._last, (now, claims, waiting)
        if last is None:
            return self._wanted
        self._intervals.append(_Interval(now, now - last[0], claims - last[1]))
        while self._intervals[0].end < now - _REMEMBERED_SECONDS:
            self._intervals.popleft()
        longest = max(interval.seconds for interval in self._intervals)
        needed = 0.0
        if run_seconds < 2 * longest:
            needed = max(_AHEAD * self._rate(now) * longest, math.floor(_KEPT * self._wanted))
            if claims - last[1] >= max(1, last[2]):
                needed = max(needed, 2 * self._wanted)
        self._wanted = max(self._least, min(int(_SHARE * claims), math.ceil(needed)))
        return self._wanted

    def _rate(self, now: float) -> float:
        """Runs taken a second, in the last seconds."""
        recent = [interval for interval in self._intervals if interval.end > now - _RATE_SECONDS]
        return sum(interval.taken for interval in recent) / max(1e-9, sum(interval.seconds for interval in recent))
