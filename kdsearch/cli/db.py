"""``kdsearch db``: the database and its Optuna mirror."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch import environment
from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, open_named
from kdsearch.cli.output import say

app = typer.Typer(no_args_is_help=True, help="The database: its URL, the embedded server, the Optuna mirror.")


@app.command("url")
def url(
    storage: Storage = None,
    password: Annotated[bool, typer.Option("--password", help="Print it with its password.")] = False,
) -> None:
    """Print the database URL, for Optuna and psql.

    This starts the embedded server, unless another database is named.
    """
    say(connect(storage).database.rendered_url(hide_password=not password))


@app.command("start")
def start() -> None:
    """Start the embedded server."""
    from kdsearch.ledger import embedded

    embedded.start()
    found = embedded.status()
    say(f"The embedded PostgreSQL runs in {found.folder} (process {found.pid}); kdsearch db stop stops it.")


@app.command("stop")
def stop() -> None:
    """Stop the embedded server.

    A launch that is running starts it again.
    """
    from kdsearch.ledger import embedded

    stopped = embedded.stop()
    say("The embedded server is stopped." if stopped else f"No embedded server runs in {environment.home()}.")


@app.command("prepare")
def prepare(storage: Storage = None) -> None:
    """Make the tables of kdsearch and of Optuna.

    Any first use of a database makes them. Do it once where the accounts that use it afterwards may not make tables.
    """
    from kdsearch.engines.optuna_mirror import optuna_storage

    ledger = connect(storage)
    optuna_storage(ledger.database)
    say(f"The tables of kdsearch and Optuna are in {ledger.database.rendered_url()}.")


@app.command("mirror")
def mirror(study: StudyName, preset: Preset = None, data: Data = None, storage: Storage = None) -> None:
    """Rebuild a study's Optuna study from the ledger."""
    from kdsearch.engines.optuna_mirror import Mirror, rebuild

    ledger, record = open_named(study, preset, storage)
    rebuild(ledger.database, record.name)
    trials = Mirror(ledger, record).sync()
    say(f"The Optuna study {record.name!r} is rebuilt with {trials} trials.")
