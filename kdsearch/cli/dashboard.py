"""``kdsearch dashboard``: Optuna's dashboard on the mirrored studies."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Storage


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    storage: Storage = None,
) -> None:
    """Serve Optuna dashboard with all studies on 127.0.0.1 until Ctrl-C."""
    from kdsearch.cli.common import connect
    from kdsearch.dashboard import serve

    serve(connect(storage), port=port)
