"""Reads of the ledger. ``search_state`` never names a score column: what search decides on cannot hold one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine import RowMapping

from kdsearch.ledger import schema
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import EventRecord
from kdsearch.ledger.records import RunRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.records import StudyResults

_SEARCH_COLUMNS = tuple(
    schema.run.c[name]
    for name in (
        "id",
        "configuration_id",
        "pool",
        "seed",
        "state",
        "objective",
        "attempt",
        "needs",
        "seconds",
        "finished_at",
    )
)


@dataclass(frozen=True)
class SearchState:
    """What a planner decides from: configurations and runs, objectives only."""

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    runs: tuple[SearchRun, ...]
    events: frozenset[str] = frozenset()


def find_study(connection: Connection, name: str) -> StudyRecord | None:
    """The study stored under exactly this name."""
    row = connection.execute(sa.select(schema.study).where(schema.study.c.name == name)).mappings().first()
    return None if row is None else _study(row)


def all_studies(connection: Connection) -> list[StudyRecord]:
    """Every study, oldest first."""
    rows = connection.execute(sa.select(schema.study).order_by(schema.study.c.id)).mappings()
    return [_study(row) for row in rows]


def study_of_run(connection: Connection, run_id: int) -> StudyRecord | None:
    """The study that a run belongs to."""
    statement = sa.select(schema.study).join(schema.run, schema.run.c.study_id == schema.study.c.id)
    row = connection.execute(statement.where(schema.run.c.id == run_id)).mappings().first()
    return None if row is None else _study(row)


def search_state(connection: Connection, study_id: int) -> SearchState:
    """One consistent read for a planner, without scores.

    Confirm runs carry no objective here either: nothing measured on fresh seeds can reach a decision.
    """
    fresh_hidden = sa.case((schema.run.c.pool == "confirm", None), else_=schema.run.c.objective).label("objective")
    columns = [fresh_hidden if column.name == "objective" else column for column in _SEARCH_COLUMNS]
    rows = connection.execute(
        sa.select(*columns).where(schema.run.c.study_id == study_id).order_by(schema.run.c.id)
    ).mappings()
    runs = tuple(SearchRun(**row) for row in rows)
    kinds = connection.execute(sa.select(schema.event.c.kind).where(schema.event.c.study_id == study_id).distinct())
    return SearchState(
        study=study_by_id(connection, study_id),
        configurations=_configurations(connection, study_id),
        runs=runs,
        events=frozenset(kind for (kind,) in kinds),
    )


def results(connection: Connection, study_id: int) -> StudyResults:
    """One consistent read of everything, for reports."""
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    names = [column for column in schema.run.c if column.name in _RUN_FIELDS or column.name.startswith("curve")]
    rows = connection.execute(
        sa.select(*names).where(schema.run.c.study_id == study_id).order_by(schema.run.c.id)
    ).mappings()
    runs = tuple(_run(row) for row in rows)
    return StudyResults(
        study=study_by_id(connection, study_id),
        configurations=_configurations(connection, study_id),
        runs=runs,
        events=tuple(events_after(connection, study_id, 0)),
    )


def events_after(connection: Connection, study_id: int, last: int) -> list[EventRecord]:
    """Events of a study with an id above ``last``, oldest first."""
    table = schema.event
    columns = [table.c[name] for name in EventRecord.__dataclass_fields__]
    rows = connection.execute(
        sa.select(*columns).where(table.c.study_id == study_id, table.c.id > last).order_by(table.c.id)
    ).mappings()
    return [EventRecord(**row) for row in rows]


_RUN_FIELDS = frozenset(RunRecord.__dataclass_fields__) - {"curve"}
_STUDY_FIELDS = frozenset(StudyRecord.__dataclass_fields__)


def study_by_id(connection: Connection, study_id: int) -> StudyRecord:
    """The study of this id."""
    row = connection.execute(sa.select(schema.study).where(schema.study.c.id == study_id)).mappings().one()
    return _study(row)


def _study(row: RowMapping) -> StudyRecord:
    values = {name: value for name, value in row.items() if name in _STUDY_FIELDS}
    return StudyRecord(**{**values, "finalist_ids": tuple(values["finalist_ids"])})


def _configurations(connection: Connection, study_id: int) -> dict[int, ConfigurationRecord]:
    table = schema.configuration
    rows = connection.execute(
        sa.select(table.c.id, table.c.kind, table.c.name, table.c.params, table.c.origin)
        .where(table.c.study_id == study_id)
        .order_by(table.c.id)
    ).mappings()
    return {row["id"]: ConfigurationRecord(**row) for row in rows}


def _run(row: RowMapping) -> RunRecord:
    values = {name: value for name, value in row.items() if name in _RUN_FIELDS}
    curve = dict(zip(row["curve_names"] or (), row["curves"] or (), strict=True))
    return RunRecord(**values, curve=curve)
