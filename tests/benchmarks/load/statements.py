"""The statements by which a worker claims and stores, as kdsearch sends them to the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

if TYPE_CHECKING:
    from kdsearch.ledger.leases import Lease
    from kdsearch.ledger.ledger import Ledger

T = TypeVar("T")

PING = "SELECT 1"
"""What the pool of connections asks before it hands one out."""


@dataclass(frozen=True)
class Statement:
    """SQL and its parameters, as the database driver gets them."""

    sql: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Statements:
    """``claim`` takes a ``token`` and a ``worker``, ``finish`` the run as ``b_id`` and its ``b_token``."""

    claim: Statement
    finish: Statement


def recorded(ledger: Ledger, study_id: int) -> Statements:
    """Claim a run and store its result, and return what was sent for each."""
    from kdsearch.ledger.leases import Outcome

    claim, (lease,) = _sent(ledger, lambda: ledger.claim(study_id, "load:recorded"))
    finish, _ = _sent(ledger, lambda: ledger.finish([Outcome(lease, "done", result(lease))]))
    return Statements(claim, finish)


def _sent(ledger: Ledger, work: Callable[[], T]) -> tuple[Statement, T]:
    """The only statement that ``work`` sends, and what it returns."""
    seen: list[Statement] = []

    def keep(_: Any, __: Any, sql: str, parameters: Any, *___: Any) -> None:
        seen.append(Statement(sql, dict(parameters)))

    engine = ledger.database.engine
    sa.event.listen(engine, "before_cursor_execute", keep)
    try:
        returned = work()
    finally:
        sa.event.remove(engine, "before_cursor_execute", keep)
    (statement,) = seen
    return statement, returned


def result(lease: Lease) -> dict[str, Any]:
    """What a run of ten evaluations stores."""
    value = float(lease.params["a"] or 0) + lease.seed * 7919 % 13 / 13
    rising = [value * step / 10 for step in range(1, 11)]
    return {
        "objective": value,
        "epoch": 10,
        "epochs": 10,
        "seconds": 1.0,
        "scores": {},
        "curve_names": ["epoch", "objective"],
        "curves": [[float(step) for step in range(1, 11)], rising],
    }
