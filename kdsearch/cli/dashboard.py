"""``kdsearch dashboard``: Optuna's dashboard on the mirrored studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Storage


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Figures of your own, one figure(results) a file; default: those that come with kdsearch.",
        ),
    ] = None,
    storage: Storage = None,
) -> None:
    """Serve Optuna's dashboard with all studies until Ctrl-C.

    It listens on 127.0.0.1 alone: from another machine, reach it through ssh.
    """
    from kdsearch.cli.common import connect
    from kdsearch.cli.examples import shipped
    from kdsearch.dashboard import serve
    from kdsearch.errors import KdsearchError

    if figures is not None and not figures.is_dir():
        raise KdsearchError(f"expected a folder of figures, found none at {figures}")
    serve(connect(storage), port=port, folder=figures or shipped("dashboards", "dashboards"))
