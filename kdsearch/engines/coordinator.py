"""The launcher's part: plan, recover lost leases, mirror to Optuna, tell how far it is. It trains nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from optuna.exceptions import OptunaError

from kdsearch.engines.devices import is_dead
from kdsearch.engines.mirror import Mirror
from kdsearch.errors import LedgerError
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.views import Memory
from kdsearch.ledger.views import SearchState
from kdsearch.search.planner import StudyPlanner
from kdsearch.search.policy import Search
from kdsearch.search.standing import standings
from kdsearch.statistics.summaries import Summary
from kdsearch.statistics.summaries import summarize
from kdsearch.study import Study

_MIRROR_SECONDS = 3.0
_MIRROR_SHARE = 10.0
_LAST_MIRRORS = 10


@dataclass(frozen=True)
class Progress:
    """How far a study is. ``leader``: name, posterior mean and summary of the best configuration so far."""

    phase: str
    counts: Mapping[str, int]
    leader: tuple[str, float, Summary] | None
    state: SearchState

    @property
    def ended(self) -> int:
        """Runs that came to an end, with or without a value."""
        return sum(self.counts.get(state, 0) for state in ("done", "diverged", "failed"))


class Coordinator:
    """One per launcher; several may serve one study, since every decision is made under the study's lock."""

    def __init__(self, ledger: Ledger, study: Study, record: StudyRecord, capacity: int) -> None:
        self.ledger = ledger
        self.study = study
        self.record = record
        self.planner = StudyPlanner(study, capacity)
        self.mirror = Mirror(ledger, record)
        self._memory = Memory()
        self._state: SearchState | None = None
        self._led_by: tuple[int, tuple[str, float, Summary] | None] = (0, None)
        self._mirror_at = 0.0

    def tick(self) -> Progress:
        """Recover leases, plan until the plan has nothing to add, and mirror every few seconds."""
        self.recover()
        while self.advance():
            pass
        if time.monotonic() >= self._mirror_at:
            self._mirror_now()
        assert self._state is not None
        return self._progress(self._state)

    def advance(self) -> int:
        """One decision; returns how many orders it gave."""

        def plan(state: SearchState) -> list[object]:
            self._state = state
            return list(self.planner.plan(state))

        return len(self.ledger.decide(self.record.id, plan, self._memory))  # type: ignore[arg-type]

    def recover(self) -> list[int]:
        """Queue again what dead workers held, and what nobody has renewed; returns the run ids."""
        dead = [name for name in self.ledger.lease_holders(self.record.id) if is_dead(name)]
        return self.ledger.expire(self.record.id, dead)

    def finish(self) -> None:
        """Mirror the last state, and try again for a while should the database be away just now."""
        for _ in range(_LAST_MIRRORS):
            if self._mirror_now():
                return
            time.sleep(1.0)

    def _progress(self, state: SearchState) -> Progress:
        """Count runs; the leader is found anew only when a search run has ended."""
        counts: Counter[str] = Counter(run.state for run in state.runs)
        ended = sum(run.pool == "search" and run.objective is not None for run in state.runs)
        if ended != self._led_by[0]:
            self._led_by = ended, leader(state, self.planner.policy(state))
        return Progress(phase=state.study.phase, counts=dict(counts), leader=self._led_by[1], state=state)

    def _mirror_now(self) -> bool:
        """One pass of the mirror. It is a picture of the ledger and can be drawn anew: it never ends a study."""
        begin = time.monotonic()
        try:
            self.mirror.sync()
        except (sa.exc.SQLAlchemyError, OptunaError, LedgerError):
            self.mirror.forget()
            return False
        finally:  # a large study's picture takes long: planning goes first
            now = time.monotonic()
            self._mirror_at = now + max(_MIRROR_SECONDS, _MIRROR_SHARE * (now - begin))
        return True


def leader(state: SearchState, policy: Search | None = None) -> tuple[str, float, Summary] | None:
    """Name, posterior mean and summary of the best configuration with two seeds or more, from objectives alone."""
    rows = [row for row in standings(state.study, state.configurations, state.runs, policy) if row.n > 1]
    if not rows:
        return None
    best = next((row for row in rows if row.id == state.study.winner_id), rows[0])
    return best.configuration.name, best.estimate, summarize(best.objectives)
