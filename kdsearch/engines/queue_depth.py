"""How many runs shall wait in the queue, so that no worker waits for a decision."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

# What one reading of the study shows to be missing is there when its decision has ended, and the next only at the end
# of the next decision: the queue must last for two waits. The third is for takings that vary.
_WAITS = 3
# Models are fitted anew when runs have grown by a quarter, and such a decision is the longest: two of them lie within.
_REMEMBERED_GROWTH = 1.5
_LEAST_WINDOW = 1.0  # seconds: runs that end together are no rate
# A database that was away for a minute is no decision, and must not have a study planned for an hour.
_LONGEST = 15.0
# What waits was decided without the latest results.
_SHARE = 0.25
# Each run is a choice, and each configuration in flight makes every choice longer; workers that are faster than any
# planner must not make a decision endless.
_MOST = 5000


@dataclass(frozen=True)
class _Reading:
    at: float
    claims: int
    wait: float = 0.0


class QueueDepth:
    """At least ``least`` runs: three times what is taken in the longest wait from one reading of the study to the next.

    At most 5,000, and a quarter of all claims so far. A wait is remembered until claims have grown by half.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._recent: deque[_Reading] = deque()
        self._longest: deque[_Reading] = deque()

    def wanted(self, now: float, claims: int) -> int:
        """How many runs to keep queued after a reading at ``now``, in seconds of a clock that never goes back.

        ``claims``: of search runs so far, every attempt counted.
        """
        last = self._recent[-1].at if self._recent else now
        wait = self._longest_wait(_Reading(now, claims, min(_LONGEST, now - last)))
        needed = _WAITS * wait * self._rate(_Reading(now, claims), max(_LEAST_WINDOW, wait))
        return max(self._least, min(_MOST, int(_SHARE * claims), math.ceil(needed)))

    def _longest_wait(self, reading: _Reading) -> float:
        """Seconds of the longest wait remembered. The rest are kept in falling order: what may be the longest yet."""
        while self._longest and self._longest[-1].wait <= reading.wait:
            self._longest.pop()
        self._longest.append(reading)
        while self._longest[0].claims * _REMEMBERED_GROWTH < reading.claims:
            self._longest.popleft()
        return self._longest[0].wait

    def _rate(self, reading: _Reading, window: float) -> float:
        """Runs taken a second, over the last readings that span ``window`` seconds."""
        self._recent.append(reading)
        while len(self._recent) > 2 and self._recent[1].at <= reading.at - window:
            self._recent.popleft()
        first = self._recent[0]
        return (reading.claims - first.claims) / max(window, reading.at - first.at)
