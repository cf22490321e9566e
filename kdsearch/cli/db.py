"""``kdsearch db``: the database and its Optuna mirror."""

from __future__ import annotations

import typer

from kdsearch import environment
from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, find

app = typer.Typer(no_args_is_help=True, help="The database: its URL, the embedded server, the Optuna mirror.")


@app.command("url")
def url(storage: Storage = None) -> None:
    """Print the database URL, for Optuna and psql.

    The embedded server is started where no other database is named.
    """
    print(connect(storage).database.rendered_url(hide_password=False))


@app.command("start")
def start() -> None:
    """Start the embedded server."""
    from kdsearch.ledger import embedded

    embedded.start()
    found = embedded.status()
    print(f"embedded PostgreSQL runs in {found.folder} (process {found.pid}); kdsearch db stop ends it")


@app.command("stop")
def stop() -> None:
    """Stop the embedded server.

    Running launches start it again.
    """
    from kdsearch.ledger import embedded

    print("stopped" if embedded.stop() else f"no embedded server runs in {environment.home()}")


@app.command("mirror")
def mirror(study: StudyName, preset: Preset = None, data: Data = None, storage: Storage = None) -> None:
    """Build the Optuna study of a study anew from the ledger."""
    from kdsearch.engines.optuna_mirror import Mirror, rebuild

    ledger = connect(storage)
    record = find(ledger, study, preset)
    rebuild(ledger.database, record.name)
    told = Mirror(ledger, record).sync()
    print(f"Optuna study {record.name!r} is built anew; {told} trials are told")
