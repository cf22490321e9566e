"""Reads of the ledger. ``search_state`` never names a score column: what search decides on cannot hold one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection, RowMapping

from kdsearch.errors import StudyDeleted
from kdsearch.ledger import schema
from kdsearch.ledger.records import (
    ENDED,
    TRAINED,
    ConfigurationRecord,
    EventRecord,
    Kind,
    LeaderRecord,
    Pool,
    RunRecord,
    SearchRun,
    StudyRecord,
    StudyResults,
)
from kdsearch.ledger.run_rows import collected_later, fetch, fold_of, read_runs
from kdsearch.ledger.settings import StudySettings

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
        "partition",
        "fold",
    )
)


@dataclass(frozen=True)
class SearchState:
    """What a planner decides from: configurations and runs, objectives only."""

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    runs: tuple[SearchRun, ...]
    events: frozenset[str] = frozenset()


def all_studies(connection: Connection) -> list[StudyRecord]:
    """Every study, oldest first."""
    rows = connection.execute(sa.select(schema.study).order_by(schema.study.c.id)).mappings()
    return [_study(row) for row in rows]


def study_of_run(connection: Connection, run_id: int) -> StudyRecord | None:
    """The study that a run belongs to."""
    statement = sa.select(schema.study).join(schema.run, schema.run.c.study_id == schema.study.c.id)
    row = connection.execute(statement.where(schema.run.c.id == run_id)).mappings().first()
    return None if row is None else _study(row)


_IDS = ARRAY(sa.BigInteger)


@dataclass
class Memory:
    """What one reader of a study remembers between reads: what is fixed once it is there, or once it has ended well.

    A cache: without it the next read is whole.
    """

    configurations: dict[int, ConfigurationRecord] = field(default_factory=dict)
    runs: dict[int, SearchRun] = field(default_factory=dict)

    def forget(self) -> None:
        """Let the next read be whole."""
        self.configurations.clear()
        self.runs.clear()


def search_state(connection: Connection, study_id: int, memory: Memory | None = None) -> SearchState:
    """One consistent read for a planner, without scores; of a study in ``memory`` only what has changed is fetched.

    Confirm runs carry no objective here either: nothing measured on fresh seeds can reach a decision.
    """
    memory = memory if memory is not None else Memory()
    fresh_hidden = sa.case((schema.run.c.pool == "confirm", None), else_=schema.run.c.objective).label("objective")
    columns = [fresh_hidden if column.name == "objective" else column for column in _SEARCH_COLUMNS]
    wanted = schema.run.c.study_id == study_id
    gone = {id_ for id_, run in memory.runs.items() if run.state not in TRAINED}
    if memory.runs:
        # No clock here: what was not ended well when last seen, what is not now, and what is new. Runs are made under
        # the study's lock, so what is new has a higher id.
        open_now = schema.run.c.state.in_(("queued", "leased", "failed", "cancelled"))
        wanted &= sa.or_(
            open_now, schema.run.c.id > max(memory.runs), schema.run.c.id == sa.any_(sa.literal(sorted(gone), _IDS))
        )
    with collected_later():
        for row in fetch(connection, sa.select(*columns).where(wanted).order_by(schema.run.c.id)):
            memory.runs[row[0]] = SearchRun(*(*row[:-2], fold_of(*row[-2:])))
            gone.discard(row[0])
    for id_ in gone:  # somebody has deleted them
        del memory.runs[id_]
    runs = tuple(memory.runs[id_] for id_ in sorted(memory.runs))
    kinds = connection.execute(sa.select(schema.event.c.kind).where(schema.event.c.study_id == study_id).distinct())
    # Under the study's lock, or in one go with it, ids grow: what is newer has a higher one.
    memory.configurations.update(configurations(connection, study_id, max(memory.configurations, default=0)))
    return SearchState(
        study=study_by_id(connection, study_id),
        configurations=dict(memory.configurations),
        runs=runs,
        events=frozenset(kind for (kind,) in kinds),
    )


def results(connection: Connection, study_id: int, *, curves: bool | None = True) -> StudyResults:
    """One consistent read of everything, for reports; without ``curves``, which are most of it, where none is shown.

    ``curves=None``: with them once the study has a winner, as before none is shown.
    """
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    found = study_by_id(connection, study_id)
    whole = found.winner_id is not None if curves is None else curves
    runs = read_runs(connection, schema.run.c.study_id == study_id, curves=whole)
    known = configurations(connection, study_id)
    study = _without_deleted(found, known)
    return StudyResults(
        study=study,
        configurations=known,
        runs=runs,
        events=tuple(events_after(connection, study_id, 0)),
        queries=_queries(connection, study),
    )


def run_results(connection: Connection, study_id: int, run_id: int) -> StudyResults:
    """One consistent read of everything about one run: itself, its configuration, its events; no run where it is gone.

    What the study compares its winner with is not looked up.
    """
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    runs = read_runs(connection, sa.and_(schema.run.c.study_id == study_id, schema.run.c.id == run_id))
    own = [run.configuration_id for run in runs]
    return StudyResults(
        study=study_by_id(connection, study_id),
        configurations=configurations(connection, study_id, among=schema.configuration.c.id.in_(own)),
        runs=runs,
        events=tuple(events_after(connection, study_id, 0, run_id=run_id)),
    )


def runs_in_pool(connection: Connection, study_id: int, pool: Pool) -> tuple[RunRecord, ...]:
    """The runs of a study in one pool, without their curves."""
    run = schema.run.c
    return read_runs(connection, sa.and_(run.study_id == study_id, run.pool == pool), curves=False)


def _without_deleted(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord]) -> StudyRecord:
    """The study without what it compares the winner with, where somebody deleted that."""
    ablation, best = (id_ if id_ in configurations else None for id_ in (study.ablation_id, study.best_without_id))
    finalists = tuple(id_ for id_ in study.finalist_ids if id_ in configurations)
    return replace(study, ablation_id=ablation, best_without_id=best, finalist_ids=finalists)


def ended_runs(connection: Connection, study_id: int, *, failed: bool = True) -> int:
    """How many runs of a study came to an end; without ``failed``, to a value."""
    ended = schema.run.c.state.in_((*TRAINED, "failed") if failed else ENDED)
    found = connection.execute(
        sa.select(sa.func.count()).select_from(schema.run).where(schema.run.c.study_id == study_id, ended)
    )
    return int(found.scalar_one())


@dataclass(frozen=True)
class EndedCurve:
    """A search run that has ended, by its objective at the epochs that it reported; without a value if stopped."""

    run_id: int
    kind: Kind
    objective: float | None
    epochs: tuple[int, ...]
    values: tuple[float, ...]


def ended_curves(connection: Connection, study_id: int, known: Collection[int]) -> list[EndedCurve]:
    """The search runs that have ended, but for those ``known``, in the order of their ends; no score is read."""
    run, row = schema.run.c, schema.configuration.c
    columns = [run.id, row.kind, run.objective, *(_curve(name).label(name) for name in ("epoch", "value"))]
    wanted = [run.study_id == study_id, run.pool == "search", run.state.in_(TRAINED)]
    unknown = run.id != sa.all_(sa.literal(sorted(known), _IDS))
    own = schema.run.join(schema.configuration, row.id == run.configuration_id)
    statement = sa.select(*columns).select_from(own).where(*wanted, unknown, row.origin.in_(("sampler", "begin")))
    rows = connection.execute(statement.order_by(run.finished_at, run.id))
    return [
        EndedCurve(id_, kind, objective, tuple(int(epoch) for epoch in epochs or ()), tuple(values or ()))
        for id_, kind, objective, epochs, values in rows
    ]


def _curve(name: str) -> sa.ColumnElement[list[float]]:
    """One column of the curve of a run; of the objective as ``value``."""
    place = "array_position(curve_names, '{}')".format("objective" if name == "value" else name)
    text = f"(SELECT array_agg(v ORDER BY i) FROM unnest(curves[{place}:{place}][:]) WITH ORDINALITY AS u (v, i))"
    return sa.literal_column(text)


def ended_among(connection: Connection, study_id: int, run_ids: Sequence[int]) -> list[int]:
    """Those of these runs of a study that have ended, or that it does not have."""
    run = schema.run.c
    still = sa.select(run.id).where(run.study_id == study_id, run.id.in_(run_ids), run.state.in_(("queued", "leased")))
    open_runs = set(connection.execute(still).scalars())
    return [run_id for run_id in run_ids if run_id not in open_runs]


def last_event(connection: Connection, study_id: int) -> int:
    """The id of a study's last event, 0 where it has none."""
    event = schema.event.c
    found = connection.execute(sa.select(sa.func.max(event.id)).where(event.study_id == study_id))
    return int(found.scalar() or 0)


