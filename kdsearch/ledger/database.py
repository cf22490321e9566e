"""Connections: which database, how a lost one is met, and how its errors are said."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url

from kdsearch import environment
from kdsearch.errors import LedgerError
from kdsearch.ledger import embedded
from kdsearch.ledger.storage_url import check_url, shown

T = TypeVar("T")
_EMBEDDED = {
    "hostaddr": "",
    "options": "",
    "target_session_attrs": "any",
    "sslmode": "disable",
    "gssencmode": "disable",
    "channel_binding": "disable",
    "require_auth": "",
}
_MISLEADING = ("PGSERVICE", "PGSERVICEFILE", "PGTZ", "PGDATESTYLE", "PGGEQO")
"""Variables of the client that no argument overrides."""

_LOST = (sa.exc.OperationalError, sa.exc.InterfaceError)


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    """Whether the pool logs something else than a Ctrl-C, which it raises again after it has logged it."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, KeyboardInterrupt)


logging.getLogger("sqlalchemy.pool.impl.QueuePool").addFilter(_is_no_interrupt)


class Database:
    """One Postgres database, held by one or two connections.

    ``url``: a SQLAlchemy URL, or ``None`` for ``KDSEARCH_STORAGE`` and, without that, the embedded server, which is
    started here and, when it dies, again at the next transaction.
    """

    def __init__(self, url: str | None = None, *, patience: float = 60.0) -> None:
        given = environment.storage_url(url)
        self.embedded = given is None
        self.patience = patience
        self.url = check_url(given) if given is not None else make_url(embedded.start())
        self.engine = self._engine()

    def transaction(self, work: Callable[[Connection], T], *, single: bool = False) -> T:
        """Run ``work`` in one transaction; run it again when the connection was lost, or the server ended a statement.

        ``single``: it changes rows in one statement, which is then a transaction by itself: rows are locked no longer
        than that takes.

        ``work`` must be safe to repeat: a commit whose answer was lost may have happened. Waits up to ``patience``
        seconds for the server, then raises ``LedgerError``.
        """
        deadline = time.monotonic() + self.patience
        pause = 0.1
        while True:
            try:
                if single:
                    with self._autocommit.connect() as connection:
                        return work(connection)
                with self.engine.begin() as connection:
                    return work(connection)
            except sa.exc.DBAPIError as error:
                if not _worth_repeating(error):
                    if isinstance(error, _LOST) or _code(error) in _REFUSALS:
                        raise LedgerError(_refused(error)) from error
                    raise
                if time.monotonic() >= deadline:
                    ended = _refused(error) if _code(error) in _ENDED else self._unreachable(error)
                    raise LedgerError(ended) from error
                time.sleep(pause)
                pause = min(2 * pause, 2.0)
                self._recover()

    @property
    def _autocommit(self) -> Engine:
        """The same pool of connections, each statement committed by itself."""
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def check(self) -> None:
        """Raise ``LedgerError`` at once when the database cannot be reached."""
        try:
            with self.engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except _LOST as error:
            raise LedgerError(self._unreachable(error)) from error

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def rendered_url(self, *, hide_password: bool = True) -> str:
        """The URL as text."""
        return shown(self.url) if hide_password else self.url.render_as_string(hide_password=False)

    @property
    def connect_args(self) -> dict[str, Any]:
        """Arguments of libpq for this database.

        Those of the embedded one leave nothing to the variables by which users reach servers of their own: with
        ``PGHOSTADDR`` it would be looked for over TCP.
        """
        own = {"connect_timeout": 10, "application_name": "kdsearch", "client_encoding": "UTF8"}
        return {**own, **_EMBEDDED} if self.embedded else own

    def _engine(self) -> Engine:
        # One connection for work and one for the thread that renews leases: the embedded server takes 500, a server of
        # the user's own 100 by default, which tens of workers do not reach.
        return sa.create_engine(
            self.url,
            pool_size=1,
            max_overflow=1,
            pool_pre_ping=True,
            executemany_mode="values_plus_batch",
            connect_args=self.connect_args,
            json_serializer=lambda value: json.dumps(value, allow_nan=False),
        )

    def _recover(self) -> None:
        if self.embedded:
            fresh = make_url(embedded.start())
            if fresh != self.url:
                self.engine.dispose()
                self.url = fresh
                self.engine = self._engine()

    def _unreachable(self, error: Exception) -> str:
        first = str(getattr(error, "orig", error)).strip().splitlines()
        if first and "too many c" in first[0]:  # clients already, or connections for a role: it comes without a code
            return f"the database {self.rendered_url()} refused: {first[0]}\n{_ADVICE['53300']}"
        said = f"the database {self.rendered_url()} cannot be reached: {first[0] if first else error}\n"
        set_ = [name for name in _MISLEADING if name in os.environ] if self.embedded else []
        said += f"It is the embedded server of this machine; its client also reads {', '.join(set_)}.\n" if set_ else ""
        return (
            f"{said}Check that the server runs and that {environment.STORAGE} (or --storage) names it, or unset it for "
            "the embedded server of this machine."
        )


_REFUSALS = frozenset({"53100", "53200", "53300", "42501", "25006"})
_ENDED = frozenset({"57014", "55P03", "25P03", "25P04"})
"""A statement cancelled or at its time limit, a lock not had in time, a transaction that was idle or took too long."""


def _code(error: sa.exc.DBAPIError) -> str | None:
    code: str | None = getattr(error.orig, "pgcode", None)
    return code


def _worth_repeating(error: sa.exc.DBAPIError) -> bool:
    code = _code(error)
    if code is None:
        return isinstance(error, _LOST)  # the socket failed
    # Class 57P: the server shuts down or starts up. 08: connection exceptions.
    # 40: deadlock or serialisation failure, where Postgres undid our transaction to let another through.
    return code.startswith(("57P", "08", "40")) or code in _ENDED


_ADVICE = {
    "53100": "The disk of the database is full: free some space and call the same command again; nothing finished is "
    "lost.",
    "42501": "The role of this URL lacks a right. docs/security.md gives the grants that are needed.",
    "25006": "This server takes no changes: name the one that does.",
    "57014": "Somebody cancelled the statement, or it took longer than this role's statement_timeout.",
    "53300": "The server has no free connection: raise max_connections or start fewer workers.",
}


def _refused(error: sa.exc.DBAPIError) -> str:
    code = _code(error)
    text = str(error.orig).strip()
    again = "Call the same command again once the cause is gone; nothing finished is lost."
    return f"the database refused: {text}\n{_ADVICE.get(code or '', again)}"
