"""Runs that come back to the queue: lost leases, overdue runs, failures forgiven, teachers whose weights are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kdsearch.ledger import studies
from kdsearch.ledger.leases import MAX_FAILURES

MAX_LOSSES = 10

LONGEST_TIMES = 20.0
LEAST_LIMIT = 1800.0
FIRST_LIMIT = 86400.0
_ENOUGH = 3


@dataclass(frozen=True)
class Holders:
    """Names of workers that hold leases, by what is known of them; those that nothing is known of stand nowhere.

    ``alive``: they keep their runs, however late they renew. ``dead``: gone, through no fault of a run, as with the
    launcher or the machine. ``crashed``: gone while the launcher lived: a run may have ended them.
    """

    alive: Sequence[str] = ()
    dead: Sequence[str] = ()
    crashed: Sequence[str] = ()


@dataclass(frozen=True)
class WorkerAtWork:
    """A worker by its name, the ids of the runs it holds, and its place; ``None`` of one that did not tell."""

    worker: str
    runs: list[int]
    node: str | None
    device: str | None


def expire(connection: Connection, study_id: int, seconds: float, holders: Holders) -> list[int]:
    """Queue again the runs that nobody trains any more or that are overdue, and log each; returns the ids.

    A run whose worker crashed, or that is overdue, has failed once: it is tried again alone, and ``failed`` after three
    failures, as with exceptions. One that lost ten workers in other ways is ``failed`` too. Runs handed back do not
    count. Leases stand while the server has been up for less than a lease: no worker could renew while it was down.
    """
    overdue = _overdue(connection, study_id)
    rows = connection.execute(
        _EXPIRE,
        {
            "study": study_id,
            "seconds": seconds,
            "most_losses": MAX_LOSSES,
            "most_failures": MAX_FAILURES,
            "alive": list(holders.alive),
            "dead": list(holders.dead),
            "crashed": list(holders.crashed),
            "overdue": list(overdue),
            "late": list(overdue.values()),
        },
    ).all()
    for row in rows:
        state = "queued again" if row.state == "queued" else row.state
        message = f"run {row.id} {_HOW[row.how]} and is {state}"
        if row.how == "overdue":
            message += f": it {overdue[row.id]}"
        data = {"worker": row.worker, "how": row.how}
        studies.log_event(connection, study_id, "lease lost", message, data, run_id=row.id)
    return [row.id for row in rows]


_HOW = {
    "lost": "lost its worker",
    "crashed": "lost its worker, which ended while it trained it",
    "overdue": "is overdue",
}

_EXPIRE = sa.text(
    """
    WITH late AS (
        SELECT * FROM unnest(CAST(:overdue AS bigint[]), CAST(:late AS text[])) AS late (id, words)
    ), lost AS MATERIALIZED (
        SELECT id, CASE WHEN id IN (SELECT id FROM late) THEN 'overdue'
                        WHEN worker = ANY(CAST(:crashed AS text[])) THEN 'crashed' ELSE 'lost' END AS how
        FROM kdsearch.run
        WHERE study_id = :study AND state = 'leased' AND (
            worker = ANY(CAST(:dead AS text[])) OR worker = ANY(CAST(:crashed AS text[])) OR id IN (SELECT id FROM late)
            OR (lease_until < clock_timestamp() AND NOT worker = ANY(CAST(:alive AS text[]))
                AND pg_postmaster_start_time() < clock_timestamp() - :seconds * interval '1 second'))
        ORDER BY id FOR UPDATE
    ), counted AS (
        SELECT r.id, lost.how, r.losses + CAST(lost.how = 'lost' AS int) AS losses,
               r.failures + CAST(lost.how <> 'lost' AS int) AS failures,
               CASE lost.how
                   WHEN 'overdue' THEN 'the run ' || (SELECT words FROM late WHERE late.id = r.id)
                   WHEN 'crashed' THEN 'the worker process ended while it trained this run (killed from outside, '
                       || 'out of memory, or ended by the run itself); the study''s events say how'
                   ELSE 'the worker of this run vanished ' || (r.losses + 1) || ' times (out of memory?)' END AS error
        FROM kdsearch.run r JOIN lost ON r.id = lost.id
    )
    UPDATE kdsearch.run r
    SET token = NULL, lease_until = NULL, losses = counted.losses, failures = counted.failures,
        state = CASE WHEN counted.losses >= :most_losses OR counted.failures >= :most_failures
                THEN 'failed' ELSE 'queued' END,
        finished_at = CASE WHEN counted.losses >= :most_losses OR counted.failures >= :most_failures
                      THEN clock_timestamp() END,
        error = CASE WHEN counted.how <> 'lost' OR counted.losses >= :most_losses THEN counted.error ELSE r.error END
    FROM counted WHERE r.id = counted.id
    RETURNING r.id, r.state, r.worker, counted.how
    """
)


def _overdue(connection: Connection, study_id: int) -> Mapping[int, str]:
    """Runs in training for longer than their limit, with words that say so.

    The limit is the study's ``run_timeout``; without one it is 20 times the longest run of the same pool so far and at
    least half an hour, or a day while fewer than three have ended.
    """
    given: float | None = connection.execute(
        sa.text("SELECT CAST(settings ->> 'run_timeout' AS float8) FROM kdsearch.study WHERE id = :study"),
        {"study": study_id},
    ).scalar()
    rows = connection.execute(
        sa.text(
            """
            SELECT id, pool, extract(epoch FROM clock_timestamp() - started_at) AS seconds FROM kdsearch.run
            WHERE study_id = :study AND state = 'leased'
              AND started_at < clock_timestamp() - :least * interval '1 second'
            """
        ),
        {"study": study_id, "least": LEAST_LIMIT if given is None else given},
    ).all()
    if not rows:  # the usual case: what follows reads all runs that have ended
        return {}
    ended = connection.execute(
        sa.text(
            """
            SELECT pool, max(extract(epoch FROM finished_at - started_at)) AS seconds FROM kdsearch.run
            WHERE study_id = :study AND state = 'done' GROUP BY pool HAVING count(*) >= :enough
            """
        ),
        {"study": study_id, "enough": _ENOUGH},
    )
    longest = {row.pool: row.seconds for row in ended}
    found = {}
    for row in rows:
        limit, why = _limit(given, longest.get(row.pool))
        if row.seconds > limit:
            found[row.id] = f"ran for more than {limit:,.0f} s, {why}"
    return found


def _limit(given: float | None, longest: float | None) -> tuple[float, str]:
    if given is not None:
        return given, "the study's run_timeout"
    if longest is None:
        return FIRST_LIMIT, "the limit of a study's first runs; kd.Study(run_timeout=...) sets another"
    limit = max(LEAST_LIMIT, LONGEST_TIMES * float(longest))
    return limit, f"where the longest of its kind so far took {longest:,.0f} s; kd.Study(run_timeout=...) sets another"


def retry_failed(connection: Connection, study_id: int) -> int:
    """Queue failed runs again with their failures forgotten; returns how many."""
    return connection.execute(
        sa.text(
            "UPDATE kdsearch.run SET state = 'queued', failures = 0, losses = 0, finished_at = NULL "
            "WHERE study_id = :study AND state = 'failed'"
        ),
        {"study": study_id},
    ).rowcount


def requeue_teachers(connection: Connection, run_ids: Sequence[int]) -> None:
    """Train teachers again whose weights are gone; the runs that need them wait meanwhile."""
    connection.execute(
        sa.text(
            "UPDATE kdsearch.run SET state = 'queued', artifact = NULL, finished_at = NULL "
            "WHERE id = ANY(CAST(:ids AS bigint[])) AND pool = 'teacher' AND state = 'done'"
        ),
        {"ids": list(run_ids)},
    )


def lease_holders(connection: Connection, study_id: int) -> list[str]:
    """Names of the workers that hold leases of a study."""
    rows = connection.execute(
        sa.text("SELECT DISTINCT worker FROM kdsearch.run WHERE study_id = :study AND state = 'leased'"),
        {"study": study_id},
    )
    return [row.worker for row in rows]


def workers_at_work(connection: Connection, study_id: int) -> list[WorkerAtWork]:
    """The workers that hold leases of a study, with what they told of their place when they began."""
    rows = connection.execute(
        sa.text(
            """
            SELECT held.worker, held.runs, told.data ->> 'node' AS node, told.data ->> 'device' AS device
            FROM (SELECT worker, array_agg(id ORDER BY id) AS runs FROM kdsearch.run
                  WHERE study_id = :study AND state = 'leased' GROUP BY worker) held
            LEFT JOIN LATERAL (SELECT data FROM kdsearch.event WHERE study_id = :study AND kind = 'worker'
                  AND data ->> 'worker' = held.worker ORDER BY id DESC LIMIT 1) told ON true
            ORDER BY node, device, held.worker
            """
        ),
        {"study": study_id},
    )
    return [WorkerAtWork(**row) for row in rows.mappings()]


def losses_after(connection: Connection, study_id: int, event_id: int) -> list[tuple[int, str, str]]:
    """Leases lost since an event, however it was noticed: id of the event, name of the worker, and how."""
    rows = connection.execute(
        sa.text(
            "SELECT id, data ->> 'worker', data ->> 'how' FROM kdsearch.event "
            "WHERE study_id = :study AND id > :event AND kind = 'lease lost' AND data ? 'how' ORDER BY id"
        ),
        {"study": study_id, "event": event_id},
    )
    return [(id, worker, how) for id, worker, how in rows]


def release_worker(connection: Connection, study_id: int, worker: str) -> None:
    """Give back what a worker holds that its launcher has ended, with no blame on its runs."""
    connection.execute(
        sa.text(
            "UPDATE kdsearch.run SET state = 'queued', token = NULL, lease_until = NULL "
            "WHERE study_id = :study AND worker = :worker AND state = 'leased'"
        ),
        {"study": study_id, "worker": worker},
    )
