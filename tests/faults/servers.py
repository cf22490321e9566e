"""A PostgreSQL server over TCP, as users have one, that a test may stop, restart, fill up and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa
from support import runs, wait_for

from kdsearch.ledger.server_account import ServerAccount


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class TcpServer:
    """A server whose data lie in ``folder``; ``settings`` are command line options of ``postgres``.

    ``variables``: of its environment, each ``NAME=VALUE``.
    """

    folder: Path
    settings: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    addresses: str = "127.0.0.1"
    port: int = field(default_factory=_free_port)
    process: psutil.Process | None = None

    def __post_init__(self) -> None:
        self.account = ServerAccount.find(self.folder.parent)
        self.folder.mkdir(exist_ok=True)
        self.account.give(self.folder)
        made = self.account.run(
            [
                "initdb",
                "--auth=trust",
                "--username=me",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
                str(self.folder),
            ]
        )
        assert made.returncode == 0, made.stderr
        self.start()
        engine = sa.create_engine(self.url.replace("/kd?", "/postgres?"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("CREATE DATABASE kd"))
        engine.dispose()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://me@127.0.0.1:{self.port}/kd?connect_timeout=5"

    def start(self) -> None:
        """Start it, and wait until it takes connections; ``AssertionError`` with its log where it ends at once."""
        options = [
            "-p",
            str(self.port),
            "-c",
            f"listen_addresses={self.addresses}",
            "-c",
            "unix_socket_directories=",
            *self.settings,
        ]
        script = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
        program = ["env", *self.variables, self.account.program("postgres"), "-D", str(self.folder), *options]
        started = self.account.run(["/bin/sh", "-c", script, "sh", str(self.folder / "log"), *program])
        pid = int(started.stdout)
        self.process = psutil.Process(pid) if psutil.pid_exists(pid) else None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process is not None and runs(self.process):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                if (self.folder / "postmaster.pid").read_text().split()[-1] == "ready":
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def listen_on(self, address: str, network: str) -> None:
        """Take connections at another address of this machine too, from a network."""
        with (self.folder / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {network} trust\n")
        self.stop()
        self.addresses += f",{address}"
        self.start()

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it: fast (SIGINT), at once (SIGQUIT), or as a crash (SIGKILL)."""
        if self.process is None:
            return
        children = list[psutil.Process]()
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):  # it may have ended by itself: a full disk
            children = self.process.children()
            os.kill(self.process.pid, how)
        family = [self.process, *children]
        wait_for(lambda: not any(map(runs, family)), what="the end of the server")
        self.process = None

    def revive(self) -> None:
        """Start it again where it has ended by itself, or ends now, as one does whose disk was full at its recovery."""

        def settled() -> bool:
            with contextlib.suppress(sa.exc.DBAPIError):
                self.sql("SELECT 1")
                return True
            return self.process is None or not runs(self.process)

        wait_for(settled, what="an answer of the server, or its end")
        if self.process is None or not runs(self.process):
            self.process = None
            self.start()

    def sql(self, statement: str) -> None:
        """Run one statement as its superuser."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
