"""The launcher's part: plan, recover lost leases, mirror to Optuna, tell how far it is. It trains nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kdsearch.engines.optuna_mirror import Mirror
from kdsearch.engines.queue_depth import QueueDepth
from kdsearch.engines.worker_names import known_of
from kdsearch.interrupts import raise_lost
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.overview import LARGE
from kdsearch.ledger.queries import Memory, SearchState
from kdsearch.ledger.records import TRAINED, LeaderRecord, StudyRecord
from kdsearch.search.leader import leader_now
from kdsearch.search.planner import StudyPlanner
from kdsearch.statistics.float_errors import usual_float_errors
from kdsearch.study.declaration import Study

TICK_SECONDS = 0.25
_SHOWING_SHARE = 10.0
_PLANNING_SECONDS = 2.0
_MIRROR_SECONDS = 3.0
_LEADER_SECONDS = 0.0
_PAUSE_SHARE = 10.0
_LAST_MIRRORS = 10


@dataclass(frozen=True)
class Progress:
    """How far a study is. ``leader``: the best configuration so far."""

    phase: str
    counts: Mapping[str, int]
    leader: LeaderRecord | None
    state: SearchState

    @property
    def ended(self) -> int:
        """Runs that came to an end, with or without a value."""
        return sum(self.counts.get(state, 0) for state in (*TRAINED, "failed"))


class BackgroundTask:
    """Work beside planning: one call at a time, in a thread, and the next only after ten times as long a pause.

    An exception in it is printed with its traceback and ends nothing.
    """

    def __init__(self, name: str, least: float) -> None:
        self._name = name
        self._least = least
        self._thread: threading.Thread | None = None
        self._next = float("-inf")

    def start(self, work: Callable[[], object]) -> bool:
        """Begin ``work`` unless the last call still runs or has ended too short a while ago; returns whether."""
        if (self._thread is not None and self._thread.is_alive()) or time.monotonic() < self._next:
            return False

        def timed() -> None:
            begin = time.monotonic()
            try:
                work()
            finally:
                now = time.monotonic()
                self._next = now + max(self._least, _PAUSE_SHARE * (now - begin))

        self._thread = threading.Thread(target=timed, name=f"kdsearch-{self._name}", daemon=True)
        self._thread.start()
        return True

    def wait(self) -> None:
        """Return once nothing runs."""
        if self._thread is not None:
            self._thread.join()


class Coordinator:
    """One per launcher; several may serve one study, since every decision is made under the study's lock.

    ``capacity``: search runs to keep queued at least. ``ahead``: workers take runs while this one decides, so that as
    many wait as ``QueueDepth`` says. ``after``: decide only where no launcher has done so for so many seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        study: Study,
        record: StudyRecord,
        capacity: int,
        *,
        ahead: bool = False,
        after: float | None = None,
    ) -> None:
        self.ledger = ledger
        self.study = study
        self.record = record
        self.planner = StudyPlanner(study, capacity)
        self.mirror = Mirror(ledger, record, own_connection=True)
        self._depth = QueueDepth(capacity) if ahead else None
        self._after = after
        self.memory = Memory()
        self._state: SearchState | None = None
        self._leader: tuple[tuple[int, int | None], LeaderRecord | None] = (
            (0, None),
            None,
        )  # as of how many runs, which winner
        self._noted: LeaderRecord | None = None
        self._leading = BackgroundTask("leader", _LEADER_SECONDS)
        self.mirroring = BackgroundTask("mirror", _MIRROR_SECONDS)
        self._mirror_fault = ""

    def tick(self) -> Progress:
        """Recover leases and plan until the plan has nothing to add; mirror every few seconds, beside that.

        Where runs are taken as fast as they are planned, it ends all the same: workers must be watched.
        """
        raise_lost()
        self.recover()
        until = time.monotonic() + _PLANNING_SECONDS
        while self.advance() and time.monotonic() < until:
            pass
        self.mirroring.start(self._mirror_now)
        assert self._state is not None
        return self._progress(self._state)

    def serve(self, observe: Callable[[Progress], None], begin: Callable[[], None], watch: Callable[[], None]) -> None:
        """Plan until the study is finished or asked to stop; ``begin`` once there are runs, ``watch`` each round."""
        begun, show_at = False, float("-inf")
        while True:
            progress = self.tick()
            over = progress.phase == "finished" or self.ledger.study_by_id(self.record.id).over
            if not over and not begun:  # for a study that is over there is nothing to begin
                begin()
                begun = True
            if over or time.monotonic() >= show_at:  # a large study's picture takes long: planning goes first
                start = time.monotonic()
                observe(progress)
                show_at = time.monotonic() + _SHOWING_SHARE * (time.monotonic() - start)
            if over:
                return
            watch()
            time.sleep(TICK_SECONDS)

    def advance(self) -> int:
        """One decision; returns how many orders it gave."""

        def plan(state: SearchState) -> list[object]:
            if self._depth is not None:
                claims = sum(run.attempt for run in state.runs if run.pool == "search")
                self.planner.capacity = self._depth.wanted(time.monotonic(), claims)
            self._state = state
            with usual_float_errors():  # a user's code that trains in this process may have asked numpy to raise them
                return list(self.planner.plan(state))

        return len(self.ledger.decide(self.record.id, plan, self.memory, after=self._after))  # type: ignore[arg-type]

    def recover(self) -> list[int]:
        """Queue again what dead workers held, what nobody has renewed and what is overdue; returns the run ids."""
        return self.ledger.expire(self.record.id, known_of(self.ledger.lease_holders(self.record.id)))

    def finish(self) -> None:
        """Mirror the last state, and try again for a while should the database be away just now."""
        self.mirroring.wait()
        for _ in range(_LAST_MIRRORS):
            if self._mirror_now():
                return
            time.sleep(1.0)
        self.ledger.log_event(
            self.record.id,
            "mirror",
            f"the Optuna study of {self.record.name} is not up to date: {self._mirror_fault}. All results stand; to "
            f"draw it anew: kdsearch db mirror {self.record.name}",
        )

    def _progress(self, state: SearchState) -> Progress:
        """Count runs; the leader is found anew, beside planning, only when a search run has ended.

        The winner is found at once: then there is nothing left to plan, and no former leader may pass for it.
        """
        counts: Counter[str] = Counter(run.state for run in state.runs)
        ended = sum(run.pool == "search" and run.objective is not None for run in state.runs)
        known = ended, state.study.winner_id

        def find() -> None:
            self._leader = known, leader_now(state)

        if known != self._leader[0]:
            if state.study.winner_id is None:
                self._leading.start(find)
            else:
                self._leading.wait()
                find()
        found = self._leader[1]
        self._note(found, state)
        return Progress(phase=state.study.phase, counts=dict(counts), leader=found, state=state)

    def _note(self, found: LeaderRecord | None, state: SearchState) -> None:
        """Store the leader of a large study for ``status``, which then need not read its runs."""
        if found is not None and found != self._noted and found.ended >= LARGE and state.study.winner_id is None:
            self.ledger.note_leader(self.record.id, found)
            self._noted = found

    def _mirror_now(self) -> bool:
        """One pass of the mirror. It is a picture of the ledger and can be drawn anew: it never ends a study."""
        try:
            self.mirror.sync()
        except Exception as error:  # whatever it is: the fault is said at the end, if it lasts
            lines = str(error).strip().splitlines()
            self._mirror_fault = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
            self.mirror.forget()
            return False
        return True