def events_after(
    connection: Connection, study_id: int, last: int, *, run_id: int | None = None, kinds: Sequence[str] | None = None
) -> list[EventRecord]:
    """Events of a study, or of one of its runs, or of some ``kinds``, with an id above ``last``, oldest first."""
    table = schema.event
    columns = [table.c[name] for name in EventRecord.__dataclass_fields__]
    wanted = sa.and_(table.c.study_id == study_id, table.c.id > last)
    if run_id is not None:
        wanted &= table.c.run_id == run_id
    if kinds is not None:
        wanted &= table.c.kind.in_(kinds)
    rows = connection.execute(sa.select(*columns).where(wanted).order_by(table.c.id)).mappings()
    return [EventRecord(**row) for row in rows]


def _queries(connection: Connection, study: StudyRecord) -> dict[int, list[float]]:
    """Per-query test values of the confirm runs of what is compared first of all, where they were kept."""
    compared = [id_ for id_ in (study.winner_id, study.ablation_id, study.best_without_id) if id_ is not None]
    if not compared:
        return {}
    table = schema.run
    rows = connection.execute(
        sa.select(table.c.id, table.c.queries).where(
            table.c.configuration_id.in_(compared),
            table.c.pool == "confirm",
            table.c.state.in_(ENDED),
            sa.func.cardinality(table.c.queries) > 0,
        )
    )
    return {row.id: list(row.queries) for row in rows}


