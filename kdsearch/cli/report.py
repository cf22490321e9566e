"""``kdsearch report``, ``compare`` and ``status``: what a study found, several studies in one table, how far one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, find, form_of, is_file, open_named
from kdsearch.cli.output import columns, encoding, say
from kdsearch.errors import KdsearchError

if TYPE_CHECKING:
    from kdsearch.report.tables import Report

Form = Annotated[
    str | None,
    typer.Option("--format", help="table, md, latex, csv or json; default: as the name of --output ends, else table."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write it with all figures as one page to this file.")
]
MixCode = Annotated[
    bool, typer.Option("--mix-code", help="Count runs of different versions of the trainer's code together.")
]

FORMS = {"table": "text", "md": "Markdown", "latex": "LaTeX", "csv": "CSV", "json": "JSON"}
_RUNS = 5
"""Runs of a worker that are named."""


def report(
    study: StudyName,
    form: Form = None,
    output: Output = None,
    html: Html = None,
    mix_code: MixCode = False,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Print what a study found.

    The answer comes first and last, with the tables behind it in between. With --html it is one file with all tables
    and figures, which works offline.
    """
    from kdsearch.report import FORMATS, build

    if form is None and html is None and output is not None and output.suffix.lower() in (".html", ".htm"):
        html, output = output, None
    if html is not None:
        if form is not None or output is not None:
            raise KdsearchError("--html writes a file of its own: leave --format and --output out")
        _write_page(study, html, mix_code, preset, storage)
        return
    form = form_of(form, output, tuple(FORMATS))
    ledger, record = open_named(study, preset, storage, newest=True)
    _put(build(ledger.results(record.id, curves=None), mix_code=mix_code), form, output)


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY", help="Two or more studies, by name or file; the first is compared with each other one."
        ),
    ],
    form: Form = None,
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
    differ only in the official split of their data get mean and sd over the splits, without a verdict.
    """
    from kdsearch.report import FORMATS, build_across_studies

    form = form_of(form, output, tuple(FORMATS))
    ledger = connect(storage)
    presets: list[str | None] = [*preset] if preset else [None]
    # A study that is given by its name has its preset in it.
    asked = [(study, name) for study in studies for name in (presets if is_file(study) else [None])]
    results = [ledger.results(find(ledger, study, name).id) for study, name in asked]
    _put(build_across_studies(results, mix_code=mix_code), form, output)


def status(
    study: StudyName,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Show how far a study is.

    It shows the phase, runs by pool and state, the leader, the time left and the workers, and the answer once the study
    is finished.
    """
    from kdsearch.engines.worker_names import is_dead
    from kdsearch.report import answer_of, render_answer
    from kdsearch.report.counted import SHOWN_EVENTS, counted_status
    from kdsearch.report.render import render_table
    from kdsearch.report.status import status as table

    ledger, record = open_named(study, preset, storage, newest=True)
    # A worker that was killed holds its runs until a launch takes them back.
    at_work = [worker for worker in ledger.workers_at_work(record.id) if not is_dead(worker.worker)]
    if json:
        from kdsearch.report.status_json import status_json

        say(status_json(ledger.results(record.id, curves=False), at_work))
        return
    counted = None
    if record.winner_id is None:  # with a winner there is more to say, which runs of their own tell
        counted = counted_status(ledger.overview(record.id, SHOWN_EVENTS), working=bool(at_work))
    if counted is not None:
        say(render_table(counted, width=_columns(), encoding=encoding()))
    else:
        results = ledger.results(record.id, curves=False)
        say(render_table(table(results, working=bool(at_work)), width=_columns(), encoding=encoding()))
        if (answer := answer_of(results)) is not None:
            say(render_answer(answer, width=_columns(), encoding=encoding()))
    say(f"workers holding runs: {len(at_work) or 'none'}")
    for worker in at_work:
        runs = f"run{'' if len(worker.runs) == 1 else 's'} {', '.join(map(str, worker.runs[:_RUNS]))}"
        runs += f" and {len(worker.runs) - _RUNS} more" if len(worker.runs) > _RUNS else ""
        say(f"  {worker.node or 'unknown node'}, {worker.device or 'unknown device'}: {runs} ({worker.worker})")


def _write_page(study: str, file: Path, mix_code: bool, preset: str | None, storage: str | None) -> None:
    from kdsearch.figures.files import figure_folder
    from kdsearch.page import page

    ledger, record = open_named(study, preset, storage, newest=True)
    text = page(ledger.results(record.id), figure_folder(), mix_code=mix_code)
    file.write_text(text, encoding="utf-8", errors="backslashreplace")
    say(f"{file}: report of {record.name} ({len(text.encode()) / 1e6:.1f} MB, works offline)")


def _put(report: Report, form: str, output: Path | None) -> None:
    """Print a report, or write it to a file."""
    from kdsearch.report import render

    if output is None:
        say(render(report, form, width=_columns(), encoding=encoding()))
        return
    text = render(report, form, width=_columns())
    whole = text if text.endswith("\n") else text + "\n"
    output.write_text(whole, encoding="utf-8", errors="backslashreplace")
    say(f"{output}: {report.title} as {FORMS.get(form, form)}")


def _columns() -> int:
    """Columns that a table may take: the terminal's, 100 elsewhere, never fewer than 80 or more than 1000."""
    return min(max(80, columns(100)), 1000)
