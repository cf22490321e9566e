"""``kdsearch dashboard``: Optuna's dashboard on the mirrored studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Storage


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port.")] = 8080,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; others than 127.0.0.1 open it to the network.")
    ] = "127.0.0.1",
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Your own figures, one file with figure(results) each; default: the figures of kdsearch.",
        ),
    ] = None,
    storage: Storage = None,
) -> None:
    """Serve Optuna's dashboard of all studies until Ctrl-C.

    It listens on 127.0.0.1, and the address that it prints holds a token, so that other users of this machine and web
    pages cannot use it. From another machine, reach it through an ssh tunnel.
    """
    from kdsearch.cli.common import connect
    from kdsearch.dashboard import serve
    from kdsearch.figures.files import figure_folder

    serve(connect(storage), port=port, host=host, folder=figure_folder(figures))