_STUDY_FIELDS = frozenset(StudyRecord.__dataclass_fields__)


def study_by_id(connection: Connection, study_id: int) -> StudyRecord:
    """The study of this id; ``LedgerError`` where somebody has deleted it since it was found."""
    row = connection.execute(sa.select(schema.study).where(schema.study.c.id == study_id)).mappings().one_or_none()
    if row is None:
        raise deleted(study_id)
    return _study(row)


def deleted(study_id: int) -> StudyDeleted:
    """What is said of a study that is gone."""
    return StudyDeleted(
        f"the study of id {study_id} is no longer in the ledger: somebody deleted it, or a launch of a changed "
        "study file began it anew. kdsearch list shows what there is"
    )


def _study(row: RowMapping) -> StudyRecord:
    values = {name: value for name, value in row.items() if name in _STUDY_FIELDS}
    settings = StudySettings.from_json(row["settings"], f"the study {row['name']}")
    leader = None if row["leader"] is None else LeaderRecord.from_json(row["leader"])
    return StudyRecord(
        **{**values, "finalist_ids": tuple(values["finalist_ids"]), "settings": settings, "leader": leader}
    )


def configurations(
    connection: Connection, study_id: int, above: int = 0, among: sa.ColumnElement[bool] | None = None
) -> dict[int, ConfigurationRecord]:
    """The configurations of a study with an id ``above`` this one, or only those ``among`` them."""
    table = schema.configuration
    wanted = sa.and_(table.c.study_id == study_id, table.c.id > above)
    if among is not None:
        wanted &= among
    columns = [table.c[name] for name in ("id", "kind", "name", "params", "origin", "proposal")]
    with collected_later():
        rows = fetch(connection, sa.select(*columns).where(wanted).order_by(table.c.id))
        return {row[0]: ConfigurationRecord(*row) for row in rows}
