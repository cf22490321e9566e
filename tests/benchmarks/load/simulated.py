"""Simulated workers: the statements of kdsearch's workers over connections of their own, by one thread for all.

What a worker's own Python takes is left out: on real machines it is theirs, here it would keep the server waiting.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras

from tests.benchmarks.load.statements import PING

if TYPE_CHECKING:
    from tests.benchmarks.load.statements import Statement, Statements
    from tests.benchmarks.load.workers import Load, Times

CONNECTING_AT_ONCE = 16


class Connection:
    """One connection that takes statements in turn."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()

    async def open(self, url: str, limit: asyncio.Semaphore) -> None:
        """Connect; ``limit``: how many do so at once."""
        async with limit:
            self._connection = psycopg2.connect(url, async_=1, application_name="kdsearch")
            await self._ready()
        self._cursor = self._connection.cursor()

    async def ask(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Send a statement and return its rows."""
        self._cursor.execute(sql, parameters)
        await self._ready()
        return self._cursor.fetchall() if self._cursor.description else []

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def _ready(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            state = self._connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            waits = loop.create_future()
            socket = self._connection.fileno()
            reads = state == psycopg2.extensions.POLL_READ
            (loop.add_reader if reads else loop.add_writer)(socket, _wake, waits)
            try:
                await waits
            finally:
                (loop.remove_reader if reads else loop.remove_writer)(socket)


def _wake(waits: asyncio.Future[None]) -> None:
    if not waits.done():
        waits.set_result(None)


async def serve(url: str, statements: Statements, load: Load, begin: float, times: Times) -> None:
    """Let ``load.workers`` workers claim and store from ``begin``, seconds since 1970, on."""
    psycopg2.extras.register_uuid()
    limit = asyncio.Semaphore(CONNECTING_AT_ONCE)
    connections = [Connection() for _ in range(load.connections)]
    await asyncio.gather(*[connection.open(url, limit) for connection in connections])
    workers = [
        _work(connections[number % load.connections], statements, load, begin, number, times)
        for number in range(load.workers)
    ]
    try:
        await asyncio.gather(*workers)
    finally:
        for connection in connections:
            connection.close()


async def _work(
    connection: Connection, statements: Statements, load: Load, begin: float, number: int, times: Times
) -> None:
    """One worker; the first claims of all are spread over the length of a run."""
    due = begin + load.length * number / load.workers
    held: tuple[int, uuid.UUID] | None = None
    while due < begin + load.warm_up + load.seconds:
        await asyncio.sleep(max(0.0, due - time.time()))
        counted = due >= begin + load.warm_up
        if counted:
            times.late.append(time.time() - due)
        if held is not None:
            _, seconds = await _timed(connection, statements.finish, {"b_id": held[0], "b_token": held[1]})
            if counted:
                times.results.append(seconds)
        token = uuid.uuid4()
        own = {"token": token, "worker": f"load:{number}"}
        rows, seconds = await _timed(connection, statements.claim, own)
        held = (rows[0][0], token) if rows else None
        if counted:
            times.add_claim(seconds if rows else None)
        due += load.length if rows else min(load.length, 0.2)
    if held is not None:
        await _timed(connection, statements.finish, {"b_id": held[0], "b_token": held[1]})


async def _timed(connection: Connection, statement: Statement, own: Mapping[str, Any]) -> tuple[list[Any], float]:
    """Rows and seconds of a statement, with the ping before it, from when the connection is free."""
    async with connection.turn:
        asked = time.perf_counter()
        await connection.ask(PING, {})
        rows = await connection.ask(statement.sql, {**statement.parameters, **own})
        return rows, time.perf_counter() - asked
