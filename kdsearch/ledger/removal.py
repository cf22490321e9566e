"""Studies that are deleted, renamed, or declared anew before any of their runs has ended."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kdsearch.errors import LedgerError
from kdsearch.ledger import queries, schema
from kdsearch.ledger.records import TRAINED, StudyRecord


@dataclass(frozen=True)
class Removed:
    """What a deleted study leaves outside of the ledger: its ``uid``, and weights that no other run names."""

    uid: UUID | None
    artifacts: tuple[str, ...]


LATELY_SECONDS = 10
"""A launch that works ends a run or holds one within this time, mostly."""


def untried(connection: Connection, study_id: int) -> bool:
    """Whether no run of a study has ended well, none trains now, and nobody has added anything to it."""
    if _holders(connection, study_id):
        return False
    run, row = schema.run, schema.configuration
    tried = sa.select(run.c.id).where(run.c.study_id == study_id, run.c.state.in_(TRAINED)).limit(1)
    added = sa.select(row.c.id).where(row.c.study_id == study_id, row.c.origin == "user").limit(1)
    return connection.execute(tried).scalar() is None and connection.execute(added).scalar() is None


def _holders(connection: Connection, study_id: int) -> list[str]:
    """The workers that train runs of a study; none of its other runs can be claimed until the transaction ends.

    A lease that has run out is nobody's: its worker is dead, or has lost the run.
    """
    run = schema.run
    leased = sa.and_(run.c.state == "leased", run.c.lease_until > sa.func.clock_timestamp())
    open_runs = (
        sa.select(leased.label("leased"), run.c.worker)
        .where(run.c.study_id == study_id, run.c.state.in_(("queued", "leased")))
        .order_by(run.c.id)
        .with_for_update()
    )
    return sorted({str(row.worker) for row in connection.execute(open_runs) if row.leased})


def delete_study(connection: Connection, study_id: int) -> Removed:
    """Delete a study with all that the ledger has of it.

    Raises ``LedgerError`` while workers train its runs.
    """
    record = _at_rest(connection, study_id, "deleted")
    run = schema.run
    own = sa.select(run.c.artifact).where(run.c.study_id == study_id, run.c.artifact.is_not(None)).distinct()
    others = sa.select(run.c.artifact).where(run.c.study_id != study_id, run.c.artifact.is_not(None))
    names = connection.execute(sa.except_(own, others)).scalars().all()
    connection.execute(schema.study.delete().where(schema.study.c.id == study_id))
    return Removed(record.uid, tuple(str(name) for name in names))


def rename_study(connection: Connection, study_id: int, name: str, title: str) -> None:
    """Give a study another stored ``name`` and the ``title`` that its file says.

    Raises ``LedgerError`` while workers train its runs, and where a study has the name.
    """
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
    record, table = _at_rest(connection, study_id, "renamed"), schema.study
    if connection.execute(sa.select(table.c.id).where(table.c.name == name)).scalar() is not None:
        raise LedgerError(f"there is a study {name!r} already; choose another name, or delete that one first")
    # Commands that are given its name read its file as one that says so.
    settings = record.settings.changed(title=title, overrides={**record.settings.overrides, "name": title}).to_json()
    connection.execute(table.update().where(table.c.id == study_id).values(name=name, settings=settings))


def _at_rest(connection: Connection, study_id: int, what: str) -> StudyRecord:
    """The study, its row held, so that nobody plans meanwhile."""
    table = schema.study
    if connection.execute(sa.select(table.c.id).where(table.c.id == study_id).with_for_update()).scalar() is None:
        raise queries.deleted(study_id)
    record = queries.study_by_id(connection, study_id)
    if workers := _holders(connection, study_id):
        raise LedgerError(
            f"{record.name} is not {what}: its runs are trained now, by {', '.join(workers)}. Stop it first: "
            f"kdsearch stop {record.name}"
        )
    if not record.over and _ended_lately(connection, study_id):
        raise LedgerError(
            f"{record.name} is not {what}: a run of it ended in the last {LATELY_SECONDS} seconds, so that a launch "
            f"may be at work. Stop it first: kdsearch stop {record.name}; where its launch has ended, wait a moment"
        )
    return record


def _ended_lately(connection: Connection, study_id: int) -> bool:
    """Whether a run ended a moment ago: between two runs a worker that is at work holds none."""
    since = "finished_at > clock_timestamp() - :seconds * interval '1 second'"
    found = sa.text(f"SELECT EXISTS (SELECT 1 FROM kdsearch.run WHERE study_id = :study AND {since})")
    return bool(connection.execute(found, {"study": study_id, "seconds": LATELY_SECONDS}).scalar())
