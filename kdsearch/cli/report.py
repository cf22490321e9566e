"""``kdsearch report``, ``compare`` and ``status``: what a study found, several studies in one table, how far one is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, find, is_file, open_named

Form = Annotated[str, typer.Option("--format", help="table, md, latex, csv or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]
MixCode = Annotated[
    bool, typer.Option("--mix-code", help="Count runs of different versions of the trainer's code together.")
]


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

    The answer comes first and last, with the tables behind it in between.
    """
    from kdsearch.report import build, render

    ledger, record = open_named(study, preset, storage)
    _put(render(build(ledger.results(record.id), mix_code=mix_code), form, width=_columns()), output)


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY", help="Two or more studies, by name or file; the first is compared with each other one."
        ),
    ],
    form: Form = "table",
    output: Output = None,
    mix_code: MixCode = False,
    preset: Annotated[
        list[str] | None,
        typer.Option("--preset", help="Preset of the study files; given several times, each file is read with each."),
    ] = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Print the winners of several studies in one table.

    The studies are measured on the same data. The first is compared with each other one on common seeds. Studies that
    differ only in the official split of their data get mean ± sd over the splits, without a verdict.
    """
    from kdsearch.report import build_across_studies, render

    ledger = connect(storage)
    presets: list[str | None] = [*preset] if preset else [None]
    # A study that is given by its name has its preset in it.
    asked = [(study, name) for study in studies for name in (presets if is_file(study) else [None])]
    results = [ledger.results(find(ledger, study, name).id) for study, name in asked]
    _put(render(build_across_studies(results, mix_code=mix_code), form, width=_columns()), output)


def status(study: StudyName, preset: Preset = None, data: Data = None, storage: Storage = None) -> None:
    """Show how far a study is.

    It shows the phase, runs by pool and state, the leader, the time left and the workers, and the answer once the study
    is finished.
    """
    from kdsearch.engines.devices import is_dead
    from kdsearch.report import answer_of, render_answer
    from kdsearch.report.render import render_table
    from kdsearch.report.status import status as table

    ledger, record = open_named(study, preset, storage)
    # A worker that was killed holds its runs until a launch takes them back.
    holders = [name for name in ledger.lease_holders(record.id) if not is_dead(name)]
    results = ledger.results(record.id, curves=False)
    print(render_table(table(results, working=bool(holders)), width=_columns()))
    if (answer := answer_of(results)) is not None:
        print(render_answer(answer, width=_columns()))
    print(f"workers holding runs: {', '.join(holders) if holders else 'none'}")


def _put(text: str, output: Path | None) -> None:
    """Print a rendered report, or write it to a file."""
    if output is None:
        print(text)
    else:
        output.write_text(text if text.endswith("\n") else text + "\n")


def _columns() -> int:
    """Columns that a table may take: the terminal's, 100 elsewhere, never fewer than 80."""
    return max(80, shutil.get_terminal_size((100, 40)).columns)
