"""``kdsearch compare``: several studies on the same data side by side, or one study on several official splits."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Data, Storage, connect, find, is_file
from kdsearch.cli.report import Form, MixCode, Output, put, terminal_width


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY...",
            help="Two studies or more, by name or file; the first is compared with each other one.",
        ),
    ],
    form: Form = "table",
    output: Output = None,
    mix_code: MixCode = False,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            "--preset", help="Preset of the study files; given several times, each file counts with each of them."
        ),
    ] = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Print the winners of studies on the same data side by side.

    The first study is compared with each other one on common seeds. Studies that are one but for the official split of
    their data get mean ± sd over the splits, without a verdict.
    """
    from kdsearch.report import build_beside, render

    ledger = connect(storage)
    presets: list[str | None] = [*preset] if preset else [None]
    # A study that is given by its name has its preset in it.
    asked = [(study, name) for study in studies for name in (presets if is_file(study) else [None])]
    results = [ledger.results(find(ledger, study, name).id) for study, name in asked]
    put(render(build_beside(results, mix_code=mix_code), form, width=terminal_width()), output)
