"""The heartbeat renews leases through outages, and ends a worker that goes on after it was told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import psycopg2
import pytest
import sqlalchemy as sa
from support import declaration, toy_study, wait_for

from kdsearch.engines.heartbeat import Heartbeat
from kdsearch.ledger.leases import Lease
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.orders import NewConfiguration, NewRun


@pytest.fixture
def held(ledger: Ledger) -> tuple[int, Lease]:
    """A study's id and the lease of its only run, which lasts 0.6 s."""
    ledger.lease_seconds = 0.6
    record, _ = ledger.open_study(declaration(toy_study()))
    run = NewRun(("searched", "c0"), "search", 0)
    orders = [NewConfiguration("searched", "c0", {"alpha": 0.1, "rate": 0.2}, "test"), run]
    ledger.decide(record.id, lambda state: orders)
    (lease,) = ledger.claim(record.id, "w")
    return record.id, lease


@pytest.fixture
def beating(ledger: Ledger, held: tuple[int, Lease]) -> Iterator[Callable[..., Heartbeat]]:
    """Makes the heartbeat that holds the lease."""
    made: list[Heartbeat] = []

    def make(**options: object) -> Heartbeat:
        heartbeat = Heartbeat(ledger, held[0], **options)  # type: ignore[arg-type]
        heartbeat.hold([held[1]])
        made.append(heartbeat)
        return heartbeat

    yield make
    for heartbeat in made:
        heartbeat.close()


def lease_left(ledger: Ledger) -> float:
    with ledger.database.engine.connect() as connection:
        statement = sa.text("SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM kdsearch.run")
        return float(connection.execute(statement).scalar() or -1e9)


def state(ledger: Ledger, study_id: int) -> str:
    (run,) = ledger.results(study_id).runs
    return run.state


def test_it_renews_again_after_the_database_failed(
    ledger: Ledger, beating: Callable[..., Heartbeat], monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat, failures, renew = beating(), [0], ledger.renew

    def failing(*args: object) -> object:
        if failures[0] < 2:
            failures[0] += 1
            raise OSError("the server is away")
        return renew(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "renew", failing)
    wait_for(lambda: failures[0] == 2, what="two failed renewals")
    time.sleep(0.8)
    assert lease_left(ledger) > 0
    assert heartbeat.held()


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.OperationalError("server closed the connection unexpectedly"),
        psycopg2.InterfaceError("connection already closed"),
        psycopg2.InternalError("current transaction is aborted"),
        psycopg2.DatabaseError("SSL SYSCALL error: EOF detected"),
        sa.exc.ResourceClosedError("This Connection is closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_outlives_whatever_the_driver_raises(
    ledger: Ledger, beating: Callable[..., Heartbeat], error: Exception
) -> None:
    """As the driver raises it itself, in the middle of a statement."""
    raised = []

    def strike(*_: object) -> None:
        if len(raised) < 3 and threading.current_thread().name == "kdsearch-heartbeat":
            raised.append(True)
            raise error

    sa.event.listen(ledger.database.engine, "before_cursor_execute", strike)
    heartbeat = beating()
    wait_for(lambda: len(raised) == 3, what="three errors")
    wait_for(lambda: lease_left(ledger) > 0.3, seconds=10, what="a renewal")
    assert heartbeat.held()


def test_it_outlives_statements_that_time_out_and_connections_that_are_cut(
    ledger: Ledger, database_url: str, beating: Callable[..., Heartbeat]
) -> None:
    name = sa.make_url(database_url).database
    heartbeat = beating()
    other = sa.create_engine(database_url, poolclass=sa.NullPool)
    with other.connect() as locker:
        locker.execute(sa.text(f"ALTER DATABASE {name} SET statement_timeout = '50ms'"))
        locker.commit()
        locker.execute(sa.text("LOCK TABLE kdsearch.run"))
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
        assert locker.execute(sa.text(cut), {"name": name}).all()
        time.sleep(1.0)
        locker.rollback()
    other.dispose()
    wait_for(lambda: lease_left(ledger) > 0.3, seconds=10, what="a renewal")
    assert heartbeat.held()


def test_a_worker_that_goes_on_after_it_was_told_to_stop_is_ended(
    ledger: Ledger, held: tuple[int, Lease], beating: Callable[..., Heartbeat]
) -> None:
    left: list[str] = []
    beating(should_stop=lambda: True, leave=lambda: left.append(state(ledger, held[0])), grace=0.5)
    time.sleep(0.3)
    assert not left
    assert lease_left(ledger) > 0, "while it may still hand its run back it keeps it"
    wait_for(lambda: left, what="the end of the worker")
    assert left == ["queued"], "the run is given back before the process ends"


def test_a_study_that_is_asked_to_stop_ends_its_workers_too(
    ledger: Ledger, held: tuple[int, Lease], beating: Callable[..., Heartbeat]
) -> None:
    left: list[bool] = []
    beating(leave=lambda: left.append(True), grace=0.3)
    ledger.request_stop(held[0])
    wait_for(lambda: left, what="the end of the worker")
    assert state(ledger, held[0]) == "queued"


def test_it_leaves_even_where_the_database_is_away(
    ledger: Ledger, beating: Callable[..., Heartbeat], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(leases: object) -> None:
        raise OSError("the server is away")

    monkeypatch.setattr(ledger, "release", away)
    left: list[bool] = []
    beating(should_stop=lambda: True, leave=lambda: left.append(True), grace=0.1)
    wait_for(lambda: left, what="the end of the worker")


def test_a_process_that_is_more_than_a_worker_keeps_its_lease(
    ledger: Ledger, held: tuple[int, Lease], beating: Callable[..., Heartbeat]
) -> None:
    beating(should_stop=lambda: True, grace=0.1)
    time.sleep(1.0)
    assert lease_left(ledger) > 0
    assert state(ledger, held[0]) == "leased"


def test_whom_nobody_asks_to_stop_goes_on(ledger: Ledger, beating: Callable[..., Heartbeat]) -> None:
    left: list[bool] = []
    heartbeat = beating(leave=lambda: left.append(True), grace=0.1)
    time.sleep(0.8)
    assert (left, heartbeat.stop_requested) == ([], False)
    assert lease_left(ledger) > 0
