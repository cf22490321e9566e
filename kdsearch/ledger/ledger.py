"""The ledger: every process's one door to the tables, each call one transaction."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection

from kdsearch import environment
from kdsearch.errors import LedgerError
from kdsearch.ledger import decisions, leases, migrate, queries, recovery, studies
from kdsearch.ledger.database import Database
from kdsearch.ledger.decisions import Plan
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.orders import Order
from kdsearch.ledger.queries import Memory, SearchState
from kdsearch.ledger.records import EventRecord, RunRecord, StudyRecord, StudyResults
from kdsearch.ledger.studies import Declaration


class Ledger:
    """Studies, configurations, runs and events in Postgres. Every method is one transaction.

    Repeating one, after a commit whose answer was lost, changes no run; at worst an event stands twice.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lease_seconds = environment.lease_seconds()

    @classmethod
    def connect(cls, url: str | None = None, *, patience: float = 60.0) -> Ledger:
        """Open the database of ``url``, ``KDSEARCH_STORAGE`` or the embedded server, its schema up to date."""
        database = Database(url, patience=patience)
        database.check()
        migrate.upgrade(database)
        return cls(database)

    def open_study(self, declared: Declaration) -> tuple[StudyRecord, list[str]]:
        """Create or find a study; see ``studies.open_study``."""
        return self.database.transaction(partial(studies.open_study, declared=declared))

    def studies(self) -> list[StudyRecord]:
        """Every study, oldest first."""
        return self.database.transaction(queries.all_studies)

    def study(self, name: str) -> StudyRecord:
        """The study of this name, or of this name before its ``@`` if only one has it; else ``LedgerError``."""
        known = self.studies()
        matches = [row for row in known if row.name == name] or [
            row for row in known if row.name.split("@")[0] == name or row.name.split("+")[0] == name
        ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise LedgerError(f"{name!r} names several studies; say which: {', '.join(row.name for row in matches)}")
        near = difflib.get_close_matches(name, [row.name for row in known], n=1, cutoff=0.5)
        listing = f"did you mean {near[0]!r}?" if near else "kdsearch list shows what there is."
        raise LedgerError(f"no study {name!r} in {self.database.rendered_url()}; {listing}")

    def study_by_id(self, study_id: int) -> StudyRecord:
        """The study of this id."""
        return self.database.transaction(partial(queries.study_by_id, study_id=study_id))

    def search_state(self, study_id: int) -> SearchState:
        """What a planner may see."""
        return self.database.transaction(partial(queries.search_state, study_id=study_id))

    def results(self, study_id: int, *, curves: bool = True) -> StudyResults:
        """All of a study, for reports; see ``queries.results``."""
        return self.database.transaction(partial(queries.results, study_id=study_id, curves=curves))

    def ended_runs(self, study_id: int) -> int:
        """How many runs came to an end; see ``queries.ended_runs``."""
        return self.database.transaction(partial(queries.ended_runs, study_id=study_id))

    def events_after(self, study_id: int, last: int) -> list[EventRecord]:
        """Events newer than the one with id ``last``."""
        return self.database.transaction(partial(queries.events_after, study_id=study_id, last=last))

    def run(self, run_id: int) -> tuple[StudyRecord, RunRecord]:
        """A run and its study; ``LedgerError`` when there is none of this id."""
        found = self.database.transaction(partial(queries.study_of_run, run_id=run_id))
        if found is None:
            raise LedgerError(f"no run {run_id} in {self.database.rendered_url()}; kdsearch export runs lists them.")
        results = self.results(found.id)
        return found, next(run for run in results.runs if run.id == run_id)

    def decide(
        self, study_id: int, plan: Plan, memory: Memory | None = None, *, after: float | None = None
    ) -> list[Order]:
        """Let a planner decide; see ``decisions.decide``."""
        decide = partial(decisions.decide, study_id=study_id, plan=plan, memory=memory, after=after)
        return self.database.transaction(decide)

    def claim(self, study_id: int, worker: str, limit: int = 1, passed_over: Sequence[int] = ()) -> list[Lease]:
        """Lease up to ``limit`` runs, but none of ``passed_over``."""
        claim = partial(
            leases.claim,
            study_id=study_id,
            token=uuid.uuid4(),
            worker=worker,
            limit=limit,
            seconds=self.lease_seconds,
            passed_over=passed_over,
        )
        return self.database.transaction(claim)

    def renew(self, study_id: int, held: Sequence[Lease]) -> tuple[set[int], bool]:
        """Renew leases; returns the ids still held, and whether somebody asked the study to stop."""

        def work(connection: Connection) -> tuple[set[int], bool]:
            kept = leases.renew(connection, held, self.lease_seconds)
            return kept, queries.study_by_id(connection, study_id).stop_requested

        return self.database.transaction(work)

    def finish(self, outcomes: Sequence[Outcome]) -> set[int]:
        """Store results; returns the ids accepted."""
        return self.database.transaction(partial(leases.finish, outcomes=outcomes))

    def fail(self, study_id: int, lease: Lease, error: str) -> str | None:
        """Record an exception of a run and its event."""

        text = _storable(error)

        def work(connection: Connection) -> str | None:
            state = leases.fail(connection, lease, text)
            if state is not None:
                last = (text.strip().splitlines() or ["no message"])[-1]
                message = f"run {lease.run_id} attempt {lease.attempt}: {last}"
                studies.log_event(connection, study_id, "exception", message, {"traceback": text}, lease.run_id)
            return state

        return self.database.transaction(work)

    def retry_failed(self, study_id: int) -> int:
        """Queue failed runs again; returns how many."""
        return self.database.transaction(partial(recovery.retry_failed, study_id=study_id))

    def requeue_teachers(self, run_ids: Sequence[int]) -> None:
        """Train teachers again whose weights are gone."""
        self.database.transaction(partial(recovery.requeue_teachers, run_ids=run_ids))

    def release(self, held: Sequence[Lease]) -> None:
        """Give runs back to the queue."""
        self.database.transaction(partial(leases.release, leases=held))

    def expire(self, study_id: int, dead_workers: Sequence[str] = ()) -> list[int]:
        """Queue again what nobody holds any more; logs each."""

        def work(connection: Connection) -> list[int]:
            lost = recovery.expire(connection, study_id, self.lease_seconds, dead_workers)
            for run_id, state in lost:
                message = f"run {run_id} lost its worker and is {state}" + (" again" if state == "queued" else "")
                studies.log_event(connection, study_id, "lease lost", message, run_id=run_id)
            return [run_id for run_id, _ in lost]

        return self.database.transaction(work)

    def lease_holders(self, study_id: int) -> list[str]:
        """Names of the workers that hold leases."""
        return self.database.transaction(partial(recovery.holders, study_id=study_id))

    def request_stop(self, study_id: int, stop: bool = True) -> None:
        """Ask all workers of a study to stop, or take that back."""
        self.database.transaction(partial(studies.request_stop, study_id=study_id, stop=stop))

    def change_settings(self, study_id: int, changes: Mapping[str, Any], message: str) -> None:
        """Replace settings and log it."""
        self.database.transaction(partial(studies.change_settings, study_id=study_id, changes=changes, message=message))

    def log_event(
        self, study_id: int, kind: str, message: str, data: Mapping[str, Any] | None = None, run_id: int | None = None
    ) -> None:
        """Store an event; ``data`` holds texts and numbers."""
        message = _storable(message)
        data = {name: _storable(value) if isinstance(value, str) else value for name, value in (data or {}).items()}
        self.database.transaction(
            partial(studies.log_event, study_id=study_id, kind=kind, message=message, data=data, run_id=run_id)
        )


def _storable(text: str) -> str:
    """Postgres takes neither NUL nor half a surrogate pair, and any text may stand in an exception."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
