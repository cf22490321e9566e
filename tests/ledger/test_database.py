"""Connections: what is refused, what is said, what is waited for."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from kdsearch.errors import LedgerError
from kdsearch.ledger import embedded, schema
from kdsearch.ledger.database import Database
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.storage_url import check_url


def test_the_bare_postgresql_name_means_psycopg2() -> None:
    assert check_url("postgresql://me@host/db").drivername == "postgresql+psycopg2"


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://host/db", "not a url"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(LedgerError, match=r"expected .*postgresql\+psycopg2"):
        check_url(url)


def test_an_unreachable_server_is_said_without_its_password() -> None:
    begin = time.monotonic()
    with pytest.raises(LedgerError) as refused:
        Ledger.connect("postgresql+psycopg2://me:secret@127.0.0.1:1/db")
    assert "cannot be reached" in str(refused.value)
    assert "KDSEARCH_STORAGE" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("FATAL:  sorry, too many clients already", "raise max_connections or start fewer workers"),
        ('FATAL:  too many connections for role "kd"\n\n', "raise max_connections or start fewer workers"),
        ("could not receive data from server\nIs it running?", "Check that the server runs"),
        ("", "Check that the server runs"),
    ],
)
def test_the_first_line_of_what_the_server_said_is_told_with_advice(database_url: str, said: str, advice: str) -> None:
    database, attempts = Database(database_url, patience=0.15), []

    def work(connection: sa.Connection) -> None:
        attempts.append(time.monotonic())
        raise sa.exc.OperationalError("SELECT 1", {}, Exception(said))

    with pytest.raises(LedgerError) as refused:
        database.transaction(work)
    database.dispose()
    assert advice in str(refused.value)
    assert said.split("\n")[0] in str(refused.value).split("\n")[0]
    assert "Is it running" not in str(refused.value)
    assert len(attempts) > 1, "it waits first"


def test_migrations_make_exactly_the_tables_that_the_code_names(ledger: Ledger) -> None:
    with ledger.database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "version_table_schema": schema.SCHEMA,
                "compare_type": True,
                "include_name": lambda name, kind, parents: kind != "schema" or name == schema.SCHEMA,
            },
        )
        assert compare_metadata(context, schema.metadata) == []


def test_checks_of_tables_made_by_migration_match_the_code(ledger: Ledger) -> None:
    found = sa.inspect(ledger.database.engine)
    for table in schema.metadata.sorted_tables:
        declared = {item.name for item in table.constraints if isinstance(item, sa.CheckConstraint)}
        stored = {item["name"] for item in found.get_check_constraints(table.name, schema=schema.SCHEMA)}
        assert {str(name) for name in declared} == stored


def test_a_schema_of_a_newer_program_is_refused(ledger: Ledger, database_url: str) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE kdsearch.alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="schema 9999"):
        Ledger.connect(database_url)


def test_a_transaction_is_repeated_when_its_connection_was_cut(ledger: Ledger, server: str) -> None:
    attempts = 0

    def work(connection: sa.Connection) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            own = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar()
            with sa.create_engine(server).connect() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        return int(connection.execute(sa.text("SELECT 7")).scalar_one())

    assert ledger.database.transaction(work) == 7
    assert attempts == 2


def test_a_deadlock_is_tried_again(ledger: Ledger, database_url: str) -> None:

    both = threading.Barrier(2, timeout=20)
    attempts: list[int] = []

    def lock(first: int, second: int) -> None:
        own = Database(database_url)
        waited = False

        def work(connection: sa.Connection) -> None:
            nonlocal waited
            attempts.append(first)
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": first})
            if not waited:
                waited = True
                both.wait()
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": second})

        own.transaction(work)
        own.dispose()

    threads = [threading.Thread(target=lock, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    assert len(attempts) == 3, "one of the two was undone and repeated"


@pytest.mark.parametrize(
    ("limit", "code"), [("statement_timeout", "57014"), ("lock_timeout", "55P03"), ("idle_session_timeout", "57P05")]
)
def test_what_the_server_ends_at_a_limit_is_tried_again(database_url: str, limit: str, code: str) -> None:
    own, attempts = Database(database_url), []

    def work(connection: sa.Connection) -> int:
        attempts.append(code)
        if len(attempts) < 3:
            connection.execute(sa.text(f"DO $$ BEGIN RAISE 'ended by {limit}' USING ERRCODE = '{code}'; END $$"))
        return len(attempts)

    assert own.transaction(work) == 3
    own.patience = 0.0
    attempts.clear()
    with pytest.raises(LedgerError, match=f"ended by {limit}"):
        own.transaction(work)
    own.dispose()


def test_a_transaction_that_was_idle_for_too_long_is_tried_again(database_url: str) -> None:
    own, attempts = Database(database_url), []

    def work(connection: sa.Connection) -> int:
        attempts.append(1)
        if len(attempts) == 1:
            connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
            time.sleep(0.3)
        return int(connection.execute(sa.text("SELECT 7")).scalar_one())

    assert own.transaction(work) == 7
    assert len(attempts) == 2
    own.dispose()


def test_an_error_of_a_statement_is_not_tried_again(database_url: str) -> None:
    own, attempts = Database(database_url), []

    def work(connection: sa.Connection) -> None:
        attempts.append(1)
        connection.execute(sa.text("SELECT 1 / 0"))

    with pytest.raises(sa.exc.DataError):
        own.transaction(work)
    assert attempts == [1]
    own.dispose()


def test_a_wrong_url_is_said_without_its_password() -> None:
    with pytest.raises(LedgerError) as refused:
        check_url("postgresql+psycopg2//me:s3cret@host/db")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(("error", "said"), [(KeyboardInterrupt, 0), (ValueError, 1)])
def test_ctrl_c_while_a_connection_is_given_back_prints_nothing_and_is_raised(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, error: type[BaseException], said: int
) -> None:
    def strike(*_: object) -> None:
        raise error

    connection = ledger.database.engine.connect()
    connection.execute(sa.text("SELECT 1"))
    sa.event.listen(ledger.database.engine, "reset", strike)
    try:
        with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else contextlib.nullcontext():
            connection.close()
    finally:
        sa.event.remove(ledger.database.engine, "reset", strike)
    assert [record.message for record in caplog.records] == ["Exception during reset or similar"] * said
    assert ledger.studies() == []


def test_variables_that_mislead_the_client_of_the_embedded_server_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDSEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KDSEARCH_STORAGE", raising=False)
    database = Database(patience=0.0)
    try:
        monkeypatch.setenv("PGSERVICE", "nope")
        with pytest.raises(LedgerError, match="the embedded server of this machine; its client also reads PGSERVICE"):
            database.check()
    finally:
        monkeypatch.delenv("PGSERVICE")
        database.dispose()
        embedded.stop(tmp_path / "home" / "postgres")
