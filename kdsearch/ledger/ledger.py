"""The ledger: every process's one door to the tables. Each of its methods is one transaction."""

from __future__ import annotations

import difflib
import itertools
import uuid
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kdsearch import environment
from kdsearch.errors import LedgerError, StudyDeleted
from kdsearch.ledger import decisions, leases, migrate, queries, recovery, removal, studies
from kdsearch.ledger import overview as overviews
from kdsearch.ledger.database import Database
from kdsearch.ledger.leases import Lease, Outcome
from kdsearch.ledger.orders import Order
from kdsearch.ledger.queries import Memory, SearchState
from kdsearch.ledger.records import RunRecord, StudyRecord, StudyResults
from kdsearch.ledger.recovery import Holders

_NO_SUCH_ROW = "23503"  # a foreign key leads to none

P = ParamSpec("P")
T = TypeVar("T")


def _in_transaction(work: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """A method that runs ``work`` in one transaction, and once more where the connection was lost."""

    @wraps(work)
    def method(ledger: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return ledger.database.transaction(lambda connection: work(connection, *args, **kwargs))

    return method


def _in_statement(work: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate[Ledger, P], T]:
    """The same for ``work`` that changes rows in one statement."""

    @wraps(work)
    def method(ledger: Ledger, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return ledger.database.transaction(lambda connection: work(connection, *args, **kwargs), single=True)

    return method


class Ledger:
    """Studies, configurations, runs and events in Postgres.

    A method that is listed by name alone is the function of that name, which holds its SQL and its documentation, in a
    transaction. Repeating one, after a commit whose answer was lost, changes no run; at worst an event stands twice.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lease_seconds = environment.lease_seconds()

    @classmethod
    def connect(cls, url: str | None = None, *, patience: float = 60.0, wait: bool = False) -> Ledger:
        """Open the database of ``url``, ``KDSEARCH_STORAGE`` or the embedded server, its schema up to date.

        ``wait``: be patient at the first connection too, where a server that is known to be right may be restarting.
        """
        database = Database(url, patience=patience)
        if not wait:
            database.check()
        migrate.upgrade(database)
        return cls(database)

    open_study = _in_transaction(studies.open_study)
    delete_study = _in_transaction(removal.delete_study)
    rename_study = _in_transaction(removal.rename_study)
    change_settings = _in_transaction(studies.change_settings)
    request_stop = _in_transaction(studies.request_stop)
    note_other_code = _in_transaction(studies.note_other_code)
    note_leader = _in_transaction(studies.note_leader)
    log_event = _in_transaction(studies.log_event)

    studies = _in_transaction(queries.all_studies)
    study_by_id = _in_transaction(queries.study_by_id)
    search_state = _in_transaction(queries.search_state)
    results = _in_transaction(queries.results)
    overview = _in_transaction(overviews.overview)
    objectives = _in_transaction(overviews.objectives)
    runs_in_pool = _in_transaction(queries.runs_in_pool)
    ended_among = _in_transaction(queries.ended_among)
    ended_curves = _in_transaction(queries.ended_curves)
    ended_runs = _in_transaction(queries.ended_runs)
    last_event = _in_transaction(queries.last_event)
    events_after = _in_transaction(queries.events_after)

    _decide = _in_transaction(decisions.decide)

    fail = _in_transaction(leases.fail)
    release = _in_transaction(leases.release)
    _renew = _in_transaction(leases.renew)

    retry_failed = _in_transaction(recovery.retry_failed)
    requeue_teachers = _in_transaction(recovery.requeue_teachers)
    lease_holders = _in_transaction(recovery.lease_holders)
    workers_at_work = _in_transaction(recovery.workers_at_work)
    losses_after = _in_transaction(recovery.losses_after)
    release_worker = _in_transaction(recovery.release_worker)
    _expire = _in_transaction(recovery.expire)

    def decide(
        self,
        study_id: int,
        plan: Callable[[SearchState], Sequence[Order]],
        memory: Memory | None = None,
        *,
        after: float | None = None,
    ) -> list[Order]:
        """Read, plan and write as ``decisions.decide``; where what is remembered has been deleted, read whole again."""
        try:
            return self._decide(study_id, plan, memory, after=after)
        except sa.exc.IntegrityError as error:
            if memory is None or getattr(error.orig, "pgcode", None) != _NO_SUCH_ROW:
                raise
            memory.forget()
            return self._decide(study_id, plan, memory, after=after)

    def finish(self, outcomes: Sequence[Outcome]) -> set[int]:
        """Store results as ``leases.finish``; one alone is stored by one statement."""
        return self._finish_one(outcomes) if len(outcomes) == 1 else self._finish(outcomes)

    _finish = _in_transaction(leases.finish)
    _finish_one = _in_statement(leases.finish)

    def claim(
        self, study_id: int, worker: str, limit: int = 1, passed_over: Sequence[int] = (), *, joins: bool = False
    ) -> list[Lease]:
        """Lease up to ``limit`` runs, but none of ``passed_over``; ``joins``: they train beside others."""
        token = uuid.uuid4()  # made outside the transaction: repeated, it finds the runs that it has leased already
        tries = itertools.count()

        def work(connection: Connection) -> list[Lease]:
            given = (study_id, token, worker, limit, self.lease_seconds, passed_over, joins)
            return leases.claim(connection, *given, again=next(tries) > 0)

        return self.database.transaction(work, single=True)

    def renew(self, study_id: int, held: Sequence[Lease]) -> tuple[set[int], bool]:
        """Renew leases; returns the ids still held, and whether somebody asked the study to stop."""
        return self._renew(study_id, held, self.lease_seconds)

    def expire(self, study_id: int, holders: Holders | None = None) -> list[int]:
        """Queue again what nobody trains any more and what is overdue; returns the ids."""
        return self._expire(study_id, self.lease_seconds, holders or Holders())

    def matching(self, name: str, preset: str | None = None) -> list[StudyRecord]:
        """The study of this name, or those of this name before its ``@``; with one ``preset`` alone where it is given.

        ``preset``: ``none`` means without any.
        """
        known = [row for row in self.studies() if preset is None or (row.settings.preset or "none") == preset]
        return [row for row in known if row.name == name] or [
            row for row in known if row.name.split("@")[0] == name or row.name.split("+")[0] == name
        ]

    def study(self, name: str, preset: str | None = None) -> StudyRecord:
        """The one study that ``matching`` finds, else ``LedgerError``."""
        matches = self.matching(name, preset)
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise LedgerError(f"{name!r} names several studies; say which: {', '.join(row.name for row in matches)}")
        known = [row for row in self.studies() if preset is None or (row.settings.preset or "none") == preset]
        # What stands behind the @ is alike for many studies and makes no name resemble another.
        names = {row.name.split("@")[0]: row.name for row in known}
        near = difflib.get_close_matches(name.split("@")[0], names, n=1)
        listing = f"did you mean {names[near[0]]!r}?" if near else "kdsearch list shows what there is."
        name = f"{name!r} with preset {preset}" if preset else repr(name)
        raise LedgerError(f"no study {name} in {self.database.rendered_url()}; {listing}")

    def run(self, run_id: int) -> tuple[StudyResults, RunRecord]:
        """A run, and its study with nothing else but its configuration and events; ``LedgerError`` without such a run.

        Raises ``StudyDeleted`` where somebody deletes it meanwhile.
        """
        found = self._study_of_run(run_id)
        if found is None:
            raise LedgerError(f"no run {run_id} in {self.database.rendered_url()}; kdsearch export runs lists them.")
        results = self._run_results(found.id, run_id)
        if not results.runs:
            raise StudyDeleted(f"run {run_id} of {found.name} is no longer in the ledger: somebody deleted it")
        return results, results.runs[0]

    _study_of_run = _in_transaction(queries.study_of_run)
    _run_results = _in_transaction(queries.run_results)
