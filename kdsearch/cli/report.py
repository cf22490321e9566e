"""``kdsearch report``: the tables of a study."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, find

Form = Annotated[str, typer.Option("--format", help="table, md, latex, csv or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]
MixCode = Annotated[bool, typer.Option("--mix-code", help="Mix runs of different trainer code.")]


def report(
    study: StudyName,
    form: Form = "table",
    output: Output = None,
    mix_code: MixCode = False,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Print what a study found.

    The answer stands first and last, between them the tables that it rests on.
    """
    from kdsearch.report import build, render

    ledger = connect(storage)
    record = find(ledger, study, preset)
    put(render(build(ledger.results(record.id), mix_code=mix_code), form, width=terminal_width()), output)


def put(text: str, output: Path | None) -> None:
    """Print a rendered report, or write it to a file."""
    if output is None:
        print(text)
    else:
        output.write_text(text if text.endswith("\n") else text + "\n")


def terminal_width() -> int:
    """Columns that a report may take."""
    return max(80, shutil.get_terminal_size((100, 40)).columns)
