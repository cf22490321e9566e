"""The program: gathers the commands and turns errors into messages."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from kdsearch.cli import (
    add,
    compare,
    dashboard,
    data,
    db,
    doctor,
    examples,
    export,
    extend,
    launch,
    logs,
    report,
    status,
    stop,
    studies,
    train,
    worker,
)
from kdsearch.errors import KdsearchError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Search the weights, temperature, alpha and patience of knowledge distillation, with seeds where they decide "
    "something and results that are not luck.",
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"kdsearch {version('kdsearch')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


# A summary of its own: the docstring's first sentence is longer than a line of --help, which would cut it.
app.command("launch", short_help="Run a study: search, choose a winner, confirm it, report.")(launch.launch)
app.command("worker")(worker.worker)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("status")(status.status)
app.command("list")(studies.list_studies)
app.command("stop")(stop.stop)
app.command("extend")(extend.extend)
app.command("add")(add.add)
app.command("train")(train.train)
app.command("logs")(logs.logs)
app.add_typer(export.app, name="export")
app.command("dashboard")(dashboard.dashboard)
app.add_typer(examples.app, name="studies")
app.add_typer(db.app, name="db")
app.add_typer(data.app, name="data")
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the program; a ``KdsearchError`` is a message on standard error and exit code 1."""
    try:
        app()
    except KdsearchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output (head, less) has seen enough
        sys.exit(0)
    except OSError as error:
        # A file that cannot be read or written; everything of the database arrives as a KdsearchError.
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
