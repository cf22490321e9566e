"""Decisions: state read, planner asked and orders applied in one transaction under the study's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from kdsearch.errors import LedgerError
from kdsearch.ledger import queries, schema, studies
from kdsearch.ledger.orders import (
    CancelRun,
    ChooseTeacher,
    ChooseWinner,
    EnterPhase,
    FailRun,
    NewConfiguration,
    NewRun,
    Note,
    Order,
)
from kdsearch.ledger.queries import Memory, SearchState

Plan = Callable[[SearchState], Sequence[Order]]


def decide(
    connection: Connection, study_id: int, plan: Plan, memory: Memory | None = None, *, after: float | None = None
) -> list[Order]:
    """Ask the planner and apply what it orders. Safe to repeat: what may have changed is read anew each time.

    ``after``: do so only where nobody who gives no such number has decided for so many seconds, and nobody decides just
    now: a worker that finds nothing to do must neither read the study nor wait for the one who is planning it.
    """
    table = schema.study
    mine = sa.select(table.c.id).where(table.c.id == study_id)
    if after is None:
        connection.execute(mine.with_for_update())
        connection.execute(table.update().where(table.c.id == study_id).values(planned_at=sa.func.clock_timestamp()))
    else:
        since = sa.func.extract("epoch", sa.func.clock_timestamp() - table.c.planned_at)
        free = mine.where(sa.or_(table.c.planned_at.is_(None), since > after)).with_for_update(skip_locked=True)
        if connection.execute(free).first() is None:
            return []
    state = queries.search_state(connection, study_id, memory)
    orders = list(plan(state))
    _Applier(connection, study_id, state).apply(orders)
    return orders


class _Applier:
    def __init__(self, connection: Connection, study_id: int, state: SearchState) -> None:
        self.connection = connection
        self.study_id = study_id
        self.state = state
        self.configurations = {(row.kind, row.name): row.id for row in state.configurations.values()}
        self.teacher_runs = {run.seed: run.id for run in state.runs if run.pool == "teacher"}

    def apply(self, orders: Sequence[Order]) -> None:
        for order in orders:
            if isinstance(order, NewConfiguration):
                self._configuration(order)
        # What is taken back first: it may be ordered again behind another teacher.
        for order in orders:
            if isinstance(order, FailRun):
                self._end(order.run_id, state="failed", error=order.error)
            elif isinstance(order, CancelRun):
                self._end(order.run_id, state="cancelled")
        # Teachers first: student runs of the same plan name them by seed.
        runs = [order for order in orders if isinstance(order, NewRun)]
        for teacher in [order for order in runs if order.pool == "teacher"]:
            self._insert([teacher])
        self._insert([order for order in runs if order.pool != "teacher"])
        for order in orders:
            if isinstance(order, ChooseTeacher):
                self._update_study(teacher_run_id=order.run_id, phase="search")
            elif isinstance(order, ChooseWinner):
                self._choose_winner(order)
            elif isinstance(order, EnterPhase):
                self._update_study(phase=order.phase)
            elif isinstance(order, Note) and not (order.once and order.kind in self.state.events):
                studies.log_event(self.connection, self.study_id, order.kind, order.message, order.data)

    def _configuration(self, order: NewConfiguration) -> None:
        known = self.state.configurations.get(self.configurations.get((order.kind, order.name), 0))
        if known is not None and dict(known.params) == dict(order.params):
            return  # somebody has deleted its runs, so that it is planned again
        table = schema.configuration
        row = self.connection.execute(
            table.insert()
            .values(
                study_id=self.study_id,
                kind=order.kind,
                name=order.name,
                params=dict(order.params),
                origin=order.origin,
                proposal=dict(order.proposal),
            )
            .returning(table.c.id)
        )
        self.configurations[order.kind, order.name] = row.scalar_one()

    def _insert(self, orders: Sequence[NewRun]) -> None:
        if not orders:
            return
        for order in orders:
            if min(order.fold.partition, order.fold.number) < 0:
                raise LedgerError(
                    f"a {order.pool} run on seed {order.seed} was ordered with {order.fold}: expected a partition and "
                    "a fold from 0 on. This is a fault of the planner; nothing was stored."
                )
        rows: list[dict[str, Any]] = [
            {
                "study_id": self.study_id,
                "configuration_id": self._id(order.configuration),
                "pool": order.pool,
                "seed": order.seed,
                "needs": self.teacher_runs[order.needs[1]] if isinstance(order.needs, tuple) else order.needs,
                "priority": order.priority,
                "keep_weights": order.keep_weights,
                "version": self.state.study.version,
                "partition": order.fold.partition,
                "fold": order.fold.number,
            }
            for order in orders
        ]
        # A plan may order what is there already (a second pool of the same seeds): the run is one, whoever asked. One
        # that was taken back is queued again.
        new = insert(schema.run)
        statement = new.on_conflict_do_update(
            index_elements=["configuration_id", "seed"],
            set_={"state": "queued", "needs": new.excluded.needs},
            where=schema.run.c.state == "cancelled",
        )
        returned = self.connection.execute(
            statement.returning(schema.run.c.id, schema.run.c.seed, schema.run.c.pool), rows
        )
        self.teacher_runs.update({row.seed: row.id for row in returned if row.pool == "teacher"})

    def _choose_winner(self, order: ChooseWinner) -> None:
        self._update_study(
            winner_id=order.winner,
            ablation_id=self._id(order.ablation),
            best_without_id=order.best_without,
            finalist_ids=list(order.finalists),
            phase="confirm",
        )
        name = self.state.configurations[order.winner].name
        studies.log_event(self.connection, self.study_id, "winner", f"winner chosen: {name}", order.observations)

    def _end(self, run_id: int, **values: str) -> None:
        """End a run that nobody has claimed meanwhile."""
        table = schema.run
        waiting = sa.and_(table.c.id == run_id, table.c.state == "queued")
        self.connection.execute(table.update().where(waiting).values(**values))

    def _id(self, configuration: int | tuple[str, str]) -> int:
        return configuration if isinstance(configuration, int) else self.configurations[configuration]  # type: ignore[index]

    def _update_study(self, **values: Any) -> None:
        table = schema.study
        self.connection.execute(table.update().where(table.c.id == self.study_id).values(**values))
