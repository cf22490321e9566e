"""Leases: who trains a run now, and the fence that keeps a late result of a lost lease out.

All times are Postgres's. A claim takes rows with ``FOR UPDATE SKIP LOCKED`` and never the study's lock.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import headline
from kdsearch.ledger import queries, schema, studies
from kdsearch.ledger.records import Kind, Pool
from kdsearch.tasks.base import Scalar
from kdsearch.texts import shortened

MAX_FAILURES = 3
_LONGEST_ERROR, _LONGEST_LINE = 20_000, 2_000


@dataclass(frozen=True)
class Lease:
    """The right to train a run until the lease runs out, and what its row says of how. ``needs`` is its teacher run.

    ``token`` is the right: what renews, stores or gives back a run shows it.

    ``fold``: which clips validate it; of a teacher, those that validate its students. ``failures``: of the attempts
    before this one; a run that has any is trained alone, for it may be what ends a worker. ``origin``: who proposed its
    configuration.
    """

    run_id: int
    token: uuid.UUID
    attempt: int
    kind: Kind
    name: str
    params: Mapping[str, Scalar]
    pool: Pool
    seed: int
    keep_weights: bool
    needs: int | None
    teacher_artifact: str | None
    fold: Fold = FIRST
    failures: int = 0
    origin: str = ""


@dataclass(frozen=True)
class Outcome:
    """A leased run that ended as ``done``, ``diverged`` or ``stopped``; ``values`` are columns of the run's row.

    ``queries`` among them may be missing: then there are none.
    """

    lease: Lease
    state: str
    values: Mapping[str, Any]


_CLAIM = sa.text(
    """
    WITH ready AS MATERIALIZED (
        SELECT r.id, r.priority, r.failures > 0 AS suspect FROM kdsearch.run r
        WHERE r.study_id = :study AND r.state = 'queued' AND (r.failures = 0 OR NOT :joins)
          AND (r.needs IS NULL
               OR EXISTS (SELECT 1 FROM kdsearch.run t WHERE t.id = r.needs AND t.state = 'done'))
          AND NOT r.id = ANY(CAST(:passed_over AS bigint[]))
          AND NOT (SELECT stop_requested FROM kdsearch.study WHERE id = :study)
          AND NOT (:again AND EXISTS (SELECT 1 FROM kdsearch.run h
                                      WHERE h.study_id = :study AND h.state = 'leased' AND h.token = :token))
        ORDER BY r.priority, r.id
        LIMIT :limit
        FOR UPDATE OF r SKIP LOCKED
    ), chosen AS (
        SELECT id, suspect, first_value(suspect) OVER places AS alone, row_number() OVER places AS place
        FROM ready WINDOW places AS (ORDER BY priority, id)
    ), claimed AS (
        UPDATE kdsearch.run
        SET state = 'leased', token = :token, worker = :worker, attempt = attempt + 1,
            started_at = clock_timestamp(), lease_until = clock_timestamp() + :seconds * interval '1 second'
        FROM chosen
        WHERE run.id = chosen.id AND CASE WHEN chosen.alone THEN chosen.place = 1 ELSE NOT chosen.suspect END
        RETURNING run.*
    ), held AS (
        SELECT * FROM claimed
        UNION ALL  -- as they were before this statement: those of an answer that was lost
        SELECT * FROM kdsearch.run r
        WHERE :again AND r.study_id = :study AND r.state = 'leased' AND r.token = :token
    )
    SELECT r.id AS run_id, r.token, r.attempt, c.kind, c.name, c.params, c.origin, r.pool, r.seed, r.keep_weights,
           r.needs, t.artifact AS teacher_artifact, r.partition, r.fold, r.failures
    FROM held r
    JOIN kdsearch.configuration c ON c.id = r.configuration_id
    LEFT JOIN kdsearch.run t ON t.id = r.needs
    ORDER BY r.priority, r.id
    """
)


def claim(
    connection: Connection,
    study_id: int,
    token: uuid.UUID,
    worker: str,
    limit: int,
    seconds: float,
    passed_over: Sequence[int] = (),
    joins: bool = False,
    *,
    again: bool = False,
) -> list[Lease]:
    """Lease up to ``limit`` queued runs whose teacher is there, but none of ``passed_over``.

    A run that has failed before is leased alone, and not at all with ``joins``, where others train already.
    ``again``: the token was sent before, and the answer was lost: it finds the same runs and takes no more. A new token
    is not looked for: that may read all runs of the queue.
    """
    values = {"study": study_id, "token": token, "worker": worker, "limit": limit, "seconds": seconds}
    options = {"passed_over": list(passed_over), "joins": joins, "again": again}
    rows = connection.execute(_CLAIM, {**values, **options}).mappings()
    return [_lease(row) for row in rows]


def _lease(row: RowMapping) -> Lease:
    columns = dict(row)
    fold = Fold(columns.pop("partition"), columns.pop("fold"))
    return Lease(**columns, fold=fold)


def renew(connection: Connection, study_id: int, leases: Sequence[Lease], seconds: float) -> tuple[set[int], bool]:
    """Renew all leases in one statement.

    Returns the ids still held, the others are lost; and whether somebody asked the study to stop.
    """
    rows = connection.execute(
        sa.text(
            """
            UPDATE kdsearch.run r SET lease_until = clock_timestamp() + :seconds * interval '1 second'
            FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS held (id, token)
            WHERE r.id = held.id AND r.token = held.token AND r.state = 'leased'
            RETURNING r.id
            """
        ),
        {"seconds": seconds, "ids": _ids(leases), "tokens": _tokens(leases)},
    )
    return {row.id for row in rows}, queries.study_by_id(connection, study_id).stop_requested


def finish(connection: Connection, outcomes: Sequence[Outcome]) -> set[int]:
    """Store results that are ready together; returns the ids accepted, the others are discarded by the fence.

    A result already stored under the same token counts as accepted: its commit happened, only the answer was lost.
    """
    if len(outcomes) == 1 and _stored(connection, outcomes):
        return {outcomes[0].lease.run_id}
    leases = [outcome.lease for outcome in outcomes]
    rows = connection.execute(
        sa.text(
            """
            SELECT r.id, r.state FROM kdsearch.run r
            JOIN unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS held (id, token)
              ON r.id = held.id AND r.token = held.token
            WHERE r.state IN ('leased', 'done', 'diverged', 'stopped')
            ORDER BY r.id FOR UPDATE OF r
            """
        ),
        {"ids": _ids(leases), "tokens": _tokens(leases)},
    ).all()
    held = {row.id for row in rows if row.state == "leased"}
    _stored(connection, [outcome for outcome in outcomes if outcome.lease.run_id in held])
    return {row.id for row in rows}


def _stored(connection: Connection, outcomes: Sequence[Outcome]) -> int:
    """Store the outcomes whose leases are held; returns how many, where there is one."""
    if not outcomes:
        return 0
    values = [
        {
            "b_id": outcome.lease.run_id,
            "b_token": outcome.lease.token,
            "state": outcome.state,
            "queries": None,
            **outcome.values,
        }
        for outcome in outcomes
    ]
    run = schema.run
    columns: dict[str, sa.BindParameter[Any]] = {
        name: sa.bindparam(name) for name in values[0] if not name.startswith("b_")
    }
    fence = sa.and_(run.c.id == sa.bindparam("b_id"), run.c.token == sa.bindparam("b_token"), run.c.state == "leased")
    statement = run.update().where(fence).values(**columns, finished_at=sa.func.clock_timestamp(), error=None)
    return connection.execute(statement, values if len(values) > 1 else values[0]).rowcount


def fail(connection: Connection, study_id: int, lease: Lease, error: str) -> str | None:
    """Record an exception and its event: the run is queued again, or ``failed`` after three.

    The event has a long text whole, the run its first and last part.
    Returns the run's state, ``None`` when the lease was lost.
    """
    text = studies.storable(error)
    state: str | None = connection.execute(
        sa.text(
            """
            UPDATE kdsearch.run
            SET failures = failures + 1, error = :error, token = NULL, lease_until = NULL,
                state = CASE WHEN failures + 1 >= :most THEN 'failed' ELSE 'queued' END,
                finished_at = CASE WHEN failures + 1 >= :most THEN clock_timestamp() END
            WHERE id = :id AND token = :token AND state = 'leased'
            RETURNING state
            """
        ),
        {"error": shortened(text, _LONGEST_ERROR), "most": MAX_FAILURES, "id": lease.run_id, "token": lease.token},
    ).scalar()
    if state is not None:
        message = f"run {lease.run_id} attempt {lease.attempt}: {shortened(headline(text), _LONGEST_LINE)}"
        studies.log_event(connection, study_id, "exception", message, {"traceback": text}, lease.run_id)
    return state


def release(connection: Connection, leases: Sequence[Lease]) -> None:
    """Give runs back to the queue; their checkpoints stay."""
    connection.execute(
        sa.text(
            """
            UPDATE kdsearch.run r SET state = 'queued', token = NULL, lease_until = NULL
            FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS held (id, token)
            WHERE r.id = held.id AND r.token = held.token AND r.state = 'leased'
            """
        ),
        {"ids": _ids(leases), "tokens": _tokens(leases)},
    )


def _ids(leases: Sequence[Lease]) -> list[int]:
    return [lease.run_id for lease in leases]


def _tokens(leases: Sequence[Lease]) -> list[str]:
    return [str(lease.token) for lease in leases]
