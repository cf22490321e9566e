"""The program: gathers the commands and turns errors into messages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from kdsearch.cli import (
    dashboard,
    data,
    db,
    doctor,
    examples,
    export,
    init,
    launch,
    logs,
    more_runs,
    plot,
    removal,
    report,
    show,
    studies,
    train,
    workers,
)
from kdsearch.cli.output import complain, discard_output, program_streams, say
from kdsearch.errors import KdsearchError


class _Commands(TyperGroup):
    """The commands; one that Ctrl-C ends says so in a line of its own, unless it says more itself."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("Interrupted.")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Search the loss weights, temperature, alpha and patience of knowledge distillation, and report a result that "
    "does not depend on a lucky seed.",
)


def _print_version(asked: bool) -> None:
    if asked:
        say(f"kdsearch {version('kdsearch')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_COMMANDS: dict[str, Callable[..., None]] = {
    "launch": launch.launch,
    "init": init.init,
    "worker": workers.worker,
    "report": report.report,
    "compare": report.compare,
    "plot": plot.plot,
    "show": show.show,
    "status": report.status,
    "list": studies.list_studies,
    "stop": workers.stop,
    "extend": more_runs.extend,
    "add": more_runs.add,
    "delete": removal.delete,
    "rename": removal.rename,
    "train": train.train,
    "logs": logs.logs,
    "dashboard": dashboard.dashboard,
    "doctor": doctor.doctor,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)
for name, group in {"export": export.app, "studies": examples.app, "db": db.app, "data": data.app}.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run the program; a ``KdsearchError`` is a message on standard error and exit code 1."""
    try:
        with program_streams():
            app(prog_name="kdsearch")
    except BrokenPipeError:
        discard_output()  # the reader of our output (head, less) has seen enough
        sys.exit(0)
    except (KdsearchError, OSError) as error:  # OSError: a file that cannot be read or written
        complain(f"error: {error}")
        discard_output()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
