"""Runs that come back to the queue: lost leases, failures forgiven, teachers whose weights are gone."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kdsearch.ledger import studies

MAX_LOSSES = 10


def expire(connection: Connection, study_id: int, seconds: float, dead_workers: Sequence[str] = ()) -> list[int]:
    """Queue again the runs whose lease ran out, or whose worker is known to be dead, and log each; returns the ids.

    A run that lost ten workers is ``failed``: it may be what kills them. Runs handed back do not count. Leases stand
    while the server has been up for less than a lease: no worker could renew while it was down.
    """
    rows = connection.execute(
        sa.text(
            """
            WITH lost AS MATERIALIZED (
                SELECT id FROM kdsearch.run
                WHERE study_id = :study AND state = 'leased' AND (
                    worker = ANY(CAST(:dead AS text[]))
                    OR (lease_until < clock_timestamp()
                        AND pg_postmaster_start_time() < clock_timestamp() - :seconds * interval '1 second'))
                ORDER BY id FOR UPDATE
            )
            UPDATE kdsearch.run r
            SET token = NULL, lease_until = NULL, losses = losses + 1,
                state = CASE WHEN losses + 1 >= :most THEN 'failed' ELSE 'queued' END,
                finished_at = CASE WHEN losses + 1 >= :most THEN clock_timestamp() END,
                error = CASE WHEN losses + 1 >= :most
                        THEN 'the worker of this run vanished ' || (losses + 1) || ' times (out of memory?)' END
            FROM lost WHERE r.id = lost.id
            RETURNING r.id, r.state
            """
        ),
        {"most": MAX_LOSSES, "study": study_id, "seconds": seconds, "dead": list(dead_workers)},
    )
    lost = [(row.id, row.state) for row in rows]
    for run_id, state in lost:
        message = f"run {run_id} lost its worker and is {state}" + (" again" if state == "queued" else "")
        studies.log_event(connection, study_id, "lease lost", message, run_id=run_id)
    return [run_id for run_id, _ in lost]


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
